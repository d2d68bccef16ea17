"""The page of all passes with their options."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import get_type_hints

from xdsl.passes import ModulePass

from .text import first_sentence, markdown, table, text_of, type_text

_INTRODUCTION = """# Passes

All passes run under plain `xdsl-opt`, alone or in a pipeline: `xdsl-opt model.mlir -p 'llm-specialize{phase=decode
batch=4},verify-llm'`. Options stand in braces, separated by spaces; elements of a list are separated by commas; text that is
no plain word is quoted."""


def page(passes: list[type[ModulePass]]) -> str:
    """The page, passes in the order of the folders that hold them."""
    folders: dict[str, list[type[ModulePass]]] = {}
    for pass_ in sorted(passes, key=lambda pass_: pass_.name):
        folders.setdefault(pass_.__module__.split(".")[-2], []).append(pass_)
    rows = [
        (f"[`{pass_.name}`](#{pass_.name})", folder, first_sentence(text_of(pass_)))
        for folder, members in sorted(folders.items())
        for pass_ in members
    ]
    parts = [_INTRODUCTION, table(("pass", "folder", "summary"), rows)]
    for folder, members in sorted(folders.items()):
        parts.append(f"## {folder}")
        parts += [_pass(pass_) for pass_ in members]
    return "\n\n".join([*parts, ""])


def _pass(pass_: type[ModulePass]) -> str:
    parts = [f"### {pass_.name}", markdown(text_of(pass_))]
    rows = list(_options(pass_))
    if rows:
        parts.append(table(("option", "type", "default"), rows))
    return "\n\n".join(parts)


def _options(pass_: type[ModulePass]) -> Iterator[tuple[str, str, str]]:
    hints = get_type_hints(pass_)
    for field in fields(pass_):
        yield f"`{field.name.replace('_', '-')}`", type_text(hints[field.name]), _default_text(field)


def _default_text(field: Field) -> str:
    if field.default is MISSING:
        return "required" if field.default_factory is MISSING else f"`{field.default_factory()!r}`"
    if field.default is None:
        return ""
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if isinstance(field.default, tuple):
        return f"`{','.join(str(item) for item in field.default)}`" if field.default else ""
    return f"`{field.default}`"
