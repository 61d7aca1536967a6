"""Where a subscription stands, what may follow, and what access that gives."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from billing.rules.dunning import GRACE_DAYS


class Status(StrEnum):
    """Where a subscription stands."""

    INCOMPLETE = "incomplete"  # the first payment is not made yet: no access
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"  # a renewal failed, retries go on: access as grace
    ON_HOLD = "on_hold"  # retries ran out: no access until paid
    PAUSED = "paused"
    CANCELED = "canceled"  # ended by the customer, by staff or for non-payment
    ENDED = "ended"  # never began: the first payment was declined or abandoned


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.INCOMPLETE: frozenset({Status.TRIALING, Status.ACTIVE, Status.ENDED}),
    Status.TRIALING: frozenset({Status.ACTIVE, Status.ON_HOLD, Status.PAUSED, Status.CANCELED}),
    Status.ACTIVE: frozenset({Status.PAST_DUE, Status.PAUSED, Status.CANCELED}),
    Status.PAST_DUE: frozenset({Status.ACTIVE, Status.ON_HOLD, Status.CANCELED}),
    Status.ON_HOLD: frozenset({Status.ACTIVE, Status.CANCELED}),
    Status.PAUSED: frozenset({Status.ACTIVE, Status.ON_HOLD, Status.CANCELED}),
    Status.CANCELED: frozenset(),
    Status.ENDED: frozenset(),
}
LIVE = frozenset(status for status, following in TRANSITIONS.items() if following)
"""An account has at most one subscription in these."""

BILLABLE = frozenset({Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.ON_HOLD, Status.PAUSED})
"""What the scheduler looks at."""

CHANGEABLE = BILLABLE - {Status.PAUSED}
"""Where a change of plan that is paid for can still be had."""


def may_become(current: Status, following: Status) -> bool:
    """Answer whether the state machine has this step."""
    return following in TRANSITIONS[current]


PENDING_LIMIT = timedelta(hours=72)


class Access(StrEnum):
    """Why an account may or may not watch."""

    SUBSCRIBED = "subscribed"
    RENEWAL_PENDING = "renewal_pending"  # our charge is late; the viewer is not locked out for it
    GRANTED = "granted"  # given by staff, without payment
    GRACE = "grace"
    ON_HOLD = "on_hold"
    NONE = "none"


def access(
    *,
    status: Status,
    paid_through: datetime | None,
    cancel_at: datetime | None,
    first_failed_at: datetime | None,
    now: datetime,
) -> tuple[Access, datetime | None]:
    """Answer the access a subscription gives now and until when that answer holds at the longest."""
    if cancel_at is not None and cancel_at <= now:
        return Access.NONE, None
    if status is Status.PAST_DUE and first_failed_at is not None:
        until = first_failed_at + timedelta(days=GRACE_DAYS)
        until = min(until, cancel_at) if cancel_at else until
        return (Access.GRACE, until) if now < until else (Access.ON_HOLD, None)
    if status is Status.ON_HOLD:
        return Access.ON_HOLD, None
    if status in {Status.ACTIVE, Status.TRIALING} and paid_through is not None:
        if now < paid_through:
            return Access.SUBSCRIBED, min(paid_through, cancel_at or paid_through)
        pending_until = paid_through + PENDING_LIMIT
        if now < pending_until:
            return Access.RENEWAL_PENDING, min(pending_until, cancel_at or pending_until)
    return Access.NONE, None
