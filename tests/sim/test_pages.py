"""Page tables: slots get the lowest free pages of their channels, give them back, and no step begins without its pages."""

import numpy as np
import pytest

from pimlir.backends.isa.image import Region
from pimlir.sim.pages import OutOfPages, PageTables
from pimlir.sim.system import System

from .test_system import make_image


def image(pages: int = 2, channels: int = 1):
    keys = {"kind": "pim_keys", "channels": channels, "page_tokens": 4, "pages": 2 * pages}
    values = {"kind": "pim_values", "channels": channels, "page_tokens": 8, "pages": pages}
    regions = [Region(name, "", (1,), "f16", layout) for name, layout in (("keys", keys), ("values", values))]
    bounds = {"phase": "decode", "sequences": 4, "new_tokens": 4, "context": 20, "slots": 4}
    return make_image(regions=regions, bounds=bounds)


def held(tables: PageTables, slot: int) -> list[list[int]]:
    return [[int(page) for page in table[slot] if page >= 0] for table in tables.tables]


def test_slots_grow_by_the_lowest_free_pages_of_their_channels():
    tables = PageTables(image())
    tables.grow(0, 3)
    tables.grow(2, 5)  # slots 0 and 2 lie in channel 0
    tables.grow(1, 9)  # in channel 1
    assert (held(tables, 0), held(tables, 2), held(tables, 1)) == ([[0], [0]], [[1, 2], [1]], [[0, 1, 2], [0, 1]])
    tables.release(0)
    tables.grow(2, 8)
    assert held(tables, 2) == [[1, 2], [1]]
    tables.grow(0, 8)
    assert held(tables, 0) == [[0, 3], [0]]
    assert tables.usage()["keys"] == {"page_tokens": 4, "pages": 8, "used": 7, "peak": 7}


def test_a_slot_that_does_not_fit_gets_nothing():
    tables = PageTables(image())
    tables.grow(0, 8)
    message = "slot 2: 9 tokens need 3 pages of 4 keys, it has 0, and 2 of the 4 pages of channel group 0 are free"
    with pytest.raises(OutOfPages, match=message):
        tables.grow(2, 9)
    assert held(tables, 2) == [[], []]
    assert not tables.fits(0, 9) and tables.fits(0, 8) and tables.fits(1, 9)


def test_a_step_without_pages_does_not_begin():
    system = System(image(pages=1, channels=2), functional=False)
    system.step([0], [(0, 1, 7, 0)])
    with pytest.raises(
        OutOfPages, match="slot 1: 1 tokens need 1 pages of 4 keys, it has 0, and 0 of the 2 pages are free"
    ):
        system.step([0, 0], [(0, 1, 5, 0), (1, 1, 0, 1)])
    system.release(0)
    system.step([0], [(0, 1, 0, 1)])


def test_caches_without_pages_have_no_tables():
    tables = PageTables(make_image())
    tables.grow(1, 10)
    tables.release(1)
    assert tables.tables.size == 0 and tables.usage() == {} and tables.fits(0, 100)
    assert np.array_equal(tables.tables.shape, (2, 0, 0))
