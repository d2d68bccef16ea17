"""Types of `llm`: the sequence table, the KV cache and ragged attention matrices."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import DYNAMIC_INDEX, Float16Type, Float32Type, IntAttr
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException


@irdl_attr_definition
class SeqsType(ParametrizedAttribute, TypeAttribute):
    """The sequence table of a ragged batch.

    The token dimension of a step is the concatenation of the new tokens of all its sequences. One table entry per
    sequence says where they are: the first row, the number of new tokens (at least 1), the number of tokens that are
    already in the KV cache (the past), and the cache slot. A row that holds new token t of its sequence (t = 0, 1, ...)
    has position past + t and sees past + t + 1 keys.

    Example: `!llm.seqs`
    """

    name = "llm.seqs"


@irdl_attr_definition
class KVCacheType(ParametrizedAttribute, TypeAttribute):
    """The keys and values of all tokens so far: layers x KV heads x head dimension x element type.

    A handle with reference semantics: `llm.kv_append` writes through it, `llm.scores`, `llm.context` and
    `llm.attention` read through it, and their memory effects keep that order. A value per version of the cache would
    have to be carried through the layer loop and would promise a copy that no machine makes. The number of slots, their
    capacity, paging and the place in memory are decided below this level.

    Example: `!llm.kv_cache<30x3x64xf16>`
    """

    name = "llm.kv_cache"

    layers: IntAttr
    heads: IntAttr
    head_dim: IntAttr
    element_type: Attribute

    def __init__(self, layers: int, heads: int, head_dim: int, element_type: Attribute):
        super().__init__(IntAttr(layers), IntAttr(heads), IntAttr(head_dim), element_type)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.layers.data, self.heads.data, self.head_dim.data

    def verify(self) -> None:
        for what, count in zip(("layers", "KV heads", "head dimension"), self.shape, strict=True):
            if count < 1:
                raise VerifyException(f"llm.kv_cache has {what} {count}, expected at least 1")
        check_element_type("llm.kv_cache", self.element_type)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            position = parser.pos
            shape, element_type = parser.parse_ranked_shape()
            if len(shape) != 3 or DYNAMIC_INDEX in shape:
                parser.raise_error(
                    "expected layers x KV heads x head dimension x element type, as in !llm.kv_cache<30x3x64xf16>",
                    position,
                )
        return *(IntAttr(size) for size in shape), element_type

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list(self.shape)
            printer.print_string("x")
            printer.print_attribute(self.element_type)


@irdl_attr_definition
class RaggedType(ParametrizedAttribute, TypeAttribute):
    """Attention scores or probabilities: for each token row a matrix of heads x the number of keys the row sees.

    The number of keys differs from row to row (see `!llm.seqs`); the `?` in the text stands for it.

    Example: `!llm.ragged<9x?xf32>`
    """

    name = "llm.ragged"

    heads: IntAttr
    element_type: Attribute

    def __init__(self, heads: int, element_type: Attribute):
        super().__init__(IntAttr(heads), element_type)

    def verify(self) -> None:
        if self.heads.data < 1:
            raise VerifyException(f"llm.ragged has {self.heads.data} heads, expected at least 1")
        check_element_type("llm.ragged", self.element_type)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            position = parser.pos
            shape, element_type = parser.parse_ranked_shape()
            if len(shape) != 2 or shape[0] == DYNAMIC_INDEX or shape[1] != DYNAMIC_INDEX:
                parser.raise_error("expected heads x ? x element type, as in !llm.ragged<9x?xf32>", position)
        return IntAttr(shape[0]), element_type

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list((self.heads.data, DYNAMIC_INDEX))
            printer.print_string("x")
            printer.print_attribute(self.element_type)


def check_element_type(what: str, element_type: Attribute) -> None:
    if not isinstance(element_type, Float16Type | Float32Type):
        raise VerifyException(f"{what} has element type {element_type}, expected f16 or f32")
