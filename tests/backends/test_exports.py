"""What a trace format cannot express is refused with the name of the instruction and of the operand."""

import io

import pytest
from xdsl.utils.exceptions import PassFailedException

from pimlir.tools.compiler import find_target, make_context, parse_module
from pimlir.tools.errors import UsageError

AIM = "channels = 32, banks = 16, rows = 99999, row_bytes = 4096"
ATTACC = "channels = 16, banks = 64, rows = 99999, row_bytes = 1024"
PLACE = "channel = 0, channels = 1"


def module(memory: str, body: str, device: str = "pim", bounds: str = "decode, sequences = 2, new_tokens = 2"):
    return parse_module(f"""
    builtin.module attributes {{llm.bounds = #llm.bounds<phase = {bounds}, context = 64>, pim.memory = #pim.memory<name = "m",
      {memory}, column_bytes = 32, buffer_bytes = 4096, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = []>}} {{
      func.func @k(%past: index) attributes {{device = "{device}"}} {{
        %c0 = arith.constant 0 : index
        {body}
        func.return
      }}
      func.func @step(%rows: index, %sequences: index) attributes {{device = "host"}} {{
        %c0 = arith.constant 0 : index
        %c1 = arith.constant 1 : index
        %start = host.start
        %end = scf.for %i = %c0 to %sequences step %c1 iter_args(%before = %start) -> (!host.event) {{
          %row, %new, %past, %slot = host.sequence %i
          %done = host.launch @k(%past) after(%before) : index
          scf.yield %done : !host.event
        }}
        func.return
      }}
    }}
    """)


def export(target: str, memory: str, body: str, **options: str) -> str:
    out = io.StringIO()
    find_target(target).emit(make_context(), module(memory, body, **options), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            f"pim.mac(column = 4, columns = 4, buffer_column = 0, {PLACE})",
            r"@k, instruction 0 \(mac\): column is 4, instructions of AiM start at column 0: compile with attach-machine",
        ),
        (f"pim.mac(column = 0, columns = 4, buffer_column = 1, {PLACE})", r"\(mac\): buffer_column is 1, instructions"),
        (
            f"pim.write_buffer(src = 0, channel_stride = 0, columns = 4, buffer_column = 2, {PLACE})",
            r"\(write_buffer\): buffer_column is 2",
        ),
        (
            f"pim.write_buffer(src = 0, channel_stride = 0, columns = 65, buffer_column = 0, {PLACE})",
            r"\(write_buffer\): columns is 65, a row and a global buffer have 64",
        ),
        (
            f"pim.copy_row(bank = 0, row = 1, column = 3, columns = 1, buffer_column = 0, {PLACE})",
            r"\(copy_row\): column is 3",
        ),
        (f"pim.mac(column = 0, columns = 4, buffer_column = 0, {PLACE})", "no row is open, and MAC_ABK names one"),
        (f"pim.activate(row = 16384, {PLACE})", r"row is 16384, a bank has 16,384"),
        ("pim.scatter(src = 0, channel = 0, row = 0, offset = 0, banks = 8)", "banks is 8, WR_ABK writes to all 16"),
        (
            "pim.softmax(src = 0, src_stride = 0, dst = 0, dst_stride = 0, rows = 1, cols = 16, limit = 16)",
            r"instruction 0 \(softmax\): AiM has no such instruction",
        ),
        (f"pim.fence({PLACE})", "AiM has no such instruction"),
    ],
)
def test_aim_refuses(body, message):
    with pytest.raises(PassFailedException, match=message):
        export("aim-trace", AIM, body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "pim.write(src = 0, channel = 0, bank = 0, row = 0, offset = 0, bytes = 32)",
            r"\(write\): no fence orders ordinary accesses .* attacc-trace\{ordinary=skip\}",
        ),
        (
            f"pim.mac(column = 4, columns = 1, buffer_column = 1, {PLACE})",
            "buffer_column is 1, no request names one: compile with attach-machine",
        ),
        (
            f"pim.write_buffer(src = 0, channel_stride = 0, columns = 3, buffer_column = 30, {PLACE})",
            "piece 32 of a buffer, an address names 32",
        ),
        (f"pim.mac_tree(column = 0, columns = 1, first = 0, depth = 1, half = 0, result_half = 0, {PLACE})", "no row"),
        (f"pim.activate(row = 16384, {PLACE})", "row is 16384"),
        (
            f"pim.copy_row(bank = 0, row = 1, column = 0, columns = 1, buffer_column = 0, {PLACE})",
            r"\(copy_row\): AttAcc has no such request",
        ),
    ],
)
def test_attacc_refuses(body, message):
    with pytest.raises(PassFailedException, match=message):
        export("attacc-trace", ATTACC, body)


