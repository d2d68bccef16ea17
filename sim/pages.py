"""The page tables of the KV cache: which pages each slot has been given, and which are free."""

from __future__ import annotations

from heapq import heappop, heappush
from math import gcd

import numpy as np

from ..backends.isa.image import Image, Region
from ..backends.isa.spec import PAGE_TABLES
from .functional.errors import SimulationError

NO_PAGES = np.zeros((len(PAGE_TABLES), 0, 0), np.int64)
"""The page tables of an image whose caches have fixed places."""


class OutOfPages(SimulationError):
    """A sequence needs a page and none is free; `home` is the group of channels that its slot lies in."""

    def __init__(self, message: str, home: int):
        super().__init__(message)
        self.home = home


class _Pool:
    """Pages of one cache: `free[home]` is a heap, so that the lowest free row is given out first."""

    def __init__(self, region: Region, channels: int):
        layout = region.layout
        self.symbol, self.page_tokens, self.pages = region.symbol, layout["page_tokens"], layout["pages"]
        if layout["kind"] in ("pim_head_keys", "pim_head_values"):
            self.homes = gcd(channels, layout["slots"])
        else:
            self.homes = channels // layout.get("channels", channels)
        self.free = [list(range(self.pages)) for _ in range(self.homes)]
        self.total = self.pages * self.homes
        self.used = self.peak = 0

    def count(self, tokens: int) -> int:
        """Pages that so many tokens take."""
        return -(-tokens // self.page_tokens)

    def take(self, home: int) -> int:
        self.used += 1
        self.peak = max(self.peak, self.used)
        return heappop(self.free[home])

    def give_back(self, home: int, page: int) -> None:
        self.used -= 1
        heappush(self.free[home], page)


class PageTables:
    """Pages of the caches of an image. Slot s lies in group of channels s mod n, and so do its pages.

    `tables` int64[2, slots, pages of a slot] is what the devices read, -1 where a slot has no page.
    """

    def __init__(self, image: Image):
        regions = {region.symbol: region for region in image.regions if region.layout.get("page_tokens")}
        self.slots = image.bounds.get("slots", image.bounds["sequences"])
        self.pools = [
            _Pool(regions[symbol], image.machine["memory"]["channels"]) for symbol in PAGE_TABLES if symbol in regions
        ]
        most = max((pool.count(image.bounds["context"]) for pool in self.pools), default=0)
        self.tables = np.full((len(self.pools), self.slots, most), -1, np.int64) if self.pools else NO_PAGES
        self._held = [[0] * self.slots for _ in self.pools]

    @property
    def homes(self) -> int:
        """Groups of channels that have pages of their own."""
        return self.pools[0].homes if self.pools else 1

    def home(self, slot: int) -> int:
        """The group of channels that a slot lies in."""
        return slot % self.homes

    def fits(self, home: int, tokens: int) -> bool:
        """Whether a new sequence of so many tokens gets its pages in a group of channels."""
        return all(pool.count(tokens) <= len(pool.free[home]) for pool in self.pools)

    def grow(self, slot: int, tokens: int) -> None:
        """Give a slot the pages that it lacks for so many tokens; either all of them, or OutOfPages and none."""
        home, wanted = self.home(slot), []
        for pool, held in zip(self.pools, self._held, strict=True):
            lacking = pool.count(tokens) - held[slot]
            if lacking > len(pool.free[home]):
                where = f" of channel group {home}" if self.homes > 1 else ""
                raise OutOfPages(
                    f"slot {slot}: {tokens} tokens need {pool.count(tokens)} pages of {pool.page_tokens} {pool.symbol}, it has "
                    f"{held[slot]}, and {len(pool.free[home])} of the {pool.pages} pages{where} are free",
                    home,
                )
            wanted.append(max(0, lacking))
        for table, (pool, held) in enumerate(zip(self.pools, self._held, strict=True)):
            for _ in range(wanted[table]):
                self.tables[table, slot, held[slot]] = pool.take(home)
                held[slot] += 1

    def release(self, slot: int) -> None:
        """Take all pages of a slot back."""
        home = self.home(slot)
        for table, (pool, held) in enumerate(zip(self.pools, self._held, strict=True)):
            for index in range(held[slot]):
                pool.give_back(home, int(self.tables[table, slot, index]))
            self.tables[table, slot] = -1
            held[slot] = 0

    def usage(self) -> dict[str, dict[str, int]]:
        """Of each cache: tokens of a page, pages in all, in use now and at most so far."""
        return {
            pool.symbol: {
                "page_tokens": pool.page_tokens,
                "pages": pool.total,
                "used": pool.used,
                "peak": pool.peak,
            }
            for pool in self.pools
        }
