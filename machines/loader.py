"""Load machines: settings over files, named cycles resolved, everything validated, and every mistake at its line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import ORIGIN, Location, MachineFile, MachineFileError, known_machines, read_merged

if TYPE_CHECKING:
    from .schema import Machine

__all__ = ["MachineFileError", "WrittenMachine", "known_machines", "load_machine", "load_written"]

Origin = tuple[MachineFile, int] | None


@dataclass(frozen=True)
class WrittenMachine:
    """A machine with what its numbers were written as, for tables that people read.

    `cycles` and `places` belong to the constraints: the expression in the file, and `file:line`. `latency` and `timing` are
    the expressions of commands and names. `notes` are the comments beside `[timing]` numbers, or what setting changed them.
    """

    machine: Machine
    cycles: list[str]
    places: list[str]
    latency: dict[str, str]
    timing: dict[str, str]
    notes: dict[str, str]


def load_machine(name_or_path: str | Path, settings: Mapping[str, str] | None = None) -> Machine:
    """The machine of this name, or of the TOML file at this path, with keys such as `timing.nRP` set to other values.

    `preset` takes the timing of that name, `refresh` = off or on sets `memory.refresh_interval_cycles` to 0 or nREFI.
    """
    return load_written(name_or_path, settings).machine


def load_written(name_or_path: str | Path, settings: Mapping[str, str] | None = None) -> WrittenMachine:
    """The same, with the expressions and comments of its files."""
    raw, files = read_merged(name_or_path)
    changed: dict[Location, str] = {}
    for key, value in (settings or {}).items():
        changed |= _set(raw, key, value)
    found = raw.get("constraint")
    rules = [rule if isinstance(rule, dict) else {} for rule in found] if isinstance(found, list) else []
    origins: list[Origin] = [rule.pop(ORIGIN, None) for rule in rules]
    cycles = [str(rule.get("cycles", "")) for rule in rules]
    commands = _table(raw, "command")
    latency = {name: str(_table(commands, name).get("latency_cycles", 1)) for name in commands}
    timing = {name: str(value) for name, value in _table(raw, "timing").items()}
    machine = _validate(raw, files, origins, changed)
    return WrittenMachine(
        machine,
        cycles,
        [
            f"{origin[0].path.name}:{origin[0].find(('constraint', origin[1]))[1]}" if origin else ""
            for origin in origins
        ],
        latency,
        timing,
        {name: changed.get(("timing", name)) or _note(files, name) for name in timing},
    )


def _set(raw: dict[str, Any], key: str, value: str) -> dict[Location, str]:
    """Change the tables in place; the keys that changed, each with the setting that did it."""
    if key == "preset":
        presets = _table(raw, "timing_preset")
        if not isinstance(presets.get(value), dict):
            known = ", ".join(presets) or "none"
            raise MachineFileError(f"setting preset: found {value!r}, expected one of the machine's presets: {known}")
        raw["timing"] = {**_table(raw, "timing"), **presets[value]}
        return {("timing", name): f"preset {value}" for name in presets[value]}
    if key == "refresh":
        if value not in ("on", "off"):
            raise MachineFileError(f"setting refresh: found {value!r}, expected on or off")
        interval = _table(raw, "memory").get("refresh_interval_cycles")
        if value == "on" and not interval and "nREFI" not in _table(raw, "timing"):
            raise MachineFileError("setting refresh: the machine has no nREFI in [timing]")
        key, value = "memory.refresh_interval_cycles", "0" if value == "off" else str(interval or "nREFI")
    *tables, name = key.split(".")
    if tables == ["controller"]:
        raw.setdefault("controller", {})  # every key of it has a default
    table: Any = raw
    for part in tables:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict) or isinstance(table.get(name), dict) or not tables:
        raise MachineFileError(
            f"setting {key}: not a key of the machine, expected preset, refresh or one like timing.nRP"
        )
    if name not in table and tables == ["timing"]:
        raise MachineFileError(f"setting {key}: the machine has no such key")
    try:
        table[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[name] = value
    return {(*tables, name): f"set to {value}"}


def _validate(
    raw: dict[str, Any], files: list[MachineFile], origins: list[Origin], changed: Mapping[Location, str]
) -> Machine:
    from pydantic import ValidationError

    from .checks import cross_checks, resolve_cycles
    from .schema import Machine

    mistakes = resolve_cycles(raw)
    machine = None
    try:
        machine = Machine.model_validate(raw)
    except ValidationError as error:
        mistakes += [(tuple(entry["loc"]), _message(dict(entry))) for entry in error.errors()]
    mistakes += cross_checks(raw)
    if machine is None or mistakes:
        reports = {_report(location, message, files, origins, changed) for location, message in mistakes}
        raise MachineFileError("\n".join(line for *_, line in sorted(reports)))
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
        case "less_than_equal":
            return f"found {value}, expected at most {context['le']}"
        case "literal_error":
            return f"found {value!r}, expected {context['expected']}"
        case "value_error":
            return str(context["error"])
        case _:
            shown = "a table" if isinstance(value, dict) else repr(value)
            return f"found {shown}: {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _report(
    location: Location, message: str, files: list[MachineFile], origins: list[Origin], changed: Mapping[Location, str]
) -> tuple[str, int, str]:
    """File and line, by which messages are ordered, and the message."""
    if any(location[:length] in changed for length in range(1, len(location) + 1)):
        return "", 0, f"setting {_dotted(location)}: {message}"
    file = _best(files, location)
    if location[:1] == ("constraint",) and len(location) > 1 and isinstance(location[1], int):
        origin = origins[location[1]]
        if origin:
            file, location = origin[0], ("constraint", origin[1], *location[2:])
    line = file.find(location)[1]
    return str(file.path), line, f"{file.path}:{line}: {_dotted(location)}: {message}"


def _dotted(location: Location) -> str:
    return ".".join(str(part) for part in location)


def _best(files: list[MachineFile], location: Location) -> MachineFile:
    """The file that says most of a location; of several the one that wins."""
    return max(reversed(files), key=lambda file: file.find(location)[0])


def _note(files: list[MachineFile], timing: str) -> str:
    return _best(files, ("timing", timing)).note(("timing", timing))


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}