@pytest.mark.parametrize(
    ("target", "memory", "message"),
    [
        ("aim-trace", ATTACC, "machine m has 16 channels of 64 banks .* expected at most 32 of 16 with 32 bytes"),
        ("aim-trace", AIM.replace("32", "33"), "33 channels"),
        ("attacc-trace", AIM, "16 banks with rows of 4096 .* expected 64 with 1024 and 32"),
        (
            "attacc-trace",
            ATTACC.replace("16", "80"),
            r"found no stack, expected .*{stack=N} with N from 0 to 4: a trace holds 16 of the 80",
        ),
        ("attacc-trace{stack=5}", ATTACC.replace("16", "80"), "found stack 5, expected .* from 0 to 4"),
    ],
)
def test_machines_of_another_shape_are_refused(target, memory, message):
    with pytest.raises(PassFailedException, match=message):
        export(target, memory, f"pim.activate(row = 1, {PLACE})")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("past=64", r"past \+ new is 65, expected 1..64"),
        ("past=10 new=2", r"new x sequences is 4, expected 1..2"),
        ("sequences=3", r"sequences is 3, expected 1..2"),
    ],
)
def test_steps_stay_within_the_bounds_of_the_module(options, message):
    with pytest.raises(PassFailedException, match=message):
        export(f"aim-trace{{{options}}}", AIM, f"pim.activate(row = 1, {PLACE})")


def test_a_module_without_pim_kernels_is_refused():
    with pytest.raises(PassFailedException, match="no kernel of the module runs on the PIM"):
        export("aim-trace", AIM, "", device="npu")


READ = "pim.read(dst = 0, channel = 0, bank = 0, row = %past, offset = 0, bytes = 32) : index"


@pytest.mark.parametrize(
    ("target", "bounds", "pasts"),
    [
        ("aim-trace", "decode, sequences = 2, new_tokens = 2", [63, 63]),
        ("aim-trace{past=5}", "decode, sequences = 2, new_tokens = 2", [5, 5]),
        ("aim-trace{sequences=1}", "mixed, sequences = 2, new_tokens = 32", [63]),
        ("aim-trace{new=8 sequences=1}", "mixed, sequences = 2, new_tokens = 32", [56]),
        ("aim-trace", "prefill, sequences = 2, new_tokens = 32", [0]),
    ],
)
def test_the_step_is_what_the_options_say(target, bounds, pasts):
    lines = export(target, AIM, READ, bounds=bounds).splitlines()
    assert [int(line.split()[-1]) for line in lines if line.startswith("R MEM")] == pasts


def test_channels_of_another_stack_are_left_out():
    body = f"""
        pim.activate(row = 2, channel = 14, channels = 4)
        pim.mac(column = 1, columns = 1, buffer_column = 0, channel = 14, channels = 4)
        pim.write_vector(src = 0, channel_stride = 0, columns = 0, elements = 0, half = 0, parts = 16, {PLACE})
    """
    memory = ATTACC.replace("16", "80")
    options = {"bounds": "decode, sequences = 1, new_tokens = 1"}
    first, second = (export(f"attacc-trace{{stack={stack}}}", memory, body, **options) for stack in (0, 1))
    macs = [[line for line in text.splitlines() if "MAC" in line] for text in (first, second)]
    assert macs[0] == [f"PIM_MAC_AB {(channel << 30) + 0x820:#010x}" for channel in (14, 15)]
    assert macs[1] == [f"PIM_MAC_AB {(channel << 30) + 0x820:#010x}" for channel in (0, 1)]


def test_unknown_targets_and_options_are_usage_errors():
    with pytest.raises(UsageError, match="target 'vhdl': expected one of aim-trace, attacc-trace"):
        find_target("vhdl")
    with pytest.raises(UsageError, match="Provided arguments"):
        find_target("aim-trace{speed=3}")
    with pytest.raises(UsageError, match="Incompatible types"):
        find_target("aim-trace{past=x}")


def test_launches_are_kept_apart():
    body = f"pim.softmax_head(src = 0, src_stride = 0, dst = 0, dst_stride = 0, cols = 4, {PLACE})"
    words = [line.split()[0] for line in export("attacc-trace", ATTACC, body).splitlines()]
    assert words == ["PIM_SFM", *["PIM_BARRIER"] * 16, "PIM_SFM"]
    lines = export("aim-trace", AIM, f"pim.read_acc(dst = 0, channel_stride = 0, banks = 16, {PLACE})").splitlines()
    assert [line.split()[1] for line in lines] == ["WR_BIAS", *["RD_MAC", "WR_BIAS", "SYNC"] * 2, "EOC"]
