"""What a machine file may say: the sections, their keys with units, and the limits of every value.

Field-wise limits live in the models below, limits that involve several keys in `checks.py`. Cycles are of the section's
clock. A number may be given as a sum of names of `[timing]`, such as `"nCL + nBL"`; the loader resolves it.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LEVELS = ("channel", "pseudo_channel", "rank", "bank_group", "bank")

Level = Literal["channel", "pseudo_channel", "rank", "bank_group", "bank"]
Action = Literal["none", "activate", "precharge", "column", "column_precharge", "refresh"]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"{value} is not a power of two")
    return value


MAX_NUMBER = 1 << 40
"""The largest number of a machine file: sums and small products of them stay below 64 bits."""

Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Positive = Annotated[int, Field(gt=0, le=MAX_NUMBER)]
PowerOfTwo = Annotated[int, Field(gt=0, le=MAX_NUMBER), AfterValidator(_power_of_two)]
Amount = Annotated[float, Field(ge=0, le=MAX_NUMBER)]


class Section(BaseModel):
    """A table of a machine file: unknown keys are errors, and `source` says where its numbers come from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: str = ""


class Npu(Section):
    """The tile machine: systolic arrays, vector unit, local memories and DMA, all in cycles of `clock_mhz`.

    `arrays` = 0 is a machine without a matrix unit; matrix products then run on the vector unit. The array follows the
    initiation-interval model: a tile of m rows takes max(m, min_stream_rows) cycles of the array and arrives
    rows + cols - 2 cycles after its last row; weights enter `weight_rows_per_cycle` rows a cycle behind it. Without
    `array_overlap` loading, streaming and draining of a tile follow each other. `dataflow` says which operand stays in
    the array.
    `vector_cost` is cycles per element and lane; `vector_min_cycles` the shortest operation; `vector_latency_cycles`
    what a dependent instruction waits on top. A DMA queue takes a descriptor every max(dma_issue_cycles, bytes /
    dma_bytes_per_cycle) cycles while no more than `dma_outstanding_bytes` of its earlier ones are on their way.
    """

    clock_mhz: Positive
    arrays: Count
    array_rows: Count
    array_cols: Count
    dataflow: Literal["weight_stationary", "output_stationary"] = "weight_stationary"
    array_overlap: bool = True
    weight_rows_per_cycle: Positive = 1
    min_stream_rows: Positive = 1
    vector_units: Positive
    vector_lanes: Positive
    vector_min_cycles: Count
    vector_latency_cycles: Count
    vector_cost: dict[str, Count]
    scratchpad_bytes: Positive
    accumulator_bytes: Positive
    align_bytes: PowerOfTwo
    dma_latency_cycles: Count
    dma_issue_cycles: Positive
    dma_bytes_per_cycle: Positive
    dma_outstanding_bytes: Positive
    launch_cycles: Count


class Memory(Section):
    """Organisation of the main memory, in cycles of `clock_ps`.

    A channel has pseudo_channels x ranks x bank_groups x banks_per_group banks; `bank_order` says which of the four
    indices runs fastest when banks are numbered 0.. `access_bytes` is what one `rd` or `wr` moves, over
    `burst_cycles` of the data bus. Refresh happens every `refresh_interval_cycles` (0: never) for each
    `refresh_scope`, the nodes of a channel in turn if `refresh_staggered`; at most `refresh_postponed_max` of them may be owed (8, so 9 intervals apart: data
    sheet of a DDR3L, Winbond W632GU6NB, 8.15; assumed for all others).
    """

    standard: str
    clock_ps: Positive
    channels: Positive
    pseudo_channels: Positive = 1
    ranks: Positive
    bank_groups: Positive
    banks_per_group: Positive
    bank_order: list[Level]
    rows: Positive
    row_bytes: PowerOfTwo
    column_bytes: PowerOfTwo
    access_bytes: PowerOfTwo
    burst_cycles: Positive
    refresh_interval_cycles: Count
    refresh_scope: Level = "rank"
    refresh_staggered: bool = True
    refresh_postponed_max: Count = 8

    @property
    def banks(self) -> int:
        """Banks of one channel."""
        return self.pseudo_channels * self.ranks * self.bank_groups * self.banks_per_group


