"""Blocks of lines read at once: the same as line by line, whatever stands in them."""

import random

import numpy as np
import pytest

from pimlir.sim.traces import aim, attacc, text
from pimlir.sim.traces.scan import Names, Words


def test_words_of_lines():
    words = Words(b"  LD 0x10\n\n# a comment\r\n\tST,7 , 8\r\nlast", ",")
    assert words.count.tolist() == [2, 3, 1]
    assert words.line.tolist() == [0, 3, 4]
    assert words.names(words.first, Names(["ST", "LD", "LAST"])).tolist() == [1, 0, -1]


@pytest.mark.parametrize("block", [b"", b"\n", b"   ", b"# nothing\n"])
def test_blocks_without_words(block):
    words = Words(block, "")
    assert words.first.tolist() == [] and words.count.tolist() == []


def test_names_are_whole_words_of_up_to_15_characters():
    known = ["PIM_SET_MODEL", "FIFTEEN_LETTERS", "FIFTEEN_LETTER"]
    words = Words(b"PIM_SET_MODE PIM_SET_MODEL PIM_SET_MODEL\0 FIFTEEN_LETTERS FIFTEEN_LETTER FIFTEEN_LETTERS_", "")
    assert words.names(np.arange(6), Names(known)).tolist() == [-1, 0, -1, 1, 2, -1]


@pytest.mark.parametrize("number", ["0", "7", "0x7F", "0Xabc", "999999999999999999", "0xfffffffffffffff", "0x0"])
def test_numbers_are_those_of_python(number):
    value, valid = Words(number.encode(), "").numbers(np.array([0]))
    assert valid[0] and value[0] == int(number, 0)


@pytest.mark.parametrize(
    "number", ["-1", "+1", "1_0", "0x", "ff", "0xg", "9999999999999999999", "0x1234567890abcdef", "1.0", "é"]
)
def test_other_numbers_are_left_to_python(number):
    _, valid = Words(number.encode(), "").numbers(np.array([0]))
    assert not valid[0]


def parsed(case, text_, monkeypatch, by_line=False, block_bytes=1 << 20):
    """The instructions, or the message that they are wrong."""
    with monkeypatch.context() as patch:
        if by_line:
            for parser in (aim._Parser, attacc._Parser):
                patch.setattr(parser, "lines", parser._one_by_one)
        patch.setattr(text, "BLOCK_BYTES", block_bytes)
        try:
            return case.controller.parse(text_).tolist()
        except text.TraceError as error:
            return str(error)


def test_a_block_is_read_as_its_lines_are(case, monkeypatch):
    for text_ in case.texts[:3]:
        assert parsed(case, text_, monkeypatch) == parsed(case, text_, monkeypatch, by_line=True)


def test_a_broken_line_is_found_in_a_block(case, monkeypatch):
    """One character of a trace is changed: the result is the same, or the same message with the same place."""
    random_, alphabet = random.Random(1), "0x9 -_#Z\n\x00,é"
    for _ in range(60):
        text_ = random_.choice(case.texts)
        place = random_.randrange(len(text_))
        broken = text_[:place] + random_.choice(alphabet) + text_[place + 1 :]
        assert parsed(case, broken, monkeypatch) == parsed(case, broken, monkeypatch, by_line=True)


def test_files_are_read_in_blocks_of_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "a.trace"
    lines = [f"LD {number}\n" for number in range(1000)]
    path.write_text("".join(lines)[:-1])
    monkeypatch.setattr(text, "BLOCK_BYTES", 64)
    blocks = list(text.read_blocks(path))
    assert b"".join(blocks) == path.read_bytes()
    assert len(blocks) > 50 and all(block.endswith(b"\n") for block in blocks[:-1])


def test_numbers_of_lines_go_on_over_blocks(case, tmp_path, monkeypatch):
    from pimlir.sim.traces.formats import run_file

    controller, path = case.controller, tmp_path / "a.trace"
    head = case.texts[0].removesuffix("AiM EOC").rstrip("\n") + "\n"
    path.write_text(head * 3 + "NONSENSE\n" + head)
    monkeypatch.setattr(text, "BLOCK_BYTES", 512)
    with pytest.raises(text.TraceError, match=rf"a.trace:{3 * head.count(chr(10)) + 1}: unknown request 'NONSENSE'"):
        run_file(path, controller.format, controller.machine, controller.tables)
