"""One way to execute a module of any stage."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from ..dialects import host
from ..dialects.instruction import InstructionOp
from ..dialects.structured import StructuredOp
from .kernels import KernelsInterpreter
from .llm import LlmInterpreter, Weights
from .machine import MachineInterpreter
from .peers import Peers
from .placed import PlacedInterpreter


class Interpreter(Protocol):
    """Executes `@step` of a module on a KV cache of its own."""

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits of the last step, one row per sequence."""
        ...

    def step(self, tokens: ArrayLike, seqs: Sequence[tuple[int, int, int, int]]) -> NDArray[np.int32]:
        """The next token of each sequence; `seqs` holds first row, new tokens, past tokens and cache slot of each."""
        ...


def make_interpreter(
    module: ModuleOp, store: Weights, slots: int, context: int, peers: Peers | None = None
) -> Interpreter:
    """The interpreter of the stage that a module is at, judged by what its kernels hold.

    `slots` and `context` size the KV cache where the module does not: from stage `kernels` on it is a `host.memory`.
    `peers` are the other devices of a module that is cut for several.
    """
    match stage_of(module):
        case "machine":
            interpreter = MachineInterpreter(module, store)
        case "kernels":
            interpreter = KernelsInterpreter(module, store)
        case "placed":
            interpreter = PlacedInterpreter(module, store, slots, context)
        case _:
            interpreter = LlmInterpreter(module, store, slots, context)
    interpreter.peers = peers
    return interpreter


def stage_of(module: ModuleOp) -> str:
    """`machine`, `kernels`, `placed`, or `llm` for a module without a host plan."""
    kernels = [op for op in module.ops if isinstance(op, FuncOp) and host.DEVICE in op.attributes]
    if not kernels:
        return "llm"
    for kernel in kernels:
        for op in kernel.walk():
            if isinstance(op, InstructionOp):
                return "machine"
            if isinstance(op, StructuredOp):
                return "kernels"
    return "placed"