class Command(Section):
    """One DRAM command. `scope` is the smallest unit it names; `side` the row buffer it works on.

    `latency_cycles` is from issue to the end of its data or effect, `data_cycles` its share of the external data bus, which
    ends `data_end_cycles` after issue (0: with the latency).
    A command whose `register_mode` differs from the channel's is preceded by the machine's `mode_command`.
    `spread` lists the levels over which it works on every node besides the one that it names, so that its row is that of
    several banks; a command of scope channel works on all banks anyway. One that holds several column steps ends later by
    `column_cycles` for each of them, counted as `min_columns` at least. `activate` and `precharge` are the commands that
    open its row and close another one; with `precharge` alone its banks must be closed. `label` is its name in traces,
    logs and counts.
    """

    scope: Level
    action: Action
    side: Literal["ordinary", "pim"] = "ordinary"
    latency_cycles: Count = 1
    data_cycles: Count = 0
    data_end_cycles: Count = 0
    register_mode: bool = False
    spread: list[Level] = []
    column_cycles: Count = 0
    min_columns: Count = 0
    activate: str = ""
    precharge: str = ""
    label: str = ""


class Constraint(Section):
    """After a command of `preceding`, one of `following` that shares the node of `level` waits `cycles`.

    With `window` = w the rule counts: the w-th last `preceding` command must be `cycles` ago. Rules of a level see the
    commands that name a node of that level, so rules of the channel see all; a `following` command whose address is longer
    than its scope obeys the rules down to its scope. The wait is longer by `column_cycles` for each column step in the
    preceding command, counted as its `min_columns` at least. With `siblings` the rule is about the other nodes of the level, under
    the same node above. Of two commands in one cycle the one that was issued first precedes.
    """

    level: Level
    preceding: list[str] = Field(min_length=1)
    following: list[str] = Field(min_length=1)
    cycles: Count
    column_cycles: Count = 0
    window: Positive = 1
    siblings: bool = False


class Instruction(Section):
    """The DRAM commands that one PIM instruction stands for, issued in this order in every selected channel.

    Each is issued `repeat` times for each node of its scope, or, for instructions with columns, once for every
    `columns_per_command` columns. Instructions of attention by heads issue one for each node of the levels `over`, of which
    the last runs fastest, where those that are not named are 0. `extra_slots` command slots pass before; `fill_cycles` pass
    at least between the first command and whatever follows the instruction. `joined`, of `read_acc`, is the command that
    stands for the results and the `mac` just before them; "" if they are always apart.
    """

    commands: list[str] = Field(min_length=1)
    repeat: Positive = 1
    over: list[Level] = []
    columns_per_command: Positive = 1
    extra_slots: Count = 0
    fill_cycles: Count = 0
    joined: str = ""


class AllBank(Section):
    """All-bank modes of a rank and its memory-mapped registers, as in Samsung's HBM2-PIM.

    Activates of `enter_row` in all `enter_banks` switch to the all-bank mode, in which `lead_banks` banks are addressed
    and every row command and access works on all banks of the same parity; precharges of `leave_row` in the lead banks
    switch back. Both rows are written at `switch_column`. `register_row` holds the registers: each of `register_columns` is
    the first column of one. `park_row` is a row that is read in every bank to close the rows of others. Without
    `refresh_waits` (a defect) a refresh in these modes follows a precharge at once, whatever the rules say.
    """

    enter_row: Count
    enter_banks: list[Count] = Field(min_length=1)
    leave_row: Count
    lead_banks: Positive
    switch_column: Count
    park_row: Count
    register_row: Count
    register_columns: dict[Literal["control", "srf", "crf", "grf_a", "grf_b"], Count]
    refresh_waits: bool = True


