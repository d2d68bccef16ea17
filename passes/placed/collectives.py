"""What devices exchange: from `llm` ops on values to ops of a plan on buffers."""

from collections.abc import Mapping

from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm


def collective_of(
    op: Operation, buffers: Mapping[SSAValue, SSAValue], rows: SSAValue, event: SSAValue
) -> host.CollectiveOp:
    """The form in a plan of what devices exchange, in place in the buffer of the first operand."""
    match op:
        case llm.AllReduceOp():
            return host.AllReduceOp(buffers[op.x], rows, [event], op.devices.value.data)
        case llm.AllArgmaxOp():
            counts = op.devices.value.data, op.vocabulary.value.data
            return host.AllArgmaxOp(buffers[op.ids], buffers[op.logits], rows, [event], *counts)
        case llm.ReceiveOp():
            return host.ReceiveOp(buffers[op.x], rows, [event], op.stages.value.data)
        case llm.SendOp():
            return host.SendOp(buffers[op.x], rows, [event], op.stages.value.data)
        case _:
            raise PassFailedException(f"{op.name} has no form on the link")
