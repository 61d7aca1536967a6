"""Finds translatable text in templates, for `pybabel extract` (Django's own way needs GNU gettext)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from babel.messages.extract import extract_python
from django.utils.translation.template import templatize


def extract_template(
    file: BinaryIO, keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[int, str | tuple[str, ...], list[str], str | None]]:
    """Yield what a template marks for translation."""
    source = file.read().decode()
    code = templatize(source, origin=getattr(file, "name", None))
    yield from extract_python(io.BytesIO(code.encode()), keywords, comment_tags, options)
