"""Looking at the places that are due."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.utils.translation import gettext_noop as N_

from catalog.models import ArrivingFile, FeedSource
from catalog.services.sources.addresses import fetch
from catalog.services.sources.folders import watch
from catalog.services.sources.taking import looked_at
from core.errors import DomainError

logger = structlog.get_logger(__name__)

WORRYING = 3
"""So many failures in a row are an error in the log, which alerts somebody."""
NOTHING_NEW = N_("Nothing new")
OUTCOMES = (
    NOTHING_NEW, N_("%(taken)s taken"), N_("%(taken)s taken; %(arriving)s still arriving"), N_("Nothing new; %(arriving)s still arriving"),
)  # fmt: skip
"""What a look has come to that did not fail."""


def claim_due(*, now: datetime) -> list[int]:
    """Answer the sources to look at now, and plan their next look; two at once claim each once."""
    with transaction.atomic():
        due = list(FeedSource.objects.due(now).select_for_update(of=("self",), skip_locked=True))
        for source in due:
            source.next_check_at = now + timedelta(minutes=source.every_minutes)
        FeedSource.objects.bulk_update(due, ["next_check_at"])
    return [source.pk for source in due]


def check(*, source_id: int, by: str, now: datetime) -> list[UUID]:
    """Look at a source and take what is new; answer the runs to begin, oldest delivery first.

    What went wrong stands in the source's `outcome`; the next look tries again. A source that is gone has nothing.
    """
    source = FeedSource.objects.select_related("provider").filter(pk=source_id).first()
    if source is None:
        return []
    look = fetch if source.kind == FeedSource.Kind.ADDRESS else watch
    runs: list[UUID] = []
    try:
        for run_id in look(source, by, now):
            runs.append(run_id)  # noqa: PERF402 - what was taken before a failure counts
    except DomainError as error:
        _note(source, str(error), now=now, failed=True)
    else:
        _note(source, _told(len(runs), ArrivingFile.objects.filter(source=source).count()), now=now, failed=False)
    return runs


def _told(taken: int, arriving: int) -> str:
    """Answer what a look has found, in one of OUTCOMES."""
    found = f"{taken} taken" if taken else NOTHING_NEW
    return f"{found}; {arriving} still arriving" if arriving else found


def _note(source: FeedSource, outcome: str, *, now: datetime, failed: bool) -> None:
    source.failures = source.failures + 1 if failed else 0
    rows = FeedSource.objects.filter(pk=source.pk)
    rows.update(outcome=outcome[:500], checked_at=now, failures=source.failures)
    # Where somebody has changed meanwhile what is looked at, nothing of it was taken yet.
    rows.filter(**looked_at(source)).update(etag=source.etag, last_modified=source.last_modified, digest=source.digest)
    if source.failures == WORRYING:
        logger.error("feed_source_fails", source_id=source.pk, provider=source.provider.code)
