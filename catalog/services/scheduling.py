"""What is to be published or withdrawn later. Beat asks every minute; a lost minute makes it a minute late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_noop as N_

from catalog.models import ScheduledAct
from catalog.models.editorial import CALLED_OFF
from catalog.services import publication, titles
from core.errors import DomainError

logger = structlog.get_logger(__name__)

RETRIED = timedelta(minutes=1)
"""What went wrong is tried again after this long, after twice as long the next time, and so on."""
LONGEST_WAIT = timedelta(hours=1)

DISTURBED = N_(
    "Something went wrong, and the log says what. It is tried again by itself; call it off if it should not be."
)
"""The outcome of an act that has not been done yet."""
OVERTAKEN = N_("It could not be done in time, and the turn of what was planned for later has come since.")
"""Why an act is refused that went wrong until then."""

_ACTS: dict[str, Callable[..., object]] = {
    ScheduledAct.Action.PUBLISH: publication.publish,
    ScheduledAct.Action.WITHDRAW: publication.withdraw,
}


class AlreadyScheduled(DomainError):
    code = "already_scheduled"
    title = "This is planned already; call that off first."


class InThePast(DomainError):
    code = "in_the_past"
    title = "This instant has passed: choose a later one, or do it now."
    status = 422


class NotPlanned(DomainError):
    code = "not_planned"
    title = "This is not planned, or no longer."
    status = 404


def plan(*, title_id: UUID, action: str, at: datetime, by: str, now: datetime, reason: str = "") -> ScheduledAct:
    """Have a title published, or withdrawn, at an instant. Raises TitleUnknown, TitleMerged, InThePast, AlreadyScheduled."""
    if at <= now:
        raise InThePast
    with transaction.atomic():
        title = titles.changeable(title_id)
        try:
            with transaction.atomic():
                return ScheduledAct.objects.create(
                    title=title, action=action, at=at, by=by, reason=reason[:500], created_at=now
                )
        except IntegrityError as error:
            if "scheduled_once" not in str(error):
                raise
            raise AlreadyScheduled from None


def call_off(*, act_id: int, by: str, now: datetime) -> None:
    """Drop a plan. Raises NotPlanned, also when it was carried out a moment ago."""
    dropped = ScheduledAct.objects.pending().filter(pk=act_id)
    if not _settle(dropped, ScheduledAct.State.CANCELLED, f"{CALLED_OFF}{by}", now):
        raise NotPlanned


def carry_out_due(*, now: datetime) -> int:
    """Do everything that is due, oldest first, each in a transaction of its own; answer how many were done.

    What cannot be done is refused with its reason, and is not tried again. What goes wrong otherwise stops no other: it
    says so, and is tried again until it is done, called off, or overtaken by a later act. Two at once share the work.
    """
    done = 0
    for act_id in list(ScheduledAct.objects.due(now).values_list("pk", flat=True)):
        try:
            done += _carry_out(act_id, now)
        except Exception:
            logger.exception("plan_disturbed", act_id=act_id)
            _try_again(act_id, now)
    return done


def _carry_out(act_id: int, now: datetime) -> bool:
    with transaction.atomic():
        planned = ScheduledAct.objects.pending().filter(pk=act_id).first()
        if planned is None:
            return False
        # Its title first, as everybody does: of one title, an act waits for the one before it.
        titles.locked(planned.title_id)
        act = ScheduledAct.objects.pending().select_for_update(of=("self",), skip_locked=True).filter(pk=act_id).first()
        if act is None:
            return False
        state, outcome = ScheduledAct.State.DONE, ""
        try:
            with transaction.atomic():
                _ACTS[act.action](title_id=act.title_id, by=act.by, now=now, reason=act.reason or "As planned")
        except DomainError as error:
            state, outcome = ScheduledAct.State.REFUSED, str(error)
        _settle(ScheduledAct.objects.filter(pk=act_id), state, outcome, now)
        # What went wrong before it must not undo it later.
        earlier = ScheduledAct.objects.pending().filter(title=act.title_id, at__lt=act.at)
        _settle(earlier, ScheduledAct.State.REFUSED, OVERTAKEN, now)
        return state == ScheduledAct.State.DONE


def _try_again(act_id: int, now: datetime) -> None:
    with transaction.atomic():
        act = ScheduledAct.objects.pending().select_for_update(of=("self",)).filter(pk=act_id).first()
        if act is not None:
            act.retry_at = now + min(RETRIED * 2 ** min(act.attempts, 10), LONGEST_WAIT)
            act.attempts, act.outcome = act.attempts + 1, DISTURBED
            act.save(update_fields=["attempts", "retry_at", "outcome"])


def _settle(acts: QuerySet[ScheduledAct], state: ScheduledAct.State, outcome: str, now: datetime) -> int:
    return acts.update(state=state, outcome=outcome[:500], settled_at=now)
