"""Compute the figures of a paper again, and say how far each number is from the published one.

Without PAPER: all papers and figures. FIGURE may be `all`. Finished points stay in DIR/points: a second call goes on where the
first was interrupted. Exit code 1 if a value lies outside its stated band or a point failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import Count, Table, print_tables
from ..errors import FAILED, OK, CommandError
from .arguments import positive

if TYPE_CHECKING:
    from ...reproductions.figures import Figure, Paper, Point

HELP = "compute the figures of a paper again and compare with the published numbers"
ALL = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paper", nargs="?", metavar="PAPER", help="name of a paper")
    parser.add_argument("figure", nargs="?", metavar="FIGURE", help="one of its figures, or all")
    parser.add_argument("--quick", action="store_true", help="fewer points, each as in the whole run")
    parser.add_argument("--out", metavar="DIR", help="folder for the files (default: reproduction/PAPER-FIGURE)")
    parser.add_argument("--jobs", type=positive, metavar="N", help="processes at a time (default: one per core)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="for figures that draw at random (default: 0)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")


def execute(arguments: argparse.Namespace) -> int:
    if arguments.paper is None or arguments.figure is None:
        return _list(arguments.paper, arguments.json)
    result = reproduce(
        arguments.paper, arguments.figure, arguments.quick, arguments.out, arguments.jobs, arguments.seed
    )
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _show(result)
    for name, why in result["failures"].items():
        print(f"pimlir: error: point {name}: {why}", file=sys.stderr)
    return OK if result["ok"] else FAILED


def reproduce(
    paper: str,
    figure: str = ALL,
    quick: bool = False,
    out: str | Path | None = None,
    jobs: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Run the points of a figure, or of all, and write its files; deviations, files and failed points."""
    from ...reproductions.plots import can_plot
    from ...reproductions.results import join_rows, write_figure
    from ...reproductions.runner import cores, run_points, unfinished
    from ...reproductions.store import PointStore, digest_of_sources

    chosen, figures = _find(paper, figure)
    folder = Path(out) if out is not None else Path("reproduction") / f"{paper}-{figure}"
    jobs = jobs or cores()
    points = {each.name: each.points(quick, seed) for each in figures}
    every = [point for group in points.values() for point in group]
    store = PointStore(folder / "points", digest_of_sources(chosen.sources))
    waiting = list(unfinished(every, store).values())
    _announce(waiting, len({store.key(point) for point in every}), jobs)
    if not can_plot():
        print("pimlir: matplotlib is not installed: no PNG (pip install 'pimlir[reproduce]')", file=sys.stderr)
    with Count(len(waiting), "points") as count:
        outcome = run_points(every, store, jobs, lambda _: count.advance())
    made = []
    for each in figures:
        found = {point.name: outcome.rows.get(store.key(point)) for point in points[each.name]}
        rows = join_rows(points[each.name], {name: row for name, row in found.items() if row is not None}, each.label)
        made.append(write_figure(folder, chosen, each, rows, quick))
    return {
        "paper": paper,
        "figures": made,
        "failures": outcome.failures,
        "ok": not outcome.failures and all(each["ok"] for each in made),
    }


def _find(paper: str, figure: str) -> tuple[Paper, Sequence[Figure]]:
    from ...reproductions.figures import PAPERS, load_paper

    if paper not in PAPERS:
        raise CommandError(f"found paper {paper!r}, expected one of {', '.join(PAPERS)}")
    chosen = load_paper(paper)
    if figure == ALL:
        return chosen, chosen.figures
    found = chosen.figure(figure)
    if found is None:
        names = ", ".join(each.name for each in chosen.figures)
        raise CommandError(f"found figure {figure!r} of {paper}, expected one of {names}, {ALL}")
    return chosen, (found,)


START_SECONDS = 3.0
"""CPU time until a process has imported what it needs and loaded compiled kernels."""


def _announce(waiting: Sequence[Point], total: int, jobs: int) -> None:
    """Say on stderr how long it will take, before anything runs."""
    done = f", {total - len(waiting)} of them finished before" if len(waiting) < total else ""
    text = f"{total} points{done}; expected run time {_time(waiting, jobs)} with {jobs} process{'es' * (jobs > 1)}"
    print(f"pimlir: {text}", file=sys.stderr, flush=True)


def _time(points: Sequence[Point], jobs: int) -> str:
    """A lower bound of the wall time would be the longest point; the mean of the processes is closer."""
    if not points:
        return "none"
    each = [point.seconds for point in points]
    seconds = START_SECONDS + max(max(each), sum(each) / jobs)
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _list(paper: str | None, as_json: bool) -> int:
    """All papers with their figures, or those of one."""
    from ...reproductions.figures import PAPERS

    listed = []
    for name, title in PAPERS.items() if paper is None else [(paper, PAPERS.get(paper, ""))]:
        _, figures = _find(name, ALL)
        listed += [
            {
                "paper": name,
                "title": title,
                "figure": each.name,
                "shows": each.title,
                "result": each.label,
                "points": len(each.points(False, 0)),
                "quick_points": len(each.points(True, 0)),
                "time_2_processes": _time(each.points(False, 0), 2),
                "quick_time_2_processes": _time(each.points(True, 0), 2),
            }
            for each in figures
        ]
    if as_json:
        print(json.dumps(listed, ensure_ascii=False))
        return OK
    for name in dict.fromkeys(item["paper"] for item in listed):
        own = [item for item in listed if item["paper"] == name]
        columns = ("figure", "shows", "result", "points>", "time, 2 processes>", "quick>")
        keys = ("figure", "shows", "result", "points", "time_2_processes", "quick_time_2_processes")
        print_tables([Table(f"{name}: {own[0]['title']}", columns, [[item[key] for key in keys] for item in own])])
    return OK


def _show(result: dict[str, Any]) -> None:
    from ...reproductions.deviations import TABLE_COLUMNS, cells

    tables = []
    for figure in result["figures"]:
        title = f"{figure['paper']} {figure['figure']} ({figure['result']}): {figure['title']}"
        tables.append(Table(title, TABLE_COLUMNS, [cells(item) for item in figure["deviations"]]))
    print_tables(tables)
    outside = sum(item["status"] == "outside" for figure in result["figures"] for item in figure["deviations"])
    checked = sum(item["status"] != "-" for figure in result["figures"] for item in figure["deviations"])
    files = [file for figure in result["figures"] for file in figure["files"]]
    print(f"\n{checked - outside} of {checked} values in their bands")
    print("\n".join(files))
