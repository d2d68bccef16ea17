"""The collector of RUN lines in `conftest.py`: what passes, what fails, and what a failure says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    "passes.mlir": """\
// RUN: xdsl-opt %s -p canonicalize \\
// RUN:   --split-input-file | filecheck %s
// RUN: xdsl-opt %s --split-input-file --print-op-generic | xdsl-opt --split-input-file | filecheck %s --check-prefix=AGAIN
func.func @f() { func.return }
// CHECK: func.func @f
// AGAIN: func.func @f
// -----
func.func @g() { func.return }
// CHECK: func.func @g
""",
    "diagnostics.mlir": """\
// RUN: xdsl-opt %s --verify-diagnostics | filecheck %s
// RUN: not xdsl-opt %s 2>&1 | filecheck %s
// RUN: xdsl-opt %s --disable-verify
%c = arith.constant 1 : i32
"func.return"(%c) : (i32) -> ()
// CHECK: func.return
""",
    "no_match.mlir": "// RUN: xdsl-opt %s | filecheck %s\nfunc.func @f() { func.return }\n// CHECK: func.func @g\n",
    "must_fail.mlir": "// RUN: not xdsl-opt %s\nfunc.func @f() { func.return }\n",
    "bad_flag.mlir": "// RUN: xdsl-opt %s --no-such-flag\n",
    "bad_input.mlir": "// RUN: xdsl-opt %s\nnonsense\n",
    "bad_command.mlir": "// RUN: mlir-opt %s\n",
    "plain.mlir": "func.func @f() { func.return }\n",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of one pytest run over all FILES."""
    folder: Path = tmp_path_factory.mktemp("run_lines")
    shutil.copy(Path(__file__).parent / "conftest.py", folder)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-c", "pytest.ini", "--rootdir=.", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    "item",
    ["passes.mlir::line1", "passes.mlir::line3", *(f"diagnostics.mlir::line{n}" for n in (1, 2, 3))],
)
def test_right_lines_pass(report: str, item: str):
    assert f"PASSED {item}\n" in report


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("no_match.mlir", "no_match.mlir:3: error: Couldn't match"),
        ("must_fail.mlir", "xdsl-opt was expected to fail"),
        ("bad_flag.mlir", "xdsl-opt refused its arguments"),
        ("bad_input.mlir", "nonsense"),
        ("bad_command.mlir", "this collector cannot run: mlir-opt"),
    ],
)
def test_wrong_lines_fail_with_a_reason(report: str, item: str, message: str):
    assert f"FAILED {item}::line1" in report
    assert message in report


def test_files_without_run_lines_are_no_tests(report: str):
    assert "plain.mlir" not in report
    assert "5 failed, 5 passed" in report
