"""The `llm` dialect: what a language model computes in one step over a ragged batch, with no word about hardware."""

from xdsl.ir import Dialect

from .attention_ops import AttentionOp, ContextOp, KVAppendOp, RopeOp, ScoresOp, SoftmaxOp
from .attrs import (
    ActivationKind,
    ActivationKindAttr,
    BoundsAttr,
    ModelAttr,
    Phase,
    PhaseAttr,
    RopeStyle,
    RopeStyleAttr,
)
from .collective_ops import AllArgmaxOp, AllReduceOp, ReceiveOp, SendOp
from .mesh import MeshAttr, SliceAttr
from .tensor_ops import (
    ActivationOp,
    AddOp,
    ArgmaxOp,
    BiasAddOp,
    CastOp,
    EmbedOp,
    LastTokenOp,
    LayerNormOp,
    LinearOp,
    MulOp,
    PositionEmbedOp,
    RMSNormOp,
)
from .types import KVCacheType, RaggedType, SeqsType
from .weight_ops import GetWeightOp, WeightOp

LLM = Dialect(
    "llm",
    [
        WeightOp,
        GetWeightOp,
        EmbedOp,
        PositionEmbedOp,
        LinearOp,
        RMSNormOp,
        LayerNormOp,
        RopeOp,
        KVAppendOp,
        AttentionOp,
        ScoresOp,
        SoftmaxOp,
        ContextOp,
        ActivationOp,
        AddOp,
        BiasAddOp,
        MulOp,
        CastOp,
        LastTokenOp,
        ArgmaxOp,
        AllReduceOp,
        AllArgmaxOp,
        ReceiveOp,
        SendOp,
    ],
    [
        SeqsType,
        KVCacheType,
        RaggedType,
        ActivationKindAttr,
        RopeStyleAttr,
        PhaseAttr,
        ModelAttr,
        BoundsAttr,
        MeshAttr,
        SliceAttr,
    ],
)

MODEL = "llm.model"
"""Module attribute: the `#llm.model` facts."""

BOUNDS = "llm.bounds"
"""Module attribute: the `#llm.bounds` that `llm-specialize` promised."""

MESH = "llm.mesh"
"""Module attribute: the `#llm.mesh` of devices that `llm-shard` cut the model for."""

__all__ = [
    "BOUNDS",
    "LLM",
    "MESH",
    "MODEL",
    "ActivationKind",
    "ActivationKindAttr",
    "ActivationOp",
    "AddOp",
    "AllArgmaxOp",
    "AllReduceOp",
    "ArgmaxOp",
    "AttentionOp",
    "BiasAddOp",
    "BoundsAttr",
    "CastOp",
    "ContextOp",
    "EmbedOp",
    "GetWeightOp",
    "KVAppendOp",
    "KVCacheType",
    "LastTokenOp",
    "LayerNormOp",
    "LinearOp",
    "MeshAttr",
    "ModelAttr",
    "MulOp",
    "Phase",
    "PhaseAttr",
    "PositionEmbedOp",
    "RMSNormOp",
    "RaggedType",
    "ReceiveOp",
    "RopeOp",
    "RopeStyle",
    "RopeStyleAttr",
    "ScoresOp",
    "SendOp",
    "SeqsType",
    "SliceAttr",
    "SoftmaxOp",
    "WeightOp",
]
