"""What exchanges do to the local memories of the devices that take part."""

from collections.abc import Sequence

import numpy as np

from ..memory import DTYPES
from ..plan import Exchange
from .devices import Devices
from .errors import SimulationError


def run_exchange(exchange: Exchange, devices: Sequence[Devices]) -> None:
    """Run an exchange on all devices that share each layer."""
    if exchange.kind == "transfer":  # both ends see the same buffers
        return
    if exchange.kind not in _RUN:
        raise SimulationError(f"{exchange.kind}: pipeline stages have no data in the simulator, only time")
    if exchange.devices != len(devices):
        raise SimulationError(f"{exchange.kind} is over {exchange.devices} devices, the system has {len(devices)}")
    _RUN[exchange.kind](exchange, devices)


def _all_reduce(exchange: Exchange, devices: Sequence[Devices]) -> None:
    """The sum in fp32 in the order of the devices, rounded once."""
    parts = [_matrix(device, exchange.local, exchange.rows, exchange.columns, exchange.dtype) for device in devices]
    total = parts[0].astype(np.float32)
    for part in parts[1:]:
        total += part
    for part in parts:
        part[...] = total


def _all_argmax(exchange: Exchange, devices: Sequence[Devices]) -> None:
    """The token of the largest logit; of equal ones that of the first device."""
    rows, columns = exchange.rows, exchange.columns
    ids = [_matrix(device, exchange.local, rows, 1, "i32")[:, 0] for device in devices]
    logits = [_matrix(device, exchange.logits, rows, columns, "f32") for device in devices]
    best = np.array([part[np.arange(rows), index] for part, index in zip(logits, ids, strict=True)])
    starts = np.array([min(place * columns, exchange.vocabulary - columns) for place in range(len(devices))])
    winner = np.argmax(best, axis=0)
    tokens = starts[winner] + np.array(ids)[winner, np.arange(rows)]
    for index in ids:
        index[...] = tokens


_RUN = {"all_reduce": _all_reduce, "all_argmax": _all_argmax}


def _matrix(device: Devices, address: int, rows: int, columns: int, dtype: str) -> np.ndarray:
    """Rows of a dense buffer as an array that shares local memory."""
    try:
        return np.ndarray((rows, columns), DTYPES[dtype], device.local.data, address)
    except (TypeError, ValueError):
        raise SimulationError(
            f"exchange of {rows} x {columns} {dtype} at {address} does not fit in the {len(device.local)} bytes of "
            "local memory"
        ) from None
