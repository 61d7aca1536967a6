"""What is public: publishing and withdrawing, each with its line in the log."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from catalog.events import TitlePublished, TitleWithdrawn
from catalog.models import Provider, PublicationEntry, SourceRecord, Title
from catalog.models.titles import State
from catalog.services import titles
from core import outbox
from core.errors import DomainError

BATCH = 1000


class AlreadyPublished(DomainError):
    code = "already_published"
    title = "The title is public already."


class AlreadyWithdrawn(DomainError):
    code = "already_withdrawn"
    title = "The title is withdrawn already."


class NameMissing(DomainError):
    code = "name_missing"
    title = "A title without a name cannot be published."
    status = 422


def publish(*, title_id: UUID, by: str, now: datetime, reason: str = "") -> Title:
    """Make a title public. Where and when it can be seen, its licences say.

    Raises TitleUnknown, AlreadyPublished, TitleMerged; NameMissing for a title that stands alone and has no name.
    """
    with transaction.atomic():
        # Of what was merged, an episode would be shown twice: it has the licences of its series.
        title = titles.changeable(title_id)
        if title.state == State.PUBLISHED:
            raise AlreadyPublished(f"{title} is public already.")
        if title.parent_id is None and not title.original_title and not title.texts.exclude(name="").exists():
            raise NameMissing("Give the title a name in at least one language, then publish it.")
        _publish(title, by=by, now=now, reason=reason)
    return title


def withdraw(*, title_id: UUID, by: str, now: datetime, reason: str = "") -> Title:
    """Take a title back: nobody finds or plays it any more. Raises TitleUnknown, AlreadyWithdrawn, TitleMerged."""
    with transaction.atomic():
        title = titles.changeable(title_id)
        if title.state == State.WITHDRAWN:
            raise AlreadyWithdrawn(f"{title} is withdrawn already.")
        title.state, title.withdrawn_at = State.WITHDRAWN, now
        _log(title, PublicationEntry.Action.WITHDRAWN, by=by, now=now, reason=reason)
        outbox.publish(TitleWithdrawn(str(title.pk), title.revision), aggregate=f"title:{title.pk}", now=now)
    return title


def publish_drafts_of(*, provider: Provider, by: str, now: datetime) -> int:
    """Publish every draft that a provider has delivered, as after a change of its policy; answer how many."""
    number = 0
    while True:
        with transaction.atomic():
            drafts = SourceRecord.objects.filter(provider=provider, retired_at__isnull=True).values("title")
            batch = list(Title.objects.filter(pk__in=drafts, state=State.DRAFT).locked()[:BATCH])
            for title in batch:
                _publish(title, by=by, now=now, reason="")
        number += len(batch)
        if len(batch) < BATCH:
            return number


def _publish(title: Title, *, by: str, now: datetime, reason: str) -> None:
    title.state, title.published_at, title.withdrawn_at = State.PUBLISHED, now, None
    _log(title, PublicationEntry.Action.PUBLISHED, by=by, now=now, reason=reason)
    outbox.publish(TitlePublished(str(title.pk), title.revision), aggregate=f"title:{title.pk}", now=now)


def _log(title: Title, action: PublicationEntry.Action, *, by: str, now: datetime, reason: str) -> None:
    title.revision += 1
    title.updated_at = now
    title.save(update_fields=["state", "published_at", "withdrawn_at", "revision", "updated_at"])
    titles.touch_wholes(title, now=now)
    PublicationEntry.objects.create(
        title=title, action=action, at=now, by=by, revision=title.revision, reason=reason[:500]
    )
