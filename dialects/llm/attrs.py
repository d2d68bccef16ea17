"""Attributes of `llm`: enumerations, the description of a model and the bounds of a specialised step."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntAttr, StringAttr
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, ParametrizedAttribute, SpacedOpaqueSyntaxAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum


class ActivationKind(StrEnum):
    SILU = "silu"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"
    RELU = "relu"


class RopeStyle(StrEnum):
    INTERLEAVED = "interleaved"
    HALF = "half"


class Phase(StrEnum):
    PREFILL = "prefill"
    DECODE = "decode"
    MIXED = "mixed"


@irdl_attr_definition
class ActivationKindAttr(EnumAttribute[ActivationKind], SpacedOpaqueSyntaxAttribute):
    """Which activation function: silu, gelu (exact), gelu_tanh (tanh form) or relu."""

    name = "llm.activation_kind"


@irdl_attr_definition
class RopeStyleAttr(EnumAttribute[RopeStyle], SpacedOpaqueSyntaxAttribute):
    """Which elements a rotary embedding rotates together.

    `interleaved`: elements 2i and 2i + 1; `half`: elements i and i + head dimension / 2. The same model trained once
    is stored in one or the other form, with the rows of its query and key weights permuted to match.
    """

    name = "llm.rope_style"


@irdl_attr_definition
class PhaseAttr(EnumAttribute[Phase], SpacedOpaqueSyntaxAttribute):
    """What a specialised step does: prefill, decode, or both in one batch (mixed)."""

    name = "llm.phase"


@irdl_attr_definition
class ModelAttr(ParametrizedAttribute):
    """Facts about the whole model, on the module as `llm.model`.

    Example: `#llm.model<name = "tiny", architecture = "llama", context_length = 2048, vocabulary = 49152>`
    """

    name = "llm.model"

    model_name: StringAttr
    architecture: StringAttr
    context_length: IntAttr
    vocabulary: IntAttr

    def __init__(self, name: str, architecture: str, context_length: int, vocabulary: int):
        super().__init__(StringAttr(name), StringAttr(architecture), IntAttr(context_length), IntAttr(vocabulary))

    def verify(self) -> None:
        for what, count in (("context_length", self.context_length.data), ("vocabulary", self.vocabulary.data)):
            if count < 1:
                raise VerifyException(f"llm.model has {what} {count}, expected at least 1")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            name = StringAttr(_parse_key(parser, "name").parse_str_literal())
            parser.parse_punctuation(",")
            architecture = StringAttr(_parse_key(parser, "architecture").parse_str_literal())
            parser.parse_punctuation(",")
            context_length = IntAttr(_parse_key(parser, "context_length").parse_integer())
            parser.parse_punctuation(",")
            vocabulary = IntAttr(_parse_key(parser, "vocabulary").parse_integer())
        return name, architecture, context_length, vocabulary

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string("name = ")
            printer.print_string_literal(self.model_name.data)
            printer.print_string(", architecture = ")
            printer.print_string_literal(self.architecture.data)
            printer.print_string(f", context_length = {self.context_length.data}")
            printer.print_string(f", vocabulary = {self.vocabulary.data}")


@irdl_attr_definition
class BoundsAttr(ParametrizedAttribute):
    """What `llm-specialize` promised about every step of the module, on the module as `llm.bounds`.

    A step has at most `sequences` sequences (exactly as many in phase decode), at most `new_tokens` token rows over all
    of them (exactly as many in phase decode), and no sequence is longer than `context` tokens after the step.

    Example: `#llm.bounds<phase = decode, sequences = 4, new_tokens = 4, context = 512>`
    """

    name = "llm.bounds"

    phase: PhaseAttr
    sequences: IntAttr
    new_tokens: IntAttr
    context: IntAttr

    def __init__(self, phase: Phase, sequences: int, new_tokens: int, context: int):
        super().__init__(PhaseAttr(phase), IntAttr(sequences), IntAttr(new_tokens), IntAttr(context))

    def verify(self) -> None:
        counts = {"sequences": self.sequences, "new_tokens": self.new_tokens, "context": self.context}
        for what, count in counts.items():
            if count.data < 1:
                raise VerifyException(f"llm.bounds has {what} {count.data}, expected at least 1")
        if self.new_tokens.data < self.sequences.data:
            raise VerifyException(
                f"llm.bounds has new_tokens {self.new_tokens.data}, expected at least {self.sequences.data}: "
                "each sequence brings at least one"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            phase = PhaseAttr(_parse_key(parser, "phase").parse_str_enum(Phase))
            counts: list[IntAttr] = []
            for key in ("sequences", "new_tokens", "context"):
                parser.parse_punctuation(",")
                counts.append(IntAttr(_parse_key(parser, key).parse_integer()))
        return phase, *counts

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"phase = {self.phase.data}, sequences = {self.sequences.data}")
            printer.print_string(f", new_tokens = {self.new_tokens.data}, context = {self.context.data}")


def _parse_key(parser: AttrParser, key: str) -> AttrParser:
    parser.parse_keyword(key)
    parser.parse_punctuation("=")
    return parser
