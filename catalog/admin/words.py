"""Words that are translated when they are shown."""

from __future__ import annotations

from typing import cast

from django.utils import translation


def gettext_lazy(text: str) -> str:
    """Answer Django's own, as the plain text that the stubs of unfold and Django ask for."""
    return cast("str", translation.gettext_lazy(text))
