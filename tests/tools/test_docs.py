"""The generator of reference pages: docstrings become Markdown, and stale pages are named."""

from pathlib import Path
from typing import Annotated, Literal

import pytest

from pimlir.tools.docs.__main__ import NOTE, main, pages, stale
from pimlir.tools.docs.text import examples, first_sentence, markdown, table, text_of, type_text

DOCSTRING = """Adds two tensors: element by element.

A list:

- one
    continued

Example:

    %c = llm.add %a, %b : tensor<4xf32>

    %d = llm.add %c, %b : tensor<4xf32>

More text. Example: `!llm.seqs`
"""


def test_indented_blocks_are_fenced():
    text = markdown(DOCSTRING)
    assert "Example:\n\n```mlir\n%c = llm.add %a, %b : tensor<4xf32>\n\n%d = llm" in text
    assert "tensor<4xf32>\n```\n\nMore text." in text
    assert text.count("```") == 2


def test_examples_are_found():
    block, inline = examples(DOCSTRING)
    assert block.splitlines()[0] == "%c = llm.add %a, %b : tensor<4xf32>"
    assert inline == "!llm.seqs"


def test_only_blocks_after_example_are_examples():
    assert examples("Before:\n\n    llm.add\n\nAfter:\n\n    llm.mul") == []


def test_docstring_loses_its_indentation():
    assert text_of(type("A", (), {"__doc__": "One.\n\n    Two.\n    "})) == "One.\n\nTwo."


def test_first_sentence():
    assert first_sentence("Adds two\ntensors. Then more.\n\nEven more.") == "Adds two tensors"


def test_table_cells_may_hold_bars():
    assert table(("a",), [("x | y",)]).splitlines()[-1] == "| x \\| y |"


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "integer"),
        (str | None, "text"),
        (Literal["f16", "f32"], "`f16`, `f32`"),
        (tuple[int, ...], "list of integer"),
        (dict[str, Annotated[float, "at least 0"]], "table of number"),
    ],
)
def test_types_read_as_users_write_values(hint: object, text: str):
    assert type_text(hint) == text


def test_every_page_of_the_index_is_made():
    index = (Path(__file__).parents[2] / "docs/index.md").read_text()
    for name in pages():
        assert f"(reference/{name})" in index


def test_stale_pages_are_named(tmp_path: Path):
    (tmp_path / "same.md").write_text("1")
    (tmp_path / "changed.md").write_text("1")
    (tmp_path / "old.md").write_text(NOTE + "1")
    (tmp_path / "by_hand.md").write_text("1")
    assert stale(tmp_path, {"same.md": "1", "changed.md": "2", "new.md": "3"}) == ["changed.md", "new.md", "old.md"]


def test_pages_are_current_after_writing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "reference"
    assert main(["--check", "--folder", str(folder)]) == 1
    assert "passes.md is not current: run `make docs`" in capsys.readouterr().err
    assert not folder.exists()
    assert main(["--folder", str(folder)]) == 0
    assert main(["--check", "--folder", str(folder)]) == 0
