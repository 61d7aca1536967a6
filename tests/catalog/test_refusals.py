"""What services refuse is told in the language of who reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import translation

from catalog import refusals
from core import outbound

UNREAD = {"LeaseLost", "ProgramFailed", "ProgramMissing", "CommandError", "SourceRefused"}
"""What no page shows as it is raised: of workers and commands, or told by `problems`."""
BUGS = {"ValueError", "OSError", "FileExistsError", "TypeError"}
FILLED_IN = "7"


def _said(node: ast.expr) -> Iterator[str]:
    """Yield what a piece of source says, with 7 for whatever it fills in."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in node.values)


def said_by_services() -> set[str]:
    """Answer every sentence with which something in the catalogue, or what fetches for it, refuses, beside the titles of errors."""
    said = {"Something outside the image went wrong; the log says what."}
    root = Path(apps.get_app_config("catalog").path)
    beside = ("migrations", "api", "ingestion")
    own = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in beside]
    for path in (*own, Path(outbound.__file__)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                name = ast.unparse(node.exc.func).split(".")[-1]
                if name not in UNREAD | BUGS and not name.endswith("ValidationError"):
                    said |= set(_said(node.exc.args[0]))
    return said


SAID = sorted(said_by_services())


class TestInWords:
    def test_is_tested_with_all_that_services_say(self) -> None:
        assert len(SAID) >= 65
        assert len(set(refusals.REFUSALS)) == len(refusals.REFUSALS)

    @pytest.mark.parametrize("said", SAID)
    def test_is_what_was_said_and_has_a_translation(self, said: str) -> None:
        with translation.override("en"):
            assert refusals.in_words(said) == said
        with translation.override("de"):
            german = refusals.in_words(said)
        assert german != said
        assert german.count(FILLED_IN) == said.count(FILLED_IN)

    @pytest.mark.parametrize("sentence", refusals.REFUSALS)
    def test_has_a_translation_that_names_the_same(self, sentence: str) -> None:
        with translation.override("de"):
            german = translation.gettext(sentence)
        assert german != sentence
        assert sorted(re.findall(r"%\(\w+\)s", german)) == sorted(re.findall(r"%\(\w+\)s", sentence))

    def test_looks_titles_of_errors_up_and_leaves_what_nobody_knows(self) -> None:
        with translation.override("de"):
            assert refusals.in_words("The title is public already.") == "Der Titel ist schon öffentlich."
            assert refusals.in_words("Whatever.") == "Whatever."
            assert refusals.in_words("") == ""

    def test_keeps_what_is_particular_to_the_case(self) -> None:
        with translation.override("de"):
            assert refusals.in_words("Häxan is public already.") == "Häxan ist schon öffentlich."
            told = refusals.in_words("anna@example.org has kept this title since 2026-01-02 03:04 UTC: Dubbing. Ask them to release it, or let somebody who may publish break the lock.")  # fmt: skip
            assert told.startswith("anna@example.org hält diesen Titel fest seit 2026-01-02 03:04 UTC: Dubbing. Bitten")
