"""Write the reference pages, or with `--check` say which are not current.

python -m pimlir.tools.docs [--check] [--folder docs/reference]
"""

import argparse
import sys
from pathlib import Path

from pimlir.universe import UNIVERSE

from . import dialects, isa, machines, passes
from .text import text_of

NOTE = "<!-- Made by `make docs` from the definitions: change those. -->\n\n"


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
    made = pages()
    changed = stale(options.folder, made)
    for name in changed:
        path = options.folder / name
        if options.check:
            print(f"{path} is not current: run `make docs`", file=sys.stderr)
        elif name in made:
            options.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(made[name])
        else:
            path.unlink()
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
