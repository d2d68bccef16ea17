"""Types and attributes of `npu`: semaphores, instruction fields, layouts of main-memory tensors that the NPU reads."""

from xdsl.ir import Data, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from ..affine_fields import FieldsAttr
from ..record import PAGED, RecordAttr

__all__ = [
    "NpuFieldsAttr",
    "RopeTableAttr",
    "RowMajorAttr",
    "SemaphoreType",
    "TilesAttr",
]


@irdl_attr_definition
class SemaphoreType(ParametrizedAttribute, TypeAttribute):
    """A counting semaphore of the NPU: waits take from it, posts add to it."""

    name = "npu.semaphore"


@irdl_attr_definition
class NpuFieldsAttr(FieldsAttr):
    """Fields of one NPU instruction: `name = [constant, operand, coefficient, …]`."""

    name = "npu.fields"


@irdl_attr_definition
class RowMajorAttr(RecordAttr):
    """Linear space, row-major, rows one after the other.

    A cache in pages is row-major as pages x layers x KV heads x `page_tokens` x head dimension.

    Example: `#npu.row_major<row_bytes = 1152>`
    """

    name = "npu.row_major"
    keys = ("row_bytes",)
    optional = (PAGED,)


@irdl_attr_definition
class TilesAttr(RecordAttr):
    """Linear space; an out x in matrix cut into `tile_k` x `tile_n` tiles, each stored [k][n] without gaps.

    `group` is how many panels of `tile_n` outputs are worked on together, one per systolic array; their tiles of one depth
    follow each other, then the next depth, then the next group: the order of use, so that loads stream through rows and
    banks. `padded_n`, `padded_k` are the stored extents (zero filled).

    Example: `#npu.tiles<tile_k = 96, tile_n = 96, padded_k = 576, padded_n = 576, group = 6>`
    """

    name = "npu.tiles"
    keys = ("tile_k", "tile_n", "padded_k", "padded_n", "group")

    @property
    def panels(self) -> int:
        """Number of tiles along n."""
        return self.integer("padded_n") // self.integer("tile_n")

    @property
    def depth(self) -> int:
        """Number of tiles along k."""
        return self.integer("padded_k") // self.integer("tile_k")

    @property
    def layer_bytes(self) -> int:
        """Bytes of one matrix (f16)."""
        return self.integer("padded_n") * self.integer("padded_k") * 2


@irdl_attr_definition
class RopeTableAttr(Data[float]):
    """Linear space; a generated f32 table [context, head_dim]: cosines, then sines, of `position * theta**(-2i/head_dim)`.

    Example: `#npu.rope_table<theta = 1.000000e+05>`
    """

    name = "npu.rope_table"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> float:
        with parser.in_angle_brackets():
            parser.parse_keyword("theta")
            parser.parse_punctuation("=")
            return float(parser.parse_number())

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"theta = {self.data:e}")
