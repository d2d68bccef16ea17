"""Wrong machine files and settings: every mistake is one line that names the place, whatever is wrong."""

import copy
import random
import re
from typing import Any

import pytest

from pimlir.machines import MachineFileError, load_machine
from pimlir.machines.checks import QUEUE_NEEDS
from pimlir.sim.timing import bank_queues, rank_queues


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "mine.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def complaints(path, settings=None) -> list[str]:
    with pytest.raises(MachineFileError) as error:
        load_machine(path, settings)
    return [line.replace(f"{path.parent}/", "") for line in str(error.value).splitlines()]


def test_a_rule_with_an_unknown_command(write):
    rule = '[[constraint]]\nlevel = "bank"\npreceding = ["act", "open"]\nfollowing = ["rd"]\ncycles = 3\n'
    path = write(f'name = "m"\nextends = "ddr4"\n{rule}')
    assert complaints(path) == ["mine.toml:5: constraint.0.preceding: 'open' is not a [command] of the machine"]


@pytest.mark.parametrize(
    ("timing", "message"),
    [
        ("nRP = -1", "4: timing.nRP: found -1, expected at least 0"),
        ("nRP = 1.5", "4: timing.nRP: found 1.5: input should be a valid integer"),
        ('nRP = "nRQ"', "4: timing.nRP: 'nRQ' is not a name of [timing]"),
        ('nRP = "2 * nRC"', "4: timing.nRP: found '2 * nRC', expected a number or a sum of [timing] names"),
    ],
)
def test_a_wrong_timing_number(write, timing, message):
    found = complaints(write(f'name = "m"\nextends = "ddr4"\n[timing]\n{timing}\n'))
    assert f"mine.toml:{message}" in found


def test_a_timing_number_that_is_a_sum_of_itself(write):
    path = write('name = "m"\nextends = "ddr4"\n[timing]\nnRP = "nX + 1"\nnX = "nRP"\n')
    assert complaints(path) == ["mine.toml:5: timing.nX: nRP is a sum of itself: nRP -> nX -> nRP"]


def test_a_missing_timing_name_is_reported_at_each_rule_that_needs_it(write):
    rules = "".join(
        f'[[constraint]]\nlevel = "bank"\npreceding = ["act"]\nfollowing = ["{command}"]\ncycles = "nRCD{command} + 1"\n'
        for command in ("rd", "wr")
    )
    assert complaints(write(f'name = "m"\nextends = "ddr4"\n{rules}')) == [
        "mine.toml:7: constraint.0.cycles: 'nRCDrd' is not a name of [timing]",
        "mine.toml:12: constraint.1.cycles: 'nRCDwr' is not a name of [timing]",
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[timing]\nnRP = 1\nnRC = 2\nnRP = 3\n", 4, "a key or table of this name is there already"),
        ("[timing]\nnRP = 1\n[memory]\n[timing]\n", 4, "a key or table of this name is there already"),
        ("[command]\nact = { scope = 'bank', scope = 'rank' }\n", 2, "a key or table of this name is there already"),
        ("[timing]\nnRP = \n", 2, "invalid value"),
        ("[timing\n", 1, "expected ']' at the end of a table declaration"),
        ("name = 'open\n", 1, ""),
        ('x = """\n\n', 2, "unterminated string"),
    ],
)
def test_text_that_is_not_toml(write, text, line, what):
    (message,) = complaints(write(text))
    assert message.startswith(f"mine.toml:{line}: not TOML: {what}")
    assert "(at " not in message


def test_bytes_that_are_not_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b'name = "m"\n# \xff\n')
    assert complaints(path) == ["mine.toml:2: not a text file: byte 13 is 0xff"]


def test_a_file_that_cannot_be_read(tmp_path):
    assert complaints(tmp_path / "none.toml") == ["none.toml: cannot read: no such file or directory"]
    (tmp_path / "folder.toml").mkdir()
    assert complaints(tmp_path / "folder.toml") == ["folder.toml: cannot read: is a directory"]


@pytest.mark.parametrize(("name", "module"), [("banks", bank_queues), ("ranks", rank_queues)], ids=["banks", "ranks"])
def test_a_kind_of_queues_needs_the_commands_of_its_controller(name, module):
    assert sorted(QUEUE_NEEDS[name]["command"]) == sorted(module.COMMANDS)


def test_queues_that_the_machine_has_no_commands_for(write):
    path = write('name = "m"\nextends = "attacc-bank"\n\n[controller]\nqueues = "banks"\n')
    assert complaints(path) == [
        "mine.toml:5: controller.queues: found 'banks', which needs [command] copy_row, header, read_result, mac_read "
        "and [timing] nGWRITE, nRTP"
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("timing.nRP", 10**30, f"timing.nRP: found {10**30}, expected at most {1 << 40}"),
        ("memory.rows", 1 << 62, f"memory.rows: found {1 << 62}, expected at most {1 << 40}"),
        (
            "memory.channels",
            1 << 30,
            f"memory.channels: found {1 << 35} banks of all channels, expected at most {1 << 20}",
        ),
        ("memory.rows", 1 << 40, f"memory.rows: found a memory of {1 << 58} bytes, expected at most"),
        ("controller.queue_entries", 1 << 40, f"controller.queue_entries: found {1 << 40}, expected at most 512"),
    ],
)
def test_a_number_that_is_too_large(write, key, value, message):
    section, name = key.split(".")
    found = complaints(write(f'name = "m"\nextends = "ddr4"\n[{section}]\n{name} = {value}\n'))
    assert any(re.match(rf"mine.toml:[34]: {re.escape(message)}", line) for line in found), found
    with pytest.raises(MachineFileError, match=re.escape(message)):
        load_machine("ddr4", {key: str(value)})


