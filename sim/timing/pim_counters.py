"""What is counted while a PIM program is walked."""

from .tables import numbers

COUNTERS = (
    "buffer_bytes",
    "copied_bytes",
    "mac_columns",
    "macs",
    "mac_busy_cycles",
    "result_bytes",
    "written_bytes",
    "read_bytes",
    "softmax_elements",
    "softmax_busy_cycles",
    "instructions",
)
(
    BUFFER,
    COPIED,
    MAC_COLUMNS,
    MACS,
    MAC_BUSY,
    RESULT,
    WRITTEN,
    READ,
    SOFTMAX_ELEMENTS,
    SOFTMAX_BUSY,
    INSTRUCTIONS,
) = numbers(0, len(COUNTERS))
