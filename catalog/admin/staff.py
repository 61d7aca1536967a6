"""Who did something, as colleagues call them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.http import HttpRequest

from accounts.models import User


def actor(request: HttpRequest) -> str:
    """Answer how services know whoever sends this request."""
    return f"user:{request.user.pk}"


def names(actors: Iterable[str]) -> dict[str, str]:
    """Answer for each actor the address of a member of staff, or else the actor itself: provider:acme."""
    asked = set(actors)
    ids = {}
    for one in asked:
        kind, _, value = one.partition(":")
        try:
            ids[UUID(value)] = one
        except ValueError:
            continue
        if kind != "user":
            del ids[UUID(value)]
    found = {ids[pk]: email for pk, email in User.objects.filter(pk__in=ids).values_list("pk", "email")}
    return {one: found.get(one, one) for one in asked}