class Pim(Section):
    """The compute side of the memory. `commands` lists the instructions of the PIM set that the machine has.

    `mac_operands`: the columns that a MAC names, of the row and of the buffer (both), of the row alone, or none; those that
    it does not name start at 0. `parts`: the banks of a channel are in so many parts whose results are moved together, bank b
    in part b mod parts.

    `header_command` announces a row of MACs, so that the controller begins none that the next refresh would interrupt, and
    closes the rows of the last one only then; "": rows are closed at once, and a refresh waits for them. The front end hands
    `instructions_per_cycle` instructions a memory cycle to all channels together, a MAC of n columns being n of them; 0: as
    many as there are.

    A machine without this section is a plain memory: no lanes, no instructions.
    """

    lanes: Count = 0
    buffer_bytes: Count = 0
    dual_row_buffer: bool = False
    commands: list[str] = []
    softmax_buffer_bytes: Count = 0
    softmax_elements_per_cycle: Count = 0
    softmax_latency_cycles: Count = 0
    mode_command: str = ""
    header_command: str = ""
    instructions_per_cycle: Count = 0
    all_bank: AllBank | None = None
    mac_operands: Literal["both", "row", "none"] = "both"
    parts: Positive = 1
    instruction: dict[str, Instruction] = {}


class Controller(Section):
    """How a memory controller takes requests and chooses commands; the defaults are those of a sound FR-FCFS controller.

    Front end: `instructions_per_cycle` lines of a trace are taken in a cycle (0: as many as the queues accept); with
    `strict_order` a refused request holds up all later ones, otherwise only those of its channel. `address` cuts a linear
    address, most significant field first.

    Queues: ordinary reads, ordinary writes and PIM requests have `queue_entries` each; with `exclusive`, PIM and ordinary
    requests refuse each other. A read may be answered by a waiting write of the `same_address` (or, a defect, `any`).
    Writes are drained from `write_high_percent` of their queue on, down to `write_low_percent`.

    Choice: with two `slots`, a cycle takes a second command if one is of `row_bus` and the other of `column_bus`. PIM
    requests go `in_order` or the oldest `first_ready`; `protect_row_hits` keeps a command from closing a row that a
    waiting MAC hits. `mixed_rows` says what a command of several banks does if their rows differ: close all first, close
    (only if one has a wrong row open, otherwise activate), or what the first bank without the wanted row needs.
    `marks_overtake` (a defect) lets SYNC, EOC and PIM requests pass ordinary requests whose row was
    opened. `echo` names, for commands of one bank, further banks whose bank-level rules they trigger: for each level the
    level of the command's address that gives the index, or `all`. With `waits_for_all` a command of several banks obeys
    the rules of each of them, otherwise those of the levels down to its scope.

    What a peer's commands may do beyond what a DRAM allows, for `pimlir check`: with `activates_open_rows` an activate of
    several banks may find some of them open, with the row that it opens (`same_row`) or with any; the bursts of the commands
    in `unchecked_data` are kept apart from others by rules only, not by what the data bus carries.

    `queues` = banks is a controller in the manner of DRAMsim3 instead: a queue for every bank, served in turn, beside one
    for PIM commands, which must finish before the next refresh; most other keys have no meaning for it. `queues` = ranks
    is one in the manner of DRAMSim2: a queue of `queue_entries` for every rank, in order of arrival, barriers in it, and
    the modes of `[pim.all_bank]`.
    """

    trace_format: Literal["aim", "attacc", "hbmpim", "loadstore", "neupims"] = "loadstore"
    queues: Literal["channel", "banks", "ranks"] = "channel"
    waits_for_all: bool = False
    instructions_per_cycle: Count = 1
    strict_order: bool = True
    address: list[Literal["channel", "pseudo_channel", "rank", "bank_group", "bank", "row", "column"]] = [
        "row",
        "bank",
        "bank_group",
        "rank",
        "pseudo_channel",
        "column",
        "channel",
    ]
    queue_entries: Annotated[int, Field(gt=0, le=512)] = 32
    exclusive: bool = False
    forward_reads: Literal["off", "same_address", "any"] = "same_address"
    write_high_percent: Annotated[int, Field(ge=0, le=100)] = 80
    write_low_percent: Annotated[int, Field(ge=0, le=100)] = 20
    slots: Literal[1, 2] = 1
    row_bus: list[str] = []
    column_bus: list[str] = []
    pim_order: Literal["in_order", "first_ready"] = "in_order"
    protect_row_hits: bool = False
    mixed_rows: Literal["first", "close", "close_all"] = "close_all"
    marks_overtake: bool = False
    echo: dict[str, dict[Level, Level | Literal["all"]]] = {}
    activates_open_rows: Literal["never", "same_row", "any"] = "never"
    unchecked_data: list[str] = []


