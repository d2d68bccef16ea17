"""Everything in the tree that plain `xdsl-opt` should see is in the universe, and everything there has a test."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import XDSL_UNIVERSE
from xdsl.utils.target import Target

from pimlir.universe import UNIVERSE

ROOT = Path(__file__).parent.parent
FILECHECK = ROOT / "tests/filecheck"


def classes_with_base(folder: str, base: str) -> Iterator[tuple[Path, str, str]]:
    """File, class and `name` of every class in a folder whose base is `base` or ends so, if it has a name."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(b).endswith(base) for b in node.bases):
                for statement in node.body:
                    match statement:
                        case ast.Assign([ast.Name("name")], ast.Constant(str(name))):
                            yield path, node.name, name


PASSES = list(classes_with_base("passes", "ModulePass"))
TARGETS = list(classes_with_base("backends", "Target"))


@pytest.mark.parametrize(("name", "factory"), UNIVERSE.all_passes.items(), ids=UNIVERSE.all_passes)
def test_pass_has_the_name_it_is_registered_by(name: str, factory):
    cls = factory()
    assert issubclass(cls, ModulePass)
    assert cls.name == name
    assert cls.__doc__, "the reference page is made of docstrings"


@pytest.mark.parametrize(("name", "factory"), UNIVERSE.all_targets.items(), ids=UNIVERSE.all_targets)
def test_target_has_the_name_it_is_registered_by(name: str, factory):
    cls = factory()
    assert issubclass(cls, Target)
    assert cls.name == name
    assert cls.__doc__


@pytest.mark.parametrize(("name", "factory"), UNIVERSE.all_dialects.items(), ids=UNIVERSE.all_dialects)
def test_dialect_has_the_name_it_is_registered_by(name: str, factory):
    dialect = factory()
    assert isinstance(dialect, Dialect)
    assert dialect.name == name
    assert all(op.name.startswith(f"{name}.") for op in dialect.operations)
    assert all(attribute.name.startswith(f"{name}.") for attribute in dialect.attributes)


@pytest.mark.parametrize(("path", "cls", "name"), PASSES, ids=[name for _, _, name in PASSES])
def test_pass_is_registered_and_its_file_has_its_name(path: Path, cls: str, name: str):
    assert name in UNIVERSE.all_passes
    assert UNIVERSE.all_passes[name]().__name__ == cls
    assert path.stem == name.replace("-", "_")


@pytest.mark.parametrize(("path", "cls", "name"), TARGETS, ids=[name for _, _, name in TARGETS])
def test_target_is_registered(path: Path, cls: str, name: str):
    assert name in UNIVERSE.all_targets
    assert UNIVERSE.all_targets[name]().__name__ == cls


def test_every_dialect_folder_is_registered():
    folders = {path.parent.name for path in (ROOT / "dialects").glob("*/__init__.py")}
    assert folders == set(UNIVERSE.all_dialects)


@pytest.mark.parametrize("name", UNIVERSE.all_passes)
def test_pass_has_a_filecheck_test(name: str):
    assert (FILECHECK / "passes" / f"{name}.mlir").exists()


@pytest.mark.parametrize("name", UNIVERSE.all_dialects)
def test_dialect_has_a_filecheck_test(name: str):
    assert list((FILECHECK / "dialects").glob(f"{name}*.mlir"))


def test_no_name_is_taken_from_xdsl():
    for kind in ("all_dialects", "all_passes", "all_targets"):
        assert not getattr(UNIVERSE, kind).keys() & getattr(XDSL_UNIVERSE, kind).keys()


def test_universe_imports_nothing_heavy():
    """Every `xdsl-opt` of the environment pays for what this module imports."""
    script = (
        "import sys; import xdsl.xdsl_opt_main; before = set(sys.modules); import pimlir.universe;"
        "print(sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert ast.literal_eval(loaded) == ["pimlir", "pimlir.universe"]


def test_the_real_tool_sees_everything():
    """The factories must be functions that return the class, found through the installed entry point."""
    command = [sys.executable, "-m", "xdsl.tools.xdsl_opt", "--help"]
    listed = "".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    for name in (*UNIVERSE.all_passes, *UNIVERSE.all_targets):
        assert name in listed
