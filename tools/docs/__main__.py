"""Write the reference pages and the page of deviations, or with `--check` say which are not current.

python -m pimlir.tools.docs [--check] [--folder docs/reference]
"""

import argparse
import sys
from pathlib import Path

from pimlir.universe import UNIVERSE

from . import dialects, isa, machines, passes, validation
from .text import text_of

NOTE = "<!-- Made by `make docs` from the definitions: change those. -->\n\n"
RESULTS_NOTE = "<!-- Made by `make docs` from docs/results and reproductions/published: change those. -->\n\n"


def pages() -> dict[str, str]:
    """File name to text of every reference page."""
    made = {f"dialect-{name}.md": dialects.page(factory()) for name, factory in sorted(UNIVERSE.all_dialects.items())}
    made["passes.md"] = passes.page([factory() for factory in UNIVERSE.all_passes.values()])
    made["machines.md"] = machines.page()
    made |= isa.pages()
    return {name: NOTE + text.rstrip() + "\n" for name, text in sorted(made.items())}


def stale(folder: Path, made: dict[str, str]) -> list[str]:
    """Pages in the folder that are missing, different or no longer made; pages written by hand are left alone."""
    there = {path.name: path.read_text() for path in folder.glob("*.md")}
    ours = made.keys() | {name for name, text in there.items() if text.startswith(NOTE)}
    return sorted(name for name in ours if made.get(name) != there.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 if a page is not current."""
    parser = argparse.ArgumentParser(prog="python -m pimlir.tools.docs", description=text_of(sys.modules[__name__]))
    parser.add_argument("--check", action="store_true", help="write nothing, name the pages that are not current")
    parser.add_argument("--folder", type=Path, default=Path("docs/reference"))
    options = parser.parse_args(arguments)
    current = _bring_up_to_date(options.folder, pages(), options.check)
    results = options.folder.parent / "results"
    if results.is_dir():
        made = {"validation.md": RESULTS_NOTE + validation.page(results).rstrip() + "\n"}
        current &= _bring_up_to_date(options.folder.parent / "explanation", made, options.check)
    return 1 if options.check and not current else 0


def _bring_up_to_date(folder: Path, made: dict[str, str], check: bool) -> bool:
    """Write the pages that are not current, or name them; whether there were none."""
    changed = stale(folder, made)
    for name in changed:
        path = folder / name
        if check:
            print(f"{path} is not current: run `make docs`", file=sys.stderr)
        elif name in made:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(made[name])
        else:
            path.unlink()
    return not changed


if __name__ == "__main__":
    sys.exit(main())
