"""Checks, bands and the table of deviations."""

import pytest

from pimlir.reproductions import deviations
from pimlir.reproductions.deviations import as_dict, cells, compare, load_published, passed


@pytest.fixture
def checks(toy_paper):
    return {check.key: check for check in load_published("toy").checks}


def test_bands_are_percents_of_a_number_or_ranges(checks):
    assert checks["twice 1"].band == pytest.approx((1.89, 2.31))
    assert checks["twice 100"].band == pytest.approx((9.5, 10.5))
    assert checks["value 1"].band == (0, 2)


@pytest.mark.parametrize(
    ("value", "status"), [(1.88, "outside"), (1.9, "ok"), (2.3, "ok"), (2.32, "outside"), (None, "missing")]
)
def test_values_in_and_outside_their_band(checks, value, status):
    values = {} if value is None else {"twice 1": value}
    (found,) = compare([checks["twice 1"]], values, partial=False)
    assert found.status == status
    assert passed([found]) == (status == "ok")


def test_a_value_without_a_band_is_only_reported(checks):
    check = deviations._check({"figure": "doubles", "key": "k", "published": 2.0})
    (found,) = compare([check], {"k": 100.0}, partial=False)
    assert found.status == "-" and passed([found])
    assert found.percent(2.0) == pytest.approx(4900)


def test_partial_runs_leave_out_what_they_have_not(checks):
    assert [found.check.key for found in compare(list(checks.values()), {"twice 3": 6.0}, partial=True)] == ["twice 3"]


def test_a_line_of_the_table(checks):
    (found,) = compare([checks["twice 1"]], {"twice 1": 2.0}, partial=False)
    line = ("twice 1", "2 x", "2.1 x", "-4.8 %", "2 x", "+0.0 %", "±10 % of paper", "ok")
    assert cells(as_dict(found)) == line


def test_tables_of_runs_are_checks_of_each_row(tmp_path, monkeypatch):
    monkeypatch.setattr(deviations, "PUBLISHED", tmp_path)
    (tmp_path / "runs.csv").write_text("id,ms\nA,2.0\nB,4.0\n")
    columns = [{"column": "ms", "unit": "ms", "within_percent": 5, "of": "simulator"}]
    found = deviations._table_checks({"figure": "runs", "file": "runs.csv", "row": "id", "columns": columns})
    assert [(check.key, check.simulator, check.simulator_at) for check in found] == [
        ("A ms", 2.0, "runs.csv, A"),
        ("B ms", 4.0, "runs.csv, B"),
    ]
    assert found[1].band == pytest.approx((3.8, 4.2))


def test_cells_that_a_row_lacks_are_no_checks(tmp_path, monkeypatch):
    monkeypatch.setattr(deviations, "PUBLISHED", tmp_path)
    (tmp_path / "runs.csv").write_text("id,ms\nA,\nB,4.0\n")
    found = deviations._table_checks({"figure": "runs", "file": "runs.csv", "row": "id", "columns": [{"column": "ms"}]})
    assert [check.key for check in found] == ["B ms"]


def test_a_note_is_for_all_keys_that_match_one_of_its_patterns(checks):
    note = {"figure": "doubles", "keys": ["twice 1*"], "note": "As we all know."}
    noted = {key: deviations._noted(check, note).note for key, check in checks.items()}
    assert noted == {"twice 1": "As we all know.", "twice 3": "", "twice 100": "As we all know.", "value 1": ""}


def test_nothing_is_a_percentage_of_a_reference_of_zero(checks):
    (found,) = compare([checks["twice 1"]], {"twice 1": 2.0}, partial=False)
    assert found.percent(0.0) is None
