"""What the catalogue holds about a person: what is blocked for their profiles."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from catalog.models import ProfileBlock
from core.personal_data import Contributor, Stream, Tally


def export(*, account_id: UUID) -> Iterable[Stream]:
    """Answer what is blocked for the profiles of an account."""
    yield Stream(
        "blocks",
        ProfileBlock.objects.filter(profile__account=account_id)
        .order_by("created_at", "pk")
        .values("profile", "title", "title__original_title", "genre__slug", "keyword__name", "created_at"),
    )


def erase(*, account_id: UUID, now: datetime, tally: Tally) -> None:
    """Forget what was blocked for the profiles of an account."""
    with transaction.atomic():
        tally("catalog.ProfileBlock", ProfileBlock.objects.filter(profile__account=account_id).delete()[0])


CONTRIBUTOR = Contributor(name="catalog", export=export, erase=erase, covers=frozenset({"catalog.ProfileBlock"}))
