"""What workers say in English is told in the language of who reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from catalog import problems
from catalog.packaging import encoding, planning, probing
from catalog.services.media import execution


def _said(node: ast.expr) -> Iterator[str]:
    """Yield what a piece of source says, with 7 for whatever it fills in."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*_said(node.body), *_said(node.orelse))


def _said_by_packaging() -> list[str]:
    """Answer every reason for which packaging refuses a film, and every note that it makes of one."""
    said: list[str] = []
    for module in (encoding, planning, probing, execution):
        for call in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call):
                match call.func:
                    case ast.Name("SourceRefused") | ast.Attribute(ast.Name("notes"), "append"):
                        said += _said(call.args[-1])
    return said


SAID = _said_by_packaging()


class TestToldInWords:
    def test_is_tested_with_all_that_packaging_says(self) -> None:
        assert len(SAID) == 19

    @pytest.mark.parametrize("said", SAID)
    def test_is_what_was_said_and_has_a_translation(self, said: str) -> None:
        with translation.override("en"):
            assert problems.told_in_words(said) == said
        with translation.override("de"):
            german = problems.told_in_words(said)
        assert german != said
        assert german.count("7") == said.count("7")

    def test_keeps_the_films_own_figures(self) -> None:
        with translation.override("de"):
            told = problems.told_in_words("The film lasts 7.2 hours; 6.0 are the most. Attach it in parts.")
            assert told == "Der Film dauert 7.2 Stunden; 6.0 sind das Höchste. Hängen Sie ihn in Teilen an."
            assert problems.told_in_words("Whatever.") == "Whatever."
