"""Titles and tags that a household blocks for one of its profiles.

Blocks are limits like the highest age: the household's master PIN guards them, both ways. Each write locks the account,
then the profile, and gives the profile a new word for what it does not see, under which answers are kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.services import audit, pins, profiles
from accounts.services.audit import Origin
from catalog.models import Genre, Keyword, ProfileBlock, Title
from catalog.selectors.titles import TitleNotFound, current_id
from core.errors import DomainError

MOST = 500
"""Blocks of one profile: each costs every query of theirs."""


class TooManyBlocks(DomainError):
    """The profile has as many blocks as it may."""

    code = "too_many_blocks"
    title = f"A profile has at most {MOST} blocks; lift one first, or block a genre."


class TagNotFound(DomainError):
    """No such genre or keyword."""

    code = "tag_not_found"
    title = "There is no such genre or keyword."
    status = 404


class BlockNotFound(DomainError):
    """The profile has no such block, whether or not another has it."""

    code = "block_not_found"
    title = "This profile has no such block."
    status = 404


def add(
    *,
    account_id: UUID,
    profile_id: UUID,
    kind: str,
    of: str | UUID,
    now: datetime,
    master_pin: str | None = None,
    origin: Origin = audit.NOWHERE,
) -> ProfileBlock:
    """Block a published title (by its id), a genre (by its slug) or a keyword (by its name); what is blocked stays so.

    Raises ProfileNotFound, TitleNotFound, TagNotFound, TooManyBlocks, and of a household with a master PIN what
    `pins.refusal_of` answers.
    """
    with transaction.atomic():
        profile = pins.locked(account_id, profile_id)
        blocks = ProfileBlock.objects.of_profile(profile.pk)
        block = ProfileBlock(profile=profile, created_at=now, **{kind: _thing(kind, of)})
        if (found := blocks.filter(**{kind: getattr(block, kind)}).first()) is not None:
            return found
        if blocks.count() >= MOST:
            raise TooManyBlocks
        refusal = pins.refusal_of(account_id, None, master_pin, origin=origin, now=now)
        if refusal is None:
            block.save(force_insert=True)
            profiles.renew_blocks_version(profile, has_blocks=True)
    if refusal:
        raise refusal
    return block


def remove(
    *,
    account_id: UUID,
    profile_id: UUID,
    block_id: UUID,
    now: datetime,
    master_pin: str | None = None,
    origin: Origin = audit.NOWHERE,
) -> None:
    """Lift a block. Raises ProfileNotFound, BlockNotFound and what `pins.refusal_of` answers of the master PIN."""
    with transaction.atomic():
        profile = pins.locked(account_id, profile_id)
        blocks = ProfileBlock.objects.of_profile(profile.pk)
        if (block := blocks.filter(pk=block_id).first()) is None:
            raise BlockNotFound
        refusal = pins.refusal_of(account_id, None, master_pin, origin=origin, now=now)
        if refusal is None:
            block.delete()
            profiles.renew_blocks_version(profile, has_blocks=blocks.exists())
    if refusal:
        raise refusal


def _thing(kind: str, of: str | UUID) -> Any:
    if kind == "title":
        title = Title.objects.published().filter(pk=current_id(UUID(str(of)))).first()
        if title is None:
            raise TitleNotFound
        return title
    tags = Genre.objects.filter(slug=of) if kind == "genre" else Keyword.objects.filter(name=str(of).lower())
    # A merge takes the blocks of both along: one that is made beside it waits, and is of what the tag means then.
    if (tag := tags.select_for_update(of=("self",), no_key=True).first()) is None:
        raise TagNotFound
    return tag.merged_into or tag