class Energy(Section):
    """Energy per command, per event and per time. Published values that disagree give a range around `pj`."""

    class Item(Section):
        pj: Amount
        low_pj: Amount | None = None
        high_pj: Amount | None = None

    class Power(Section):
        mw: Amount

    command: dict[str, Item] = {}
    event: dict[str, Item] = {}
    static: dict[str, Power] = {}


Rate = Annotated[float, Field(gt=0, le=MAX_NUMBER)]
Fraction = Annotated[float, Field(gt=0, le=1)]


class Link(Section):
    """The link between devices, in one direction: `latency_ns` + bytes / `bytes_per_ns`.

    An all-reduce over n devices takes `all_reduce_rounds` x (n - 1) steps of a message of bytes / n, none shorter than the
    measured `all_reduce_latency_ns` + `all_reduce_ns_per_byte` x bytes / n. `pim_bytes_per_ns` is the link from a device to its PIM stacks,
    `host_bytes_per_ns` the one to the host's memory; 0: there is none.
    """

    latency_ns: Amount
    bytes_per_ns: Rate
    all_reduce_rounds: Positive = 2
    all_reduce_latency_ns: Amount = 0
    all_reduce_ns_per_byte: Amount = 0
    pim_bytes_per_ns: Amount = 0
    host_bytes_per_ns: Amount = 0


class Xpu(Section):
    """`devices` equal processors of the analytic model (`sim/analytic`), rates are those of one of them for fp16.

    Matrix products are cut into tiles that fit `l1_bytes` of each of the `cores` and `l2_bytes`; idle cores lower both
    arithmetic and memory rate (`cores` = 0: they do not). `l2_bytes_per_ns` = 0 sets no limit. Activations and norms take
    `..._latency_ns` + `..._ns_per_byte` x bytes, fitted on a device with `fitted_bytes_per_ns` and scaled by bandwidth.
    """

    devices: Positive
    cores: Count
    peak_tflops: Rate
    memory_bytes: Positive
    memory_bytes_per_ns: Rate
    l1_bytes: Positive
    l2_bytes: Positive
    l2_bytes_per_ns: Amount = 0
    compute_utilization: Fraction
    memory_utilization: Fraction
    fitted_bytes_per_ns: Amount = 0
    activation_latency_ns: Amount = 0
    activation_ns_per_byte: Amount = 0
    norm_latency_ns: Amount = 0
    norm_ns_per_byte: Amount = 0


class PimStacks(Section):
    """PIM stacks beside the xPUs: `devices` with `stacks` each. The machine's `memory` is one stack, or, with `channels` of a
    stack fewer than those of the memory, several of them.

    `placement` is where the units are, `bandwidth_scale` the internal over the external bandwidth that the published
    system model assumes for feed-forward co-processing.
    """

    placement: Literal["bank", "bank_group", "buffer"]
    devices: Positive
    stacks: Positive
    channels: Count = 0
    stack_bytes: Positive
    stack_bytes_per_ns: Rate
    bandwidth_scale: Rate


class Machine(Section):
    """A resolved machine: what `load_machine` returns and what an image carries as a plain dictionary.

    `timing_preset` holds named sets of other values for `timing`. Without `[npu]` or `[pim]` it is a memory for traces and
    timing tables only. `processor` is what runs programs beside the PIM: with "xpu" the analytic model of `[xpu]`, while
    `[npu]` only says how large its buffers are.
    """

    name: str
    extends: list[str] | str = []
    description: str = ""
    processor: Literal["npu", "xpu"] = "npu"
    npu: Npu | None = None
    memory: Memory
    timing: dict[str, Count] = {}
    timing_preset: dict[str, dict[str, Count]] = {}
    command: dict[str, Command]
    constraint: list[Constraint]
    pim: Pim = Pim()
    controller: Controller = Controller()
    energy: Energy = Energy()
    link: Link | None = None
    xpu: Xpu | None = None
    cpu: Xpu | None = None
    pim_stacks: PimStacks | None = None

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary that `from_dict` reads back, and that survives JSON."""
        return self.model_dump(exclude_none=True)

    @staticmethod
    def from_dict(description: dict[str, Any]) -> "Machine":
        """The machine of an image."""
        return Machine.model_validate(description)
