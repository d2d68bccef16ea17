"""Constraints and shape checks shared by the ops of `llm`; each message names the value, what was found and the limit."""

from typing import Any

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    FloatAttr,
    IntegerAttr,
    TensorType,
    f16,
    f32,
    i32,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import AnyOf, MessageConstraint, eq
from xdsl.utils.exceptions import VerifyException

FLOAT_TENSOR = MessageConstraint(TensorType.constr(AnyOf((eq(f16), eq(f32)))), "expected a tensor of f16 or f32")
TOKEN_IDS = MessageConstraint(TensorType.constr(eq(i32)), "expected a tensor of i32 token ids")
F32_ATTR = FloatAttr.constr(eq(f32))
COUNT_ATTR = IntegerAttr.constr(type=eq(i64))


def shape_of(value: SSAValue | Attribute) -> tuple[int, ...]:
    type_ = value.type if isinstance(value, SSAValue) else value
    assert isinstance(type_, TensorType)
    return type_.get_shape()


def element_of(value: SSAValue) -> Attribute:
    assert isinstance(value.type, TensorType)
    return value.type.element_type


def text(shape: tuple[int, ...]) -> str:
    """`(-2**63, 576)` as `?x576`."""
    return "x".join("?" if size == DYNAMIC_INDEX else str(size) for size in shape) or "scalar"


def check_rank(name: str, value: SSAValue, rank: int, meaning: str) -> tuple[int, ...]:
    shape = shape_of(value)
    if len(shape) != rank:
        raise VerifyException(f"{name} has shape {text(shape)}, expected rank {rank}: {meaning}")
    return shape


def check_rows(name: str, value: SSAValue) -> tuple[int, int]:
    """The shape of an activation: token rows x features, with a static number of features."""
    rows, features = check_rank(name, value, 2, "token rows x features")
    if features == DYNAMIC_INDEX:
        raise VerifyException(f"{name} has shape {text((rows, features))}, expected a static number of features")
    return rows, features


def check_shape(name: str, value: SSAValue, expected: tuple[int, ...], reason: str) -> None:
    shape = shape_of(value)
    if shape != expected:
        raise VerifyException(f"{name} has shape {text(shape)}, expected {text(expected)}: {reason}")


def check_count(name: str, attr: Any, at_least: int = 1) -> int:
    """The value of an integer attribute that counts something."""
    count: int = attr.value.data
    if count < at_least:
        raise VerifyException(f"{name} is {count}, expected at least {at_least}")
    return count
