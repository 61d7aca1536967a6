"""Words that are translated when they are shown."""

from __future__ import annotations

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
