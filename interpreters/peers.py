"""What a device exchanges with the others of its mesh. Each runs in a thread of its own and waits for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Barrier, BrokenBarrierError
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..dialects.llm.mesh import slice_start

Result = TypeVar("Result")
Array = NDArray[Any]


class Peers:
    """Those of one device: the devices that share its layers, among which it has a `place`, and the stages beside its own."""

    def __init__(self, place: int, stage: int, mesh: Mesh):
        self.place, self.stage, self.mesh = place, stage, mesh

    def gather(self, value: Any) -> list[Any]:
        """The values of all devices that share each layer, in their order."""
        barrier, values = self.mesh.barriers[self.stage], self.mesh.values[self.stage]
        values[self.place] = value
        barrier.wait()
        found = list(values)
        barrier.wait()
        return found

    def all_reduce(self, x: Array, dtype: DTypeLike) -> Array:
        """The sum in fp32 in the order of the devices, rounded once."""
        first, *others = self.gather(x)
        total = first.astype(np.float32)
        for other in others:
            total = total + other.astype(np.float32)
        return total.astype(dtype)

    def all_argmax(self, ids: Array, logits: Array, vocabulary: int) -> Array:
        """The tokens of the largest logits of all devices; of equal ones that of the first device."""
        rows, size = logits.shape
        tokens = ids + slice_start(self.place, size, vocabulary)
        pairs = self.gather((tokens, logits[np.arange(rows), ids]))
        winner = np.argmax([best for _, best in pairs], axis=0)
        return np.array([tokens for tokens, _ in pairs], np.int32)[winner, np.arange(rows)]

    def receive(self, x: Array) -> Array:
        """What the same place of the stage before sent; on the first stage `x`."""
        if self.stage == 0:
            return x
        value = self.mesh.mail[self.stage - 1][self.place].get()
        if value is None:
            raise BrokenBarrierError
        return value

    def send(self, x: Array) -> None:
        """To the next stage."""
        if self.stage < self.mesh.stages - 1:
            self.mesh.mail[self.stage][self.place].put(x.copy())


class Mesh:
    """`tensor` x `stages` devices; those of a stage follow each other."""

    def __init__(self, tensor: int, stages: int):
        self.stages = stages
        self.barriers = [Barrier(tensor) for _ in range(stages)]
        self.values: list[list[Any]] = [[None] * tensor for _ in range(stages)]
        self.mail: list[list[SimpleQueue[Any]]] = [[SimpleQueue() for _ in range(tensor)] for _ in range(stages)]
        self.peers = [Peers(place, stage, self) for stage in range(stages) for place in range(tensor)]

    def run(self, work: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run the work of every device at once; if one fails, the others stop waiting and its error is raised."""

        def guarded(one: Callable[[], Result]) -> Result:
            try:
                return one()
            except BaseException:
                self.abort()
                raise

        with ThreadPoolExecutor(len(work)) as pool:
            futures = [pool.submit(guarded, one) for one in work]
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
            raise error
        return [future.result() for future in futures]

    def abort(self) -> None:
        """Let nobody wait any longer."""
        for barrier in self.barriers:
            barrier.abort()
        for stage in self.mail:
            for box in stage:
                box.put(None)
