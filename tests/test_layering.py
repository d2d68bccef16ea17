"""Who may import whom: read from the import statements of every file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

GROUND = {"machines", "backends/isa"}
ALLOWED = {
    "machines": GROUND,
    "backends/isa": {"backends/isa"},
    "dialects": GROUND | {"dialects"},
    "passes": GROUND | {"dialects", "passes"},
    "backends": GROUND | {"dialects", "passes", "backends"},
    "frontends": {"dialects", "frontends"},
    "interpreters": GROUND | {"dialects", "interpreters"},
    "sim": GROUND | {"sim"},
    "tools": GROUND | {"dialects", "passes", "backends", "frontends", "interpreters", "sim", "tools", "reproductions"},
    "reproductions": GROUND | {"dialects", "passes", "backends", "frontends", "sim", "tools", "reproductions"},
}
"""Layer of a file -> layers that it may import. A file belongs to the longest folder that holds it."""

WITHOUT_XDSL = ("machines", "backends/isa", "sim")
FOLDERS = sorted({layer.split("/")[0] for layer in ALLOWED})
FILES = [path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def layer_of(parts: tuple[str, ...]) -> str | None:
    """The layer of a module or file, given as the names on its path from the root."""
    for length in (2, 1):
        layer = "/".join(parts[:length])
        if layer in ALLOWED:
            return layer
    return None


def imports(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and path of all modules that a file imports; names in pimlir are paths from the root."""
    package = path.parts[:-1]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                module = package[: len(package) - node.level + 1] + module
                yield from ((node.lineno, (*module, alias.name)) for alias in node.names)
            else:
                yield node.lineno, module


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_stay_in_their_layers(path: Path):
    layer = layer_of(path.parts)
    assert layer is not None
    for line, module in imports(path):
        target = layer_of(module)
        if module[0] == "pimlir":  # its own files have one path only
            assert layer == "tools" and module[1:2] in ((), ("universe",)), f"{path}:{line}: use a relative import"
        if module[0] in FOLDERS:
            assert target in ALLOWED[layer], f"{path}:{line}: {layer} must not import {'.'.join(module)}"
        if layer in WITHOUT_XDSL:
            assert module[0] != "xdsl", f"{path}:{line}: {layer} must not import xdsl"


def test_relative_imports_are_resolved():
    found = {module for _, module in imports(Path("backends/isa/encode.py"))}
    assert ("backends", "isa", "spec", "Opcode") in found


def test_every_package_folder_has_a_layer():
    packages = {link.name for link in (ROOT / "pimlir").iterdir() if link.is_symlink()}
    assert packages == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_packages_refuse_a_second_name(folder: str):
    """`import dialects` from the root would load a second copy whose classes are not the first one's."""
    assert f'if __name__ != "pimlir.{folder}":' in (ROOT / folder / "__init__.py").read_text()
