"""A module that `llm-shard` cut, on all devices of its mesh: an interpreter for each, of whatever stage the module is at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from xdsl.dialects.builtin import ModuleOp

from ..dialects import llm
from ..dialects.llm.mesh import slice_start
from .llm import Weights
from .peers import Mesh
from .run import make_interpreter


class ShardedInterpreter:
    """Runs `@step` on every device, each with the weights of its own store; those of a stage follow each other.

    `logits` are those of the whole vocabulary, from the devices of the last stage.
    """

    def __init__(self, module: ModuleOp, stores: Sequence[Weights], slots: int, context: int):
        mesh, model = module.attributes[llm.MESH], module.attributes[llm.MODEL]
        assert isinstance(mesh, llm.MeshAttr) and isinstance(model, llm.ModelAttr)
        self.vocabulary, self.tensor = model.vocabulary.data, mesh.tensor.data
        self.mesh = Mesh(mesh.tensor.data, mesh.stages.data)
        self.devices = [
            make_interpreter(module, store, slots, context, peers)
            for store, peers in zip(stores, self.mesh.peers, strict=True)
        ]

    @property
    def logits(self) -> NDArray[np.float32]:
        parts = [device.logits for device in self.devices[-self.tensor :]]
        rows, size = parts[0].shape
        whole = np.empty((rows, self.vocabulary), parts[0].dtype)
        for place, part in enumerate(parts):
            begin = slice_start(place, size, self.vocabulary)
            whole[:, begin : begin + size] = part
        return whole

    def step(self, tokens: ArrayLike, seqs: Sequence[tuple[int, int, int, int]]) -> NDArray[np.int32]:
        """One step of a ragged batch: the next token of each sequence."""
        return self.mesh.run([lambda device=device: device.step(tokens, seqs) for device in self.devices])[-1]
