"""Machine files as text: find them, merge what they extend, and know where each key stands, for messages and tables."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PART = "part-"  # files that other machines extend, not machines themselves
ORIGIN = "(origin)"  # key that a constraint carries while files are merged: its file and its index there

Location = tuple[Any, ...]


class MachineFileError(ValueError):
    """A machine file that cannot be used; the message has one line for every mistake: `file:line: key: message`."""


class MachineFile:
    """The text of a file and where its keys stand."""

    def __init__(self, path: Path):
        self.path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _Unreadable(f"{path}: cannot read: {(error.strerror or 'unknown error').lower()}") from None
        try:
            self.text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = 1 + data.count(b"\n", 0, error.start)
            raise MachineFileError(
                f"{path}:{line}: not a text file: byte {error.start} is 0x{data[error.start]:02x}"
            ) from None
        try:
            self.tables = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise MachineFileError(f"{path}:{_toml_message(str(error), self.text)}") from None
        except RecursionError:
            raise MachineFileError(f"{path}:1: not TOML: values are nested too deep") from None
        self.lines = _key_lines(self.text)

    def find(self, location: Location) -> tuple[int, int]:
        """How many leading parts of the location stand in this file, and the line of the last of them."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.lines:
                return length, self.lines[location[:length]]
        return 0, 1

    def note(self, location: Location) -> str:
        """The comment at the end of the line where a key or header stands; by habit it says where a number is from."""
        length, line = self.find(location)
        if length < len(location):
            return ""
        comment = re.fullmatch(r"""(?:[^"'#]|"[^"]*"|'[^']*')*#\s*(.*)""", self.text.splitlines()[line - 1])
        return comment[1].strip() if comment else ""


class _Unreadable(MachineFileError):
    """The file cannot be read; who extends it says so at its own line."""


def known_machines() -> list[str]:
    """Names of the machines that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml") if not path.stem.startswith(PART))


def read_merged(name_or_path: str | Path) -> tuple[dict[str, Any], list[MachineFile]]:
    """The tables of a machine, merged over those that it extends, and its files: what a later one says wins."""
    files: list[MachineFile] = []
    return _read(_find(str(name_or_path), Path.cwd()), files, ()), files


def _find(name: str, folder: Path) -> Path:
    if name.endswith(".toml") or "/" in name:
        return folder / name
    path = FOLDER / f"{name}.toml"
    if not path.exists():
        raise _Unreadable(f"unknown machine {name!r}; known machines: {', '.join(known_machines())}")
    return path


def _read(path: Path, files: list[MachineFile], parents: tuple[Path, ...]) -> dict[str, Any]:
    """The tables of a file merged over those that it extends; constraints carry the file they come from."""
    file = MachineFile(path)
    own = dict(file.tables)
    chain = (*parents, path.resolve())
    place = f"{path}:{file.find(('extends',))[1]}: extends"
    extends = own.get("extends", [])
    extends = extends if isinstance(extends, list) else [extends]
    merged: dict[str, Any] = {}
    mistakes: list[str] = []
    for parent in extends:
        if not isinstance(parent, str):
            mistakes.append(f"{place}: found {parent!r}, expected the name of a machine or of a .toml file")
            continue
        try:
            found = _find(parent, path.parent)
            if found.resolve() in chain:
                circle = [*chain[chain.index(found.resolve()) :], found]
                raise _Unreadable(f"the file extends itself: {' -> '.join(step.name for step in circle)}")
            merged = merge(merged, _read(found, files, chain))
        except _Unreadable as error:
            mistakes.append(f"{place}: {error}")
        except MachineFileError as error:
            mistakes.append(str(error))
    if mistakes:
        raise MachineFileError("\n".join(dict.fromkeys(mistakes)))
    files.append(file)
    if isinstance(own.get("constraint"), list):
        own["constraint"] = [
            {**rule, ORIGIN: (file, index)} if isinstance(rule, dict) else rule
            for index, rule in enumerate(own["constraint"])
        ]
    return merge(merged, own)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables merge key by key, constraints add up (a rule for the same commands replaces), anything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not {"pj", "mw"} & value.keys():
            merged[key] = merge(old, value)
        elif key == "constraint" and isinstance(old, list) and isinstance(value, list):
            replaced = [_rule_key(rule) for rule in value]
            merged[key] = [rule for rule in old if _rule_key(rule) not in replaced] + value
        else:
            merged[key] = value
    return merged


def _rule_key(rule: Any) -> Any:
    if not isinstance(rule, dict):
        return None
    return [
        *(str(rule.get(key)) for key in ("level", "preceding", "following")),
        rule.get("window", 1),
        rule.get("siblings", False),
    ]


def _key_lines(text: str) -> dict[Location, int]:
    """Line number of every table header and key, by its path; array tables have their index in the path."""
    lines: dict[Location, int] = {}
    seen: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([\w.\-\"]+)\s*\]", line)
        key = re.match(r"\s*([\w.\-\"]+)\s*=", line)
        if header:
            table = _parts(header[2])
            if header[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = (*table, seen[table])
            for length in range(1, len(table) + 1):
                lines.setdefault(table[:length], number)
        elif key:
            lines[(*table, *_parts(key[1]))] = number
    return lines


def _parts(dotted: str) -> Location:
    """A dotted key as a path; dots inside quotes do not part."""
    return tuple(quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|([\w\-]+)', dotted))


def _toml_message(message: str, text: str) -> str:
    """`line: not TOML: what is wrong` from the message of the parser."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(place[1]) if place and place[1] else len(text.splitlines()) or 1
    what = message[: place.start()] if place else message
    if re.search(r"overwrite|twice|[Dd]uplicate", what):
        what = "a key or table of this name is there already"
    return f"{line}: not TOML: {what[:1].lower()}{what[1:]}"
