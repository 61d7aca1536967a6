"""What workers say in English is told in the language of who reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
from django.utils import translation

import catalog
from catalog import problems
from catalog.ingestion import reader
from catalog.ingestion.readers import jsonl
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
UNREADABLE = sorted(
    {
        sentence
        for path in (Path(str(catalog.__file__)).parent / "ingestion").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "UnreadableDelivery"
        for sentence in _said(call.args[0])
    }
    - {"The file is 7, and deliver that, or choose the right format."}
    | {f"The file is {said}, and deliver that, or choose the right format." for said in reader._FOREIGN.values()}
)


class TestToldInWords:
    def test_is_tested_with_all_that_packaging_says(self) -> None:
        assert (len(SAID), len(UNREADABLE)) == (19, 29)

    @pytest.mark.parametrize("said", [*SAID, *UNREADABLE])
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


_CODE_AT = {
    "add": 2, "error": 1, "warning": 1, "info": 1, "reject": 2, "warn": 2, "_refuse_limit": 2, "_refuse": 1, "Problem": 3,
}  # fmt: skip
"""Which argument of what readers and runs call is the code of a problem."""
_WORD = re.compile(r"[a-z]+(_[a-z0-9]+)*")


def _codes_in(node: ast.expr | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _WORD.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_codes_in(node.body), *_codes_in(node.orelse))
    elif isinstance(node, ast.Tuple) and node.elts:
        yield from _codes_in(node.elts[0])


def _codes_told() -> set[str]:
    """Answer every code of a problem that reading and ingesting a delivery can tell of."""
    root = Path(str(catalog.__file__)).parent
    codes: set[str] = set()
    for path in (*(root / "ingestion").rglob("*.py"), *(root / "services" / "ingestion").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                at = _CODE_AT.get(ast.unparse(node.func).split(".")[-1], len(node.args))
                codes.update(*map(_codes_in, node.args[at : at + 1]))
            elif isinstance(node, ast.Assign) and re.search("fault|code, message", ast.unparse(node.targets[0])):
                parts = node.value.elts if isinstance(node.value, ast.Tuple) else []
                codes.update(
                    _codes_in(node.value), *map(_codes_in, (one for one in parts if isinstance(one, ast.Tuple)))
                )
    return codes | {jsonl._code(kind) for kind in MISSED}


MISSED = (
    "AdditionalProperties", "Constant", "Enum", "Format", "MaxLength", "Maximum", "MinItems", "MinLength", "MinProperties",
    "Minimum", "Not", "OneOfMultipleValid", "OneOfNotValid", "Pattern", "PropertyNames", "Required", "Type", "UniqueItems",
)  # fmt: skip
"""How a record may miss what the feed's schema asks for; each is a code."""
CODES = sorted(_codes_told())


class TestMeaning:
    def test_is_tested_with_all_that_deliveries_are_told(self) -> None:
        assert {"missing", "too_many_absent", "unreadable_ids"} <= set(CODES)
        assert all(hasattr(jsonschema_rs.ValidationErrorKind, kind) for kind in MISSED)
        assert len(CODES) >= 70

    @pytest.mark.parametrize("code", CODES)
    def test_of_each_code_is_a_sentence_in_both_languages(self, code: str) -> None:
        with translation.override("en"):
            english = problems.meaning(code)
        with translation.override("de"):
            german = problems.meaning(code)
        assert english != code
        assert german not in {code, english}
        assert english.endswith(".")
        assert german.endswith(".")
