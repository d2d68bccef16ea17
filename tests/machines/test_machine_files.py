"""Machine files: those that come with pimlir are sound, and wrong ones are refused with every mistake at its line."""

import json

import pytest

from pimlir.machines import MachineFileError, known_machines, load_machine
from pimlir.machines.schema import Machine


@pytest.mark.parametrize("name", known_machines())
def test_a_shipped_machine_survives_the_image(name):
    machine = load_machine(name)
    assert Machine.from_dict(json.loads(json.dumps(machine.to_dict()))) == machine


@pytest.mark.parametrize("name", known_machines())
def test_every_energy_of_a_shipped_machine_has_a_source(name):
    energy = load_machine(name).energy
    entries = {**energy.command, **energy.event, **energy.static}
    assert [key for key, item in entries.items() if not item.source] == []


def test_organisations_are_those_of_the_sources():
    neupims, attacc, aim = (load_machine(name) for name in ("neupims", "attacc", "aim"))
    assert (neupims.memory.channels, neupims.memory.banks, neupims.memory.row_bytes) == (32, 32, 1024)
    assert (attacc.memory.channels, attacc.memory.banks, attacc.pim.buffer_bytes) == (80, 64, 512)
    assert (aim.memory.channels, aim.memory.banks, aim.memory.row_bytes) == (32, 16, 2048)
    assert aim.npu is not None and aim.npu.arrays == 0
    assert neupims.pim.dual_row_buffer and not attacc.pim.dual_row_buffer


def test_aim_rules_equal_the_printed_timing():
    rules = {
        (rule.level, *rule.preceding, "->", *rule.following): rule.cycles for rule in load_machine("aim").constraint
    }
    assert rules["bank", "wr", "store_row", "->", "pre"] == 41  # nCWL + nBL + nWR
    assert rules["bank_group", "wr", "->", "rd"] == 19  # nCWL + nBL + nWTRL
    assert rules["channel", "write_all", "->", "act", "act_pim"] == 73  # nCWL + nBL + nWR + nRP


@pytest.fixture
def machine_file(tmp_path):
    """A file that extends tiny; `edit` is added to it."""

    def write(edit: str, name: str = "mine.toml"):
        path = tmp_path / name
        path.write_text(f'name = "mine"\nextends = "tiny"\n{edit}')
        return path

    return write


def test_a_file_with_four_mistakes_reports_four(machine_file):
    path = machine_file(
        "[npu]\nclock_mhz = 0\nvector_lane = 16\n\n[memory]\nrow_bytes = 300\n\n"
        '[[constraint]]\nlevel = "bank"\npreceding = ["act"]\nfollowing = ["read"]\ncycles = 5\n'
    )
    with pytest.raises(MachineFileError) as error:
        load_machine(path)
    assert str(error.value).splitlines() == [
        f"{path}:4: npu.clock_mhz: found 0, expected more than 0",
        f"{path}:5: npu.vector_lane: unknown key",
        f"{path}:8: memory.row_bytes: 300 is not a power of two",
        f"{path}:13: constraint.0.following: 'read' is not a [command] of the machine",
    ]


@pytest.mark.parametrize(
    ("edit", "line", "message"),
    [
        ('[pim]\ncommands = ["mac", "fly"]\n', 4, "'fly' is not a PIM instruction"),
        ('[pim]\ncommands = ["copy_row"]\n', 4, "copy_row has no [pim.instruction.copy_row]"),
        ("[pim]\nbuffer_bytes = 100\n", 4, "found 100, expected a multiple of column_bytes 32"),
        ("[pim]\nsoftmax_buffer_bytes = 0\n", 1, "softmax needs softmax_buffer_bytes"),
        ("[npu]\narray_rows = 0\n", 4, "found 0, expected more than 0: the machine has 2 arrays"),
        ('[memory]\nrefresh_scope = "die"\n', 4, "found 'die', expected 'channel'"),
        ('[memory]\nburst_cycles = "nXY"\n', 4, "'nXY' is not a name of [timing]"),
        ('[memory]\nchannels = "four"\n', 4, "found 'four': input should be a valid integer"),
        ("[energy.command]\nrefresh = { pj = 1.0 }\n", 4, "'refresh' is not a [command] of the machine"),
        ('[controller]\nqueues = "ranks"\n', 4, "found 'ranks', which needs [pim] all_bank"),
        ("[npu\n", 3, "not TOML"),
    ],
)
def test_a_mistake_is_reported_at_its_line(machine_file, edit, line, message):
    path = machine_file(edit)
    with pytest.raises(MachineFileError) as error:
        load_machine(path)
    found = str(error.value).splitlines()[0]
    assert message in found
    if line > 1:
        assert found.startswith(f"{path}:{line}: ")


def test_a_file_that_misses_sections_names_them(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text('name = "empty"\n')
    with pytest.raises(MachineFileError, match="memory: required key is missing"):
        load_machine(path)


def test_an_unknown_machine_lists_the_known_ones():
    with pytest.raises(MachineFileError, match="unknown machine 'nupims'; known machines: aim, aim-head, "):
        load_machine("nupims")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MachineFileError, match=r"none\.toml: cannot read"):
        load_machine(tmp_path / "none.toml")


def test_a_file_that_extends_itself_is_refused(tmp_path):
    path = tmp_path / "loop.toml"
    path.write_text('extends = "loop.toml"\n')
    with pytest.raises(MachineFileError, match="extends itself"):
        load_machine(path)


def test_a_mistake_in_an_extended_file_is_reported_there(machine_file, tmp_path):
    base = machine_file("[memory]\nrows = -1\n", "base.toml")
    child = tmp_path / "child.toml"
    child.write_text('name = "child"\nextends = "base.toml"\n')
    with pytest.raises(MachineFileError, match=f"{base}:4: memory.rows: found -1, expected more than 0"):
        load_machine(child)


def test_a_rule_for_the_same_commands_replaces_the_inherited_one(machine_file):
    path = machine_file('[[constraint]]\nlevel = "channel"\npreceding = ["mac"]\nfollowing = ["mac"]\ncycles = 9\n')
    cycles = [
        rule.cycles for rule in load_machine(path).constraint if (rule.preceding, rule.following) == (["mac"],) * 2
    ]
    assert cycles == [9]


def test_a_changed_timing_number_reaches_every_rule_that_names_it(machine_file):
    path = machine_file("[timing]\nnRP = 99\n")
    rules = load_machine(path).constraint
    assert {rule.cycles for rule in rules if rule.preceding == ["pre"] and rule.following == ["act"]} == {99}


def test_all_bank_modes_stay_inside_of_the_bank(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nextends = "hbm-pim"\n[pim.all_bank]\nleave_row = 16384\nlead_banks = 17\nenter_banks = [0, 16]\n'
        "register_columns = { crf = 32 }\n"
    )
    with pytest.raises(MachineFileError) as error:
        load_machine(path)
    assert sorted(str(error.value).splitlines()) == [
        f"{path}:4: pim.all_bank.leave_row: found 16384, expected 0 to 16383",
        f"{path}:5: pim.all_bank.lead_banks: found 17, expected 0 to 16",
        f"{path}:6: pim.all_bank.enter_banks: found 16, expected 0 to 15",
        f"{path}:7: pim.all_bank.register_columns.crf: found 32, expected 0 to 31",
    ]
