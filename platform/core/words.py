"""Words that are translated when they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import cast

from django.utils import translation


def gettext_lazy(text: str) -> str:
    """Answer Django's own, as the plain text that the stubs of unfold and Django ask for."""
    return cast("str", translation.gettext_lazy(text))


OF_UNFOLD = (
    gettext_lazy("Choose file to upload"),
    gettext_lazy("General"),
    gettext_lazy("Go back"),
    gettext_lazy("No results found"),
    gettext_lazy("Reset filters"),
    gettext_lazy("Select action"),
    gettext_lazy("Select action to run"),
    gettext_lazy("Select all rows"),
    gettext_lazy("Select record"),
    gettext_lazy("Select value"),
    gettext_lazy("This page yielded into no results. Create a new item or reset your filters."),
    gettext_lazy("Type to search"),
)
"""What the admin's looks say and have no translation for: named here, our translations are taken for them."""


def told(said: str, sentences: Iterable[str]) -> str:
    """Answer in the language at hand what was said in English: in one of `sentences`, whose %(details)s stay as they are.

    What is translated as a whole is answered so, and what is not translated at all as it is.
    """
    whole = translation.gettext(said) if said else ""
    if whole != said:
        return whole
    for sentence in sentences:
        if found := _pattern(sentence).fullmatch(said):
            details = found.groupdict()
            return translation.gettext(sentence) % details if details else translation.gettext(sentence)
    return said


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+?)", re.escape(sentence)), re.DOTALL)
