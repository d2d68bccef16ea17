"""Give the buffers that a loop fills and drains several slots, so that one can be filled while another is used."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.scf import ForOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.affine_fields import AffineSum, encode_fields
from ...dialects.hardware import npu_core
from ...dialects.instruction import InstructionOp
from ...dialects.npu.instructions import LoadOp
from ...dialects.npu.semaphore import AdvanceOp
from ...dialects.structured import buffer_type
from ..kernels.buffers import kernels
from .accesses import common_loop, enclosing_loops, instruction_users


@dataclass(frozen=True)
class NpuDoubleBufferPass(ModulePass):
    """Give each kernel buffer whose uses all lie in one loop slots that the loop goes round.

    A buffer that a load fills gets `depth` slots, times the trip count of the loop if that is constant: a load then runs
    ahead for all arrays of a group. Any other gets two. A buffer with `planned_slots` gets those. `depth=1` leaves
    everything serial. Where that is more than on-chip memory holds, sequences do not overlap: the largest buffers of the
    loop over sequences keep one slot.

    Before:

        %tile = host.buffer : !host.buffer<96x96xf16>
        scf.for %panel = %c0 to %c6 step %c1 {
          npu.load(…, local = %tile, …)
          npu.preload(…, weights = %tile, …)
        }

    After `npu-double-buffer{depth=2}`:

        %tile = host.buffer {slots = 12 : i64} : !host.buffer<96x96xf16>
        scf.for %panel = %c0 to %c6 step %c1 {
          %slot = npu.advance %tile of 12 : !host.buffer<96x96xf16>
          npu.load(…, local = %tile + 18432 * %slot, …)
          npu.preload(…, weights = %tile + 18432 * %slot, …)
        }
    """

    name = "npu-double-buffer"

    depth: int = 2

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.depth < 1:
            raise PassFailedException(f"depth is {self.depth}, expected at least 1")
        if self.depth == 1:
            return
        core = npu_core(op)
        plan = sum(buffer.size_bytes for buffer in op.walk() if isinstance(buffer, host.BufferOp) and _in_plan(buffer))
        room = core.scratchpad_bytes + core.accumulator_bytes - plan
        for function in kernels(op, "npu"):
            rings = [ring for buffer in function.body.block.ops if (ring := self.ring(buffer, function)) is not None]
            for ring in _that_fit(rings, function, room):
                ring.give_slots(function)

    def ring(self, buffer: Operation, function: FuncOp) -> "_Ring | None":
        """The slots that a buffer of the kernel may have."""
        if not isinstance(buffer, host.BufferOp) or buffer.slots is not None:
            return None
        users = instruction_users(buffer.result)
        loop = common_loop(users, function)
        if loop is None:
            return None
        slots = 2
        loads = [user for user in users if isinstance(user, LoadOp) and buffer.result in user.values()["local"].terms]
        if buffer.planned_slots is not None:
            slots = buffer.planned_slots.value.data
        elif loads:
            slots = self.depth * (_trip_count(loop) or 1)
        return None if slots == 1 else _Ring(buffer, loop, slots, users)


@dataclass
class _Ring:
    """A buffer, the loop that goes round its slots, how many they are, and the instructions that use it."""

    buffer: host.BufferOp
    loop: ForOp
    slots: int
    users: list[InstructionOp]

    def give_slots(self, function: FuncOp) -> None:
        self.buffer.slots = host.integer(self.slots)
        advance = AdvanceOp(self.buffer.result, self.slots)
        advance.slot.name_hint = "slot"
        first = self.loop.body.block.first_op
        assert first is not None
        place = InsertPoint.after(first) if isinstance(first, host.SequenceOp) else InsertPoint.before(first)
        Rewriter.insert_op([advance], place)
        size = buffer_type(self.buffer.result).size_bytes
        for user in self.users:
            assert self.loop in enclosing_loops(user, function)
            _add_offset(user, self.buffer.result, advance.slot, size)


def _that_fit(rings: list[_Ring], function: FuncOp, room: int) -> list[_Ring]:
    """Without the largest of those that the loop over sequences goes round, as long as the kernel needs more than `room`."""
    size = sum(op.size_bytes for op in function.body.block.ops if isinstance(op, host.BufferOp))
    size += sum((ring.slots - 1) * ring.buffer.size_bytes for ring in rings)
    for ring in sorted(rings, key=lambda ring: -ring.buffer.size_bytes):
        if size <= room:
            break
        if isinstance(ring.loop.body.block.first_op, host.SequenceOp):
            rings = [other for other in rings if other is not ring]
            size -= (ring.slots - 1) * ring.buffer.size_bytes
    return rings


def _in_plan(buffer: host.BufferOp) -> bool:
    function = buffer.parent_op()
    return isinstance(function, FuncOp) and function.attributes[host.DEVICE] == StringAttr("host")


def _add_offset(op: InstructionOp, buffer: SSAValue, slot: SSAValue, size: int) -> None:
    fields = {
        name: value + AffineSum.of(slot) * (size * value.terms.get(buffer, 0)) for name, value in op.values().items()
    }
    operands, entries = encode_fields(fields)
    op.operands = operands
    op.fields = op.FIELDS_ATTR(entries)


def _trip_count(loop: ForOp) -> int | None:
    """The number of iterations of a loop from 0 by 1, if constant."""
    owner = loop.ub.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return None
