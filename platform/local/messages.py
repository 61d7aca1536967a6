"""Finds translatable text, for `pybabel extract` (Django's own way needs GNU gettext)."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from babel.messages.extract import extract_python
from django.utils.translation.template import templatize

Message = tuple[int, str | tuple[str, ...], list[str], str | None]


def extract_source(file: BinaryIO, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Message]:
    """Yield what a module marks for translation, and titles of errors, which the API translates."""
    yield from extract_python(file, keywords, comment_tags, options)
    file.seek(0)
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.ClassDef) and {"code", "title"} <= (said := _texts(node)).keys():
            yield node.lineno, "gettext", [said["title"]], None


def _texts(error: ast.ClassDef) -> dict[str, str]:
    """Answer the attributes of a class that are plain text."""
    return {
        target.id: statement.value.value
        for statement in error.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        and isinstance(
            target := statement.targets[0] if isinstance(statement, ast.Assign) else statement.target, ast.Name
        )
    }


def extract_template(file: BinaryIO, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Message]:
    """Yield what a template marks for translation."""
    source = file.read().decode()
    # What is left of the markup is no Python, and its indentation would have to be.
    code = "\n".join(map(str.strip, templatize(source, origin=getattr(file, "name", None)).split("\n")))
    yield from extract_python(io.BytesIO(code.encode()), keywords, comment_tags, options)
