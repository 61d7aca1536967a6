"""Where the boundaries of a subscription are counted from, and the record of what was done to it."""

from __future__ import annotations

from datetime import datetime

from billing import rules
from billing.models import Subscription, SubscriptionTransition
from billing.services import records


def restart(subscription: Subscription, anchor: rules.Anchor) -> None:
    """Begin a new cycle of a locked subscription at `anchor`, in the caller's transaction.

    Its periods are counted from 0 again; coupons and introductory prices count on.
    """
    subscription.periods_before = subscription.ordinal
    subscription.cycle += 1
    subscription.period_index = 0
    subscription.anchor_date, subscription.anchor_time = anchor.date, anchor.time
    records.save(subscription, ["periods_before", "cycle", "period_index", "anchor_date", "anchor_time"])


def note(subscription: Subscription, reason: str, *, by: str, now: datetime) -> SubscriptionTransition:
    """Answer the unsaved record of who did what to a subscription whose status does not change."""
    return SubscriptionTransition(
        subscription=subscription,
        from_status=subscription.status,
        to_status=subscription.status,
        at=now,
        by=by,
        reason=reason[:100],
    )