def test_unknown_keys_and_missing_ones_are_reported_together(write):
    path = write('name = "m"\nextends = "ddr4"\n[memory]\ncolour = 1\n[command.act]\nspeed = 2\n[pim]\nlanes = 16\n')
    assert complaints(path) == [
        "mine.toml:4: memory.colour: unknown key",
        "mine.toml:6: command.act.speed: unknown key",
        "mine.toml:7: pim.buffer_bytes: required key is missing",
        "mine.toml:7: pim.commands: required key is missing",
        "mine.toml:7: pim.dual_row_buffer: required key is missing",
        "mine.toml:7: pim.instruction: required key is missing",
        "mine.toml:8: pim.lanes: found 16, expected 32: a column of 64 bytes of f16",
    ]


def test_targets_of_extends_that_are_not_there(write):
    path = write('name = "m"\n\nextends = ["ddr9", "other.toml", 5]\n')
    unknown, missing, number = complaints(path)
    assert unknown.startswith("mine.toml:3: extends: unknown machine 'ddr9'; known machines: aim, ")
    assert missing == "mine.toml:3: extends: other.toml: cannot read: no such file or directory"
    assert number == "mine.toml:3: extends: found 5, expected the name of a machine or of a .toml file"


def test_a_circle_of_extends_is_reported_where_it_closes(write):
    write('name = "b"\n# back\nextends = "a.toml"\n', "b.toml")
    first = write('extends = "b.toml"\n', "a.toml")
    assert complaints(first) == ["b.toml:3: extends: the file extends itself: a.toml -> b.toml -> a.toml"]


def test_a_value_of_two_parents_is_reported_in_the_one_that_wins(write):
    write("[memory]\nrows = 8\n", "a.toml")
    write("\n[memory]\nrows = -8\n", "b.toml")
    path = write('name = "m"\nextends = ["ddr4", "a.toml", "b.toml"]\n')
    assert complaints(path) == ["b.toml:3: memory.rows: found -8, expected more than 0"]


def test_refresh_of_a_scope_whose_command_is_not_used(write):
    path = write('name = "m"\nextends = "lpddr5"\n[memory]\nrefresh_scope = "bank"\n')
    assert complaints(path) == [
        "mine.toml:4: memory.refresh_scope: found 'bank', the scope of refpb: controllers refresh by ref only"
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("timing.nXY", "3", "timing.nXY: the machine has no such key"),
        ("timing.nRP", "-3", "timing.nRP: found -3, expected at least 0"),
        ("timing.nRP", "fast", "timing.nRP: 'fast' is not a name of [timing]"),
        ("memory.colour", "3", "memory.colour: unknown key"),
        ("memory.rows", "many", "memory.rows: found 'many': input should be a valid integer"),
        ("memory.bank_order", '["bank"]', "memory.bank_order: found ['bank'], expected each of pseudo_channel, rank,"),
        ("controller.slots", "3", "controller.slots: found 3, expected 1 or 2"),
        ("timing", "3", "timing: not a key of the machine, expected preset, refresh or one like timing.nRP"),
        ("cache.size", "3", "cache.size: not a key of the machine, expected preset, refresh or one like timing.nRP"),
        ("preset", "9999", "preset: found '9999', expected one of the machine's presets: 3200W, 3200AC"),
        ("refresh", "maybe", "refresh: found 'maybe', expected on or off"),
    ],
)
def test_a_wrong_setting(tmp_path, key, value, message):
    with pytest.raises(MachineFileError) as error:
        load_machine("ddr4", {key: value})
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"setting {message}")


def test_a_setting_may_name_a_key_that_the_file_leaves_at_its_default(tmp_path):
    assert load_machine("neupims", {"controller.queue_entries": "8"}).controller.queue_entries == 8
    assert load_machine("ddr4", {"memory.pseudo_channels": "2"}).memory.pseudo_channels == 2


def _paths(table, path=()):
    """Paths of all values, tables and array entries of a parsed file."""
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*path, key))


def _toml(value) -> str:
    """A value as inline TOML."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f'"{key}" = {_toml(item)}' for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return f"'{value}'"
    return str(value)


WRONG = (0, -1, 7, 2.5, True, "x", "nRP + ", [], [1], ["act"], {}, {"a": 1}, [{"a": 1}])


@pytest.mark.parametrize("name", ["ddr5", "attacc-bank", "neupims"])
def test_no_value_of_a_wrong_kind_ends_in_anything_but_lines_with_places(write, name):
    """Any value of a resolved machine replaced by one of another kind: it loads, or every complaint has file and line."""
    rng = random.Random(name)
    machine = {key: value for key, value in load_machine(name).to_dict().items() if key != "extends"}
    for path in rng.sample(sorted(_paths(machine), key=str), 60):
        changed = copy.deepcopy(machine)
        *parents, last = path
        owner: Any = changed
        for key in parents:
            owner = owner[key]
        owner[last] = rng.choice(WRONG)
        file = write("".join(f'"{key}" = {_toml(value)}\n' for key, value in changed.items()))
        try:
            load_machine(file)
        except MachineFileError as error:
            for line in str(error).splitlines():
                assert re.match(rf"{file}:\d+: \S", line), line
