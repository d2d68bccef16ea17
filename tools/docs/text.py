"""Docstrings as Markdown and the examples in them, types as users write them, tables.

A line that ends with a colon, an empty line and an indented block is an example, as in these; a block ends where the
indentation does. In a type or attribute, `Example:` and a quotation on the same line is one, too.
"""

import inspect
import re
import types
from collections.abc import Iterator
from typing import Annotated, Literal, Union, get_args, get_origin

_INLINE = re.compile(r"Example: `([^`]+)`")


def text_of(definition: object) -> str:
    """The docstring of a class or module without indentation; "" if it has none of its own."""
    return inspect.cleandoc(getattr(definition, "__doc__", None) or "")


def first_sentence(text: str) -> str:
    """The first sentence in one line, for tables."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.:;]) ", paragraph)[0].rstrip(".:;")


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """The text cut into (lines, whether they are an indented block); blocks lose their indentation."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.strip() and inside != _opens_block(line, lines, inside):
            if any(lines):
                yield inspect.cleandoc("\n".join(lines)) if inside else "\n".join(lines).strip(), inside
            lines, inside = [], not inside
        lines.append(line)
    if any(lines):
        yield inspect.cleandoc("\n".join(lines)) if inside else "\n".join(lines).strip(), inside


def _opens_block(line: str, before: list[str], inside: bool) -> bool:
    """Whether the line belongs to an indented block."""
    if not line.startswith("    "):
        return False
    return inside or (len(before) >= 2 and not before[-1].strip() and before[-2].rstrip().endswith(":"))


def examples(text: str) -> list[str]:
    """The code blocks that follow a line `Example:`, and the quotations on such a line."""
    found: list[str] = []
    previous = ""
    for block, is_code in blocks(text):
        if is_code and previous.splitlines()[-1] == "Example:":
            found.append(block)
        previous = block
    return found + [" ".join(quoted.split()) for quoted in _INLINE.findall(text)]


def markdown(text: str) -> str:
    """The text with its indented blocks fenced."""
    return "\n\n".join(f"```mlir\n{block}\n```" if is_code else block for block, is_code in blocks(text))


def table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; `|` inside a cell is escaped."""
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def type_text(hint: object) -> str:
    """The type of an option or of a key of a file."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_text(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (types.UnionType, Union):
        return " or ".join(type_text(argument) for argument in arguments if argument is not types.NoneType)
    if origin in (tuple, list):
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return f"table of {type_text(arguments[1])}"
    return _PLAIN.get(hint, f"`{hint.__name__}`") if isinstance(hint, type) else str(hint)


_PLAIN: dict[type, str] = {str: "text", int: "integer", float: "number", bool: "`true` or `false`"}
