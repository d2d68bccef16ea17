"""Linear addresses of a trace: where their bytes are in the memory."""

from typing import Any

from .text import Source


class AddressMap:
    """Cuts a byte address into channel, bank, row and column as the controller's `address` says."""

    def __init__(self, source: Source):
        memory, geometry = source.memory, source.tables.geometry
        extents = dict(zip(("pseudo_channel", "rank", "bank_group", "bank"), geometry.extents[1:], strict=True))
        extents |= {"channel": memory["channels"], "row": memory["rows"]}
        extents["column"] = memory["row_bytes"] // memory["access_bytes"]
        self._unit = memory["access_bytes"]
        self._fields = [(name, extents[name]) for name in reversed(source.address)]
        self._geometry = geometry
        self.limit = self._unit
        for _, extent in self._fields:
            self.limit *= extent

    def split(self, address: Any) -> tuple[Any, Any, Any, Any]:
        """Channel, bank, row and column, of a number or of an array of them."""
        place = address // self._unit
        values: dict[str, Any] = {}
        for name, extent in self._fields:
            values[name] = place % extent
            place = place // extent
        target = self._geometry.target(values[level] for level in ("pseudo_channel", "rank", "bank_group", "bank"))
        return values["channel"], target, values["row"], values["column"]
