"""`pimlir reproduce`: what it lists, runs, writes and says, and its exit codes."""

import csv
import json

import pytest

from pimlir.reproductions import plots, runner
from pimlir.reproductions.results import csv_text, read_csv


def test_papers_and_figures_are_listed(toy_paper, pimlir):
    code, out, _ = pimlir("reproduce")
    assert code == 0
    assert out.splitlines()[0] == "toy: Toys (2026)"
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["doubles", "deaths"]
    assert pimlir("reproduce", "toy")[1] == out
    listed = json.loads(pimlir("reproduce", "toy", "--json")[1])
    assert [(item["figure"], item["points"], item["quick_points"]) for item in listed] == [
        ("doubles", 3, 2),
        ("deaths", 2, 2),
    ]


@pytest.mark.parametrize("arguments", [("tay",), ("tay", "doubles")])
def test_an_unknown_paper_is_answered_with_the_list(toy_paper, pimlir, arguments):
    assert pimlir("reproduce", *arguments) == (1, "", "pimlir: error: found paper 'tay', expected one of toy\n")


def test_an_unknown_figure_is_answered_with_the_list(toy_paper, pimlir):
    message = "pimlir: error: found figure 'triples' of toy, expected one of doubles, deaths, all\n"
    assert pimlir("reproduce", "toy", "triples") == (1, "", message)


def test_a_run_within_the_bands_is_a_success(toy_paper, pimlir, tmp_path):
    code, out, err = pimlir("reproduce", "toy", "doubles", "--quick", "--jobs", 1)
    assert code == 0, err
    first, *_ = err.splitlines()
    assert first == "pimlir: 2 points; expected run time 3 s with 1 process"
    assert "2 of 2 values in their bands" in out and "twice 100" not in out
    rows = list(csv.DictReader((tmp_path / "reproduction/toy-doubles/toy-doubles.csv").open()))
    assert rows == [
        {"point": f"double {n}", "result": "simulated", "number": str(n), "seed": "0", "twice": str(2 * n)}
        for n in (1, 3)
    ]


def test_a_value_outside_its_band_is_a_failure(toy_paper, pimlir, tmp_path):
    code, out, err = pimlir("reproduce", "toy", "doubles", "--out", tmp_path / "new" / "out", "--jobs", 2)
    assert code == 1
    assert "2 of 3 values in their bands" in out and "outside" in out
    assert "error" not in err
    content = json.loads((tmp_path / "new/out/toy-doubles.json").read_text())
    assert [item["status"] for item in content["deviations"]] == ["ok", "ok", "outside"]
    assert content["deviations"][0]["published_at"] == "table 1"
    assert content["simulator"] == "toybox 1.0, run by Bob"
    assert not content["ok"]


def test_a_second_call_takes_the_points_of_the_first(toy_paper, pimlir):
    pimlir("reproduce", "toy", "doubles", "--quick", "--out", "out", "--jobs", 1)
    _, _, err = pimlir("reproduce", "toy", "doubles", "--out", "out", "--jobs", 1)
    assert err.startswith("pimlir: 3 points, 2 of them finished before; expected run time 3 s")


def test_a_dead_point_is_named_and_the_others_are_written(toy_paper, pimlir, tmp_path):
    code, out, err = pimlir("reproduce", "toy", "all", "--quick", "--jobs", 2)
    assert code == 1
    assert err.splitlines()[-1] == "pimlir: error: point dies: its process died 2 times, the last time by SIGKILL"
    folder = tmp_path / "reproduction/toy-all"
    assert [row["point"] for row in read_csv(folder / "toy-deaths.csv")] == ["lives"]
    assert len(read_csv(folder / "toy-doubles.csv")) == 2
    assert "toy-deaths.csv" in out


def test_json_is_one_object(toy_paper, pimlir):
    code, out, _ = pimlir("reproduce", "toy", "doubles", "--quick", "--seed", 5, "--json")
    result = json.loads(out)
    assert code == 0 and result["ok"] and result["failures"] == {}
    assert [figure["figure"] for figure in result["figures"]] == ["doubles"]
    assert read_csv_seed(result) == 5


def read_csv_seed(result):
    (path,) = (file for file in result["figures"][0]["files"] if file.endswith(".csv"))
    with open(path) as file:
        return int(next(csv.DictReader(file))["seed"])


def test_without_matplotlib_there_is_no_png(toy_paper, pimlir, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    code, _, err = pimlir("reproduce", "toy", "doubles", "--quick")
    assert code == 0
    assert "pimlir: matplotlib is not installed: no PNG (pip install 'pimlir[reproduce]')" in err.splitlines()
    assert sorted(path.suffix for path in (tmp_path / "reproduction/toy-doubles").glob("toy*")) == [".csv", ".json"]


def test_diagrams_are_drawn(toy_paper, pimlir, tmp_path):
    pytest.importorskip("matplotlib")
    assert pimlir("reproduce", "toy", "doubles", "--quick")[0] == 0
    content = (tmp_path / "reproduction/toy-doubles/toy-doubles.png").read_bytes()
    assert content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")


def test_an_interrupt_is_told_by_the_exit_code(toy_paper, pimlir, monkeypatch):
    def interrupt(pipes):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "wait", interrupt)
    assert pimlir("reproduce", "toy", "doubles")[0] == 130


def test_a_folder_that_cannot_be_written_is_named(toy_paper, pimlir, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = pimlir("reproduce", "toy", "doubles", "--quick", "--out", tmp_path / "file")
    assert code == 1
    assert err.splitlines()[-1].startswith(f"pimlir: error: {tmp_path / 'file'}")
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("jobs", ["0", "-1", "x"])
def test_a_number_of_jobs_must_be_positive(pimlir, jobs):
    code, _, err = pimlir("reproduce", "toy", "doubles", f"--jobs={jobs}")
    assert code == 2 and "expected a whole number of at least 1" in err


def test_rows_survive_the_file(tmp_path):
    rows = [{"name": "a, b", "n": 3, "x": 0.1234567891234, "yes": True, "none": None}, {"name": "c", "more": 1e-9}]
    (tmp_path / "rows.csv").write_text(csv_text(rows))
    first, second = read_csv(tmp_path / "rows.csv")
    assert first == {"name": "a, b", "n": 3, "x": 0.1234567891, "yes": True, "none": None, "more": None}
    assert second["more"] == 1e-9 and second["n"] is None
