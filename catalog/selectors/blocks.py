"""What is blocked for a profile, as its household reads it."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts.selectors import profiles_of
from accounts.services.pins import ProfileNotFound
from catalog.models import ProfileBlock


def of_profile(account_id: UUID, profile_id: UUID) -> QuerySet[ProfileBlock]:
    """Answer what is blocked for a profile of an account, with what names it. Raises ProfileNotFound."""
    if not profiles_of(account_id).filter(pk=profile_id).exists():
        raise ProfileNotFound
    blocks = ProfileBlock.objects.of_profile(profile_id)
    return blocks.select_related("title", "genre", "keyword").prefetch_related("title__texts")
