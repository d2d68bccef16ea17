"""Give the buffers that a loop fills and drains several slots, so that one can be filled while another is used."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.dialects.scf import ForOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.affine_fields import AffineSum, encode_fields
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
    everything serial.

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
        for function in kernels(op, "npu"):
            for buffer in list(function.body.block.ops):
                if isinstance(buffer, host.BufferOp):
                    self.give_slots(buffer, function)

    def give_slots(self, buffer: host.BufferOp, function: FuncOp) -> None:
        users = instruction_users(buffer.result)
        loop = common_loop(users, function)
        if loop is None or buffer.slots is not None:
            return
        slots = 2
        planned = buffer.planned_slots
        loads = [user for user in users if isinstance(user, LoadOp) and buffer.result in user.values()["local"].terms]
        if planned is not None:
            slots = planned.value.data
        elif loads:
            slots = self.depth * (_trip_count(loop) or 1)
        if slots == 1:
            return
        buffer.slots = host.integer(slots)
        first = loop.body.block.first_op
        assert first is not None
        advance = AdvanceOp(buffer.result, slots)
        advance.slot.name_hint = "slot"
        Rewriter.insert_op([advance], InsertPoint.before(first))
        size = buffer_type(buffer.result).size_bytes
        for user in users:
            assert loop in enclosing_loops(user, function)
            _add_offset(user, buffer.result, advance.slot, size)


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
