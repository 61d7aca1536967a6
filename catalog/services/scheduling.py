"""What is to be published or withdrawn later. Beat asks every minute; a lost minute makes it a minute late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from catalog.models import ScheduledAct
from catalog.services import publication, titles
from core.errors import DomainError

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
    """Have a title published, or withdrawn, at an instant. Raises TitleUnknown, InThePast, AlreadyScheduled."""
    if at <= now:
        raise InThePast
    with transaction.atomic():
        title = titles.locked(title_id)
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
    if not dropped.update(state=ScheduledAct.State.CANCELLED, settled_at=now, outcome=f"Called off by {by}"):
        raise NotPlanned


def carry_out_due(*, now: datetime) -> int:
    """Do everything that is due, oldest first, each in a transaction of its own; answer how many were done.

    What cannot be done is refused with its reason, and is not tried again. Two at once share the work.
    """
    done = 0
    for act_id in list(ScheduledAct.objects.due(now).values_list("pk", flat=True)):
        done += _carry_out(act_id, now)
    return done


def _carry_out(act_id: int, now: datetime) -> bool:
    with transaction.atomic():
        act = ScheduledAct.objects.pending().select_for_update(of=("self",), skip_locked=True).filter(pk=act_id).first()
        if act is None:
            return False
        act.state = ScheduledAct.State.DONE
        try:
            with transaction.atomic():
                _ACTS[act.action](title_id=act.title_id, by=act.by, now=now, reason=act.reason or "As planned")
        except DomainError as error:
            act.state, act.outcome = ScheduledAct.State.REFUSED, str(error)[:500]
        act.settled_at = now
        act.save(update_fields=["state", "outcome", "settled_at"])
        return act.state == ScheduledAct.State.DONE
