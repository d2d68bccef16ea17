"""Read machine files: find, merge what they extend, resolve named cycles, validate, and report every mistake at its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schema import Machine

FOLDER = Path(__file__).parent
PART = "part-"  # files that other machines extend, not machines themselves

Location = tuple[Any, ...]
Mistake = tuple[Location, str]


class MachineFileError(ValueError):
    """A machine file that cannot be used; the message has one line for every mistake: `file:line: key: message`."""


def known_machines() -> list[str]:
    """Names of the machines that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml") if not path.stem.startswith(PART))


def load_machine(name_or_path: str | Path, settings: Mapping[str, str] | None = None) -> Machine:
    """The machine of this name, or of the TOML file at this path, with keys such as `timing.nRP` set to other values.

    `preset` takes the timing of that name, `refresh` = off or on sets `memory.refresh_interval_cycles` to 0 or nREFI.
    """
    files: list[_File] = []
    path = _find(str(name_or_path), Path.cwd())
    raw = _read(path, files, ())
    for key, value in (settings or {}).items():
        _set(raw, key, value)
    return _validate(raw, files)


def _set(raw: dict[str, Any], key: str, value: str) -> None:
    if key == "preset":
        presets = raw.get("timing_preset", {})
        if value not in presets:
            known = ", ".join(presets) or "none"
            raise MachineFileError(f"setting preset: found {value!r}, expected one of the machine's presets: {known}")
        raw["timing"] = {**raw["timing"], **presets[value]}
        return
    if key == "refresh":
        if value not in ("on", "off"):
            raise MachineFileError(f"setting refresh: found {value!r}, expected on or off")
        interval = raw["memory"].get("refresh_interval_cycles")
        if value == "on" and not interval and "nREFI" not in raw.get("timing", {}):
            raise MachineFileError("setting refresh: the machine has no nREFI in [timing]")
        key, value = "memory.refresh_interval_cycles", "0" if value == "off" else str(interval or "nREFI")
    *tables, name = key.split(".")
    table: Any = raw
    for part in tables:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict) or isinstance(table.get(name), dict) or not tables:
        raise MachineFileError(
            f"setting {key}: not a key of the machine, expected preset, refresh or one like timing.nRP"
        )
    if name not in table and tables[0] in ("timing", "command", "npu", "memory"):
        raise MachineFileError(f"setting {key}: the machine has no such key")
    try:
        table[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[name] = value


class _File:
    """The text of a file and where its keys stand."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MachineFileError(f"{path}: cannot read: {error}") from None
        try:
            self.tables = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            raise MachineFileError(f"{path}:{line[1] if line else 1}: not TOML: {error}") from None
        self.lines = _key_lines(self.text)

    def find(self, location: Location) -> tuple[int, int]:
        """How many leading parts of the location stand in this file, and the line of the last of them."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.lines:
                return length, self.lines[location[:length]]
        return 0, 1


def _key_lines(text: str) -> dict[Location, int]:
    """Line number of every table header and key, by its path; array tables have their index in the path."""
    lines: dict[Location, int] = {}
    seen: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([\w.\-\"]+)\s*\]", line)
        key = re.match(r"\s*([\w.\-\"]+)\s*=", line)
        if header:
            table = tuple(header[2].replace('"', "").split("."))
            if header[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = (*table, seen[table])
            for length in range(1, len(table) + 1):
                lines.setdefault(table[:length], number)
        elif key:
            lines[(*table, *key[1].replace('"', "").split("."))] = number
    return lines


def _find(name: str, folder: Path) -> Path:
    if name.endswith(".toml") or "/" in name:
        return folder / name
    path = FOLDER / f"{name}.toml"
    if not path.exists():
        raise MachineFileError(f"unknown machine {name!r}; known machines: {', '.join(known_machines())}")
    return path


def _read(path: Path, files: list[_File], parents: tuple[Path, ...]) -> dict[str, Any]:
    """The tables of a file merged over those that it extends; constraints carry the file they come from."""
    if path.resolve() in parents:
        raise MachineFileError(f"{path}:1: extends: the file extends itself")
    file = _File(path)
    files.append(file)
    own = dict(file.tables)
    merged: dict[str, Any] = {}
    extends = own.get("extends", [])
    for parent in [extends] if isinstance(extends, str) else extends:
        if not isinstance(parent, str):
            raise MachineFileError(f"{path}:{file.find(('extends',))[1]}: extends: expected machine names")
        try:
            found = _find(parent, path.parent)
        except MachineFileError as error:
            raise MachineFileError(f"{path}:{file.find(('extends',))[1]}: extends: {error}") from None
        merged = _merge(merged, _read(found, files, (*parents, path.resolve())))
    if isinstance(own.get("constraint"), list):
        own["constraint"] = [
            {**rule, _ORIGIN: (file, index)} if isinstance(rule, dict) else rule
            for index, rule in enumerate(own["constraint"])
        ]
    return _merge(merged, own)


_ORIGIN = "(origin)"


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables merge key by key, constraints add up (a rule for the same commands replaces), anything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not {"pj", "mw"} & value.keys():
            merged[key] = _merge(old, value)
        elif key == "constraint" and isinstance(old, list) and isinstance(value, list):
            replaced = [_rule_key(rule) for rule in value]
            merged[key] = [rule for rule in old if _rule_key(rule) not in replaced] + value
        else:
            merged[key] = value
    return merged


def _rule_key(rule: Any) -> Any:
    if not isinstance(rule, dict):
        return None
    return [str(rule.get(key)) for key in ("level", "preceding", "following")] + [rule.get("window", 1)]


def _validate(raw: dict[str, Any], files: list[_File]) -> Machine:
    from pydantic import ValidationError

    from .checks import cross_checks, resolve_cycles
    from .schema import Machine

    origins = [rule.pop(_ORIGIN, None) if isinstance(rule, dict) else None for rule in raw.get("constraint", ())]
    mistakes = resolve_cycles(raw)
    machine = None
    try:
        machine = Machine.model_validate(raw)
    except ValidationError as error:
        mistakes += [(tuple(entry["loc"]), _message(dict(entry))) for entry in error.errors()]
    mistakes += cross_checks(raw)
    if machine is None or mistakes:
        reports = sorted({_report(location, message, files, origins) for location, message in mistakes})
        raise MachineFileError("\n".join(f"{file}:{line}: {key}: {text}" for file, line, key, text in reports))
    return machine


def _message(entry: dict[str, Any]) -> str:
    """What pydantic found, in words that name the value and the limit."""
    value, context = entry["input"], entry.get("ctx", {})
    match entry["type"]:
        case "missing":
            return "required key is missing"
        case "extra_forbidden":
            return "unknown key"
        case "greater_than":
            return f"found {value}, expected more than {context['gt']}"
        case "greater_than_equal":
            return f"found {value}, expected at least {context['ge']}"
        case "literal_error":
            return f"found {value!r}, expected {context['expected']}"
        case "value_error":
            return str(context["error"])
        case _:
            shown = "a table" if isinstance(value, dict) else repr(value)
            return f"found {shown}: {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _report(location: Location, message: str, files: list[_File], origins: list[Any]) -> tuple[str, int, str, str]:
    key = ".".join(str(part) for part in location)
    if location[:1] == ("constraint",) and len(location) > 1 and origins[location[1]]:
        file, index = origins[location[1]]
        place = ("constraint", index, *location[2:])
        return str(file.path), file.find(place)[1], ".".join(map(str, place)), message
    best = max(files, key=lambda file: file.find(location)[0])
    return str(best.path), best.find(location)[1], key, message
