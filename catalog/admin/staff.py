"""Who did something, as colleagues call them."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

from accounts import selectors


def actor(request: HttpRequest) -> str:
    """Answer how services know whoever sends this request."""
    return f"user:{request.user.pk}"


def names(actors: Iterable[str]) -> dict[str, str]:
    """Answer for each actor the address of a member of staff, or else the actor itself: provider:acme."""
    return selectors.names_of(actors)
