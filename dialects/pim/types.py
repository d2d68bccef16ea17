"""Attributes of `pim`: instruction fields and the layouts of matrices over the rows of all banks.

A unit is a bank with its MAC unit; unit u is bank u mod banks of channel u div banks. All extents are elements, columns
or rows as named.
"""

from xdsl.irdl import irdl_attr_definition

from ..affine_fields import FieldsAttr
from ..record import PAGED, RecordAttr

SHARED_ROWS = ("groups_per_row",)
"""Key of a value cache: dimension groups whose tokens share a row."""


@irdl_attr_definition
class PimFieldsAttr(FieldsAttr):
    """Fields of one PIM instruction: `name = [constant, operand, coefficient, …]`."""

    name = "pim.fields"


@irdl_attr_definition
class MatrixAttr(RecordAttr):
    """A weight matrix, output neuron n in unit n mod units, pass n div units.

    The inputs are cut into chunks of `chunk` elements; chunk c takes `rows_of_chunk[c]` rows, each of which holds
    `passes_per_row[c]` passes of `columns_of_chunk[c]` columns. `rows_per_layer` rows hold one matrix.

    Example: `#pim.matrix<chunk = 512, columns_of_chunk = [32, 4], passes_per_row = [1, 8], rows_of_chunk = [1, 1], rows_per_layer = 2>`
    """

    name = "pim.matrix"
    keys = ("chunk", "columns_of_chunk", "passes_per_row", "rows_of_chunk", "rows_per_layer")
    lists = ("columns_of_chunk", "passes_per_row", "rows_of_chunk")


@irdl_attr_definition
class KeysAttr(RecordAttr):
    """A key cache. A sequence has `channels` channels, in which its token t is in unit t mod units.

    With n = memory channels div `channels`, slot s begins at channel (s mod n) * `channels` and is at place s div n there.
    Row ((layer * ceil(slots / n) + place) * groups + t div units) * rows_per_token + head div heads_per_row; the heads of
    a row follow each other.

    In pages, `groups` are those of a page and token t is in page q of its slot, q = t div page_tokens: row ((q * layers +
    layer) * groups + t mod page_tokens div units) * rows_per_token + … of the `pages` pages of each n-th of the channels.

    Example: `#pim.keys<slots = 1, channels = 32, groups = 1, rows_per_token = 1, heads_per_row = 8, head_dim = 64>`
    """

    name = "pim.keys"
    keys = ("slots", "channels", "groups", "rows_per_token", "heads_per_row", "head_dim")
    optional = (PAGED,)


@irdl_attr_definition
class ValuesAttr(RecordAttr):
    """A value cache, dimension j of head h in bank j mod banks of dimension group h * groups_per_head + j div banks.

    A sequence has `channels` channels and a place in them as in `#pim.keys`. Group g is in the (g mod channels)-th; its
    token chunk q = t div row_elements in row (layer * ceil(slots / n) + place) * rows_per_sequence + q * ceil(groups /
    channels) + g div channels, element t mod row_elements. All chunks of a group are in one channel, which adds up their
    sums in order. Where r = `groups_per_row` groups of a channel share a row, the i-th of them, i = g div channels, is in row
    … + q * ceil(ceil(groups / channels) / r) + i div r, from element (i mod r) * row_elements on: an append opens fewer rows,
    and so do short sequences. In pages, `rows_per_sequence` are those of a page: row (page * layers + layer) * rows_per_sequence + …,
    q the chunk in the page.

    Example: `#pim.values<slots = 1, channels = 32, groups = 6, groups_per_head = 2, rows_per_sequence = 1, row_elements = 512, head_dim = 64>`
    """

    name = "pim.values"
    keys = ("slots", "channels", "groups", "groups_per_head", "rows_per_sequence", "row_elements", "head_dim")
    optional = (SHARED_ROWS, PAGED)

    @property
    def groups_per_row(self) -> int:
        """Dimension groups that share a row."""
        return max(1, self.integer("groups_per_row"))


@irdl_attr_definition
class HeadKeysAttr(RecordAttr):
    """A key cache with a head in a channel, as AttAcc lays it out: heads of all slots are dealt to the channels in turn.
    Head h of slot s has place h * slots + s, which is place div channels in channel place mod channels.

    A channel has `parts` parts; bank b is bank b div parts of part b mod parts. Token t is in part t mod parts, and takes
    `columns` columns in each bank of the part: dimension j in bank j div (16 columns) there, column
    (t div parts) * columns + (j div 16) mod columns of the head. The columns of a head follow each other from row
    (layer * heads_per_channel + place div channels) * rows_per_head on. In pages, `heads_per_channel` are the heads of one
    slot in a channel, and `rows_per_head` are those of a page: the rows of a head begin at ((page * layers + layer) *
    heads_per_channel + h div n) * rows_per_head, where the heads of a slot are dealt to n channels.

    Example: `#pim.head_keys<slots = 1, heads_per_channel = 2, parts = 16, columns = 2, rows_per_head = 8, head_dim = 128>`
    """

    name = "pim.head_keys"
    keys = ("slots", "heads_per_channel", "parts", "columns", "rows_per_head", "head_dim")
    optional = (PAGED,)


@irdl_attr_definition
class HeadValuesAttr(RecordAttr):
    """A value cache with a head in a channel: channels, parts and rows of a head as in `#pim.head_keys`.

    The dimensions are cut into chunks of 16 a bank of a part: dimension j is lane j mod 16 of bank (j div 16) mod banks of
    chunk j div (16 banks), where a part has `banks` banks. Token t is in column chunk * tokens + t div parts of the head:
    a part has room for `tokens` tokens, or in pages for those of a page.

    Example: `#pim.head_values<slots = 1, heads_per_channel = 2, parts = 16, tokens = 128, rows_per_head = 8, head_dim = 128>`
    """

    name = "pim.head_values"
    keys = ("slots", "heads_per_channel", "parts", "tokens", "rows_per_head", "head_dim")
    optional = (PAGED,)


@irdl_attr_definition
class StagingAttr(RecordAttr):
    """Rows that a vector is written to before it is copied to the global buffers, on machines that fill them by row copy.

    Example: `#pim.staging<rows = 1>`
    """

    name = "pim.staging"
    keys = ("rows",)
