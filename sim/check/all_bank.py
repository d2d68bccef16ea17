"""Refreshes that a machine lets pass the rules of precharges: those in all-bank modes without `refresh_waits`."""

import numpy as np

from ...machines.schema import LEVELS
from .commands import BANK, Commands

_RANK = LEVELS.index("rank")


def refreshes_at_once(commands: Commands) -> np.ndarray:
    """[row] whether it is a refresh of a rank in an all-bank mode that need not wait for precharges."""
    found = np.zeros(len(commands), bool)
    modes = commands.pim.get("all_bank")
    if not modes or modes["refresh_waits"]:
        return found
    activates = commands.where(action="activate")
    refreshes = commands.where(action="refresh") & (commands.depth >= _RANK)
    enters = activates & (commands.row == modes["enter_row"])
    leaves = commands.where(action="precharge") & (_open_row(commands, activates) == modes["leave_row"])
    mode, counted = dict[int, bool](), dict[int, int]()
    for row in np.flatnonzero(enters | leaves | refreshes).tolist():
        rank = int(commands.nodes[_RANK][row])
        all_bank = mode.get(rank, False)
        if refreshes[row]:
            found[row] = all_bank
        elif leaves[row] if all_bank else enters[row]:
            counted[rank] = counted.get(rank, 0) + 1
            if counted[rank] == (modes["lead_banks"] if all_bank else len(modes["enter_banks"])):
                mode[rank], counted[rank] = not all_bank, 0
    return found


def _open_row(commands: Commands, activates: np.ndarray) -> np.ndarray:
    """[row] the row of the last activate of the bank that it names."""
    order = np.argsort(commands.nodes[BANK], kind="stable")
    bank = commands.nodes[BANK][order]
    last = np.maximum.accumulate(np.where(activates[order], np.arange(len(order)), -1))
    valid = (last >= 0) & (bank >= 0)
    valid &= bank[last] == bank
    opened = np.full(len(commands), -1)
    opened[order[valid]] = commands.row[order[last[valid]]]
    return opened
