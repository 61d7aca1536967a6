"""accounts.rules: addresses, names, languages."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import rules


class TestCanonicalEmail:
    @pytest.mark.parametrize(
        ("typed", "canonical"),
        [
            ("Ada@Example.COM", "ada@example.com"),
            ("\uff21da@example.com", "ada@example.com"),  # a full-width A
            ("\u212aate@example.com", "kate@example.com"),  # the sign of the kelvin
            ("\ufb01ona@example.com", "fiona@example.com"),  # a ligature
            (" ada@example.com ", "ada@example.com"),
        ],
    )
    def test_is_one_for_all_spellings(self, typed: str, canonical: str) -> None:
        assert rules.canonical_email(typed) == canonical

    @pytest.mark.parametrize(
        "other", ["a.da@example.com", "ada+tv@example.com", "ada@example.org", "\u0430da@example.com"]
    )
    def test_keeps_other_addresses_apart(self, other: str) -> None:
        # Dots, tags, domains, and a Cyrillic a, which only looks alike.
        assert rules.canonical_email(other) != "ada@example.com"

    def test_keeps_sharp_s_apart_from_ss(self) -> None:
        # They are different domains.
        assert rules.canonical_email("a@stra\u00dfe.de") == "a@stra\u00dfe.de"

    @given(st.text())
    def test_stays_as_it_is_when_taken_again(self, text: str) -> None:
        once = rules.canonical_email(text)
        assert rules.canonical_email(once) == once


class TestCleanName:
    @pytest.mark.parametrize(
        ("typed", "shown"),
        [
            ("Ada", "Ada"),
            ("  Ada   Lovelace ", "Ada Lovelace"),
            ("Zoe\u0308", "Zo\u00eb"),
            ("\u5c71\u7530", "\u5c71\u7530"),
            ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),  # an astronaut, joined of two signs
            ("O'Brien; DROP TABLE", "O'Brien; DROP TABLE"),
            ("x" * 40, "x" * 40),
        ],
    )
    def test_accepts_names(self, typed: str, shown: str) -> None:
        assert rules.clean_name(typed) == shown

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            "   ",
            "\u200b",
            "\u00ad\u200d",
            "x" * 41,
            "a\x00b",
            "a\u202eb",
            "\u2066a",
            "\ud800",
            "\ue000",
            "a\x1b[2J",
        ],
    )
    def test_refuses_what_cannot_be_shown(self, typed: str) -> None:
        assert rules.clean_name(typed) is None

    @given(st.text(max_size=60))
    def test_answers_what_it_accepts_itself(self, text: str) -> None:
        name = rules.clean_name(text)
        if name is not None:
            assert rules.clean_name(name) == name
            assert 1 <= len(name) <= rules.NAME_LENGTH
            assert name == unicodedata.normalize("NFC", name)
            assert name.encode()  # can be stored


class TestLanguageTag:
    @pytest.mark.parametrize(
        ("typed", "tag"),
        [("en", "en"), ("de-at", "de-AT"), ("PT-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("yue", "yue")],
    )
    def test_is_spelled_as_usual(self, typed: str, tag: str) -> None:
        assert rules.language_tag(typed) == tag

    @pytest.mark.parametrize("typed", ["", "xx", "german", "e", "en_US", "en-", "-", "../../etc", "\x00"])
    def test_is_none_for_what_is_no_language(self, typed: str) -> None:
        assert rules.language_tag(typed) is None
