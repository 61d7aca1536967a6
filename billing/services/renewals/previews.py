"""What a run would do, changing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing import rules
from billing.models import Subscription
from billing.services.renewals.deciding import decide
from billing.services.renewals.facts import Facts
from billing.services.renewals.reports import Handled, entry


def preview(*, now: datetime, limit: int) -> list[Handled]:
    """Answer what a run at `now` would begin with, changing nothing."""
    facts = Facts(list(Subscription.objects.due(now)[:limit]), now=now)
    handled = []
    for subscription in facts.subscriptions:
        decision = decide(subscription, facts, now=now)
        outcome = {"bill": "due", "retry": "due"}.get(decision.action, decision.action)
        handled.append(entry(subscription, facts, decision, outcome))
    return handled


@dataclass(frozen=True)
class CatchUp:
    """What a catch-up does about one stretch of one subscription's time; a period to bill has its day and amount."""

    subscription_id: UUID
    action: rules.CatchUp
    start: datetime
    end: datetime
    charged_at: datetime | None
    amount: int
    currency: str


def catch_up_report(*, now: datetime, limit: int) -> list[CatchUp]:
    """Answer what billing would do about all that it is late for, oldest subscriptions first, changing nothing.

    At present prices, and if all is paid: one period a day.
    """
    report = []
    facts = Facts(list(Subscription.objects.due(now)[:limit]), now=now)
    for subscription in facts.subscriptions:
        decision = decide(subscription, facts, now=now)
        if decision.action != "bill" or decision.price is None or subscription.paid_through is None:
            continue
        price, days = decision.price, 0
        anchor, index = subscription.anchor(rules.Interval(price.interval)), subscription.period_index
        start = subscription.paid_through
        if decision.restart is not None and decision.forgiven is None:
            # A pause that is over, or another interval: counted anew from there.
            anchor, index, start = decision.restart, 0, decision.start or start
        for step in rules.catch_up(
            anchor=anchor, index=index, start=start, without_service=facts.without_service(subscription), now=now
        ):
            is_billed = step.action is rules.CatchUp.BILL
            report.append(
                CatchUp(
                    subscription.pk,
                    step.action,
                    step.start,
                    step.end,
                    now + timedelta(days=days) if is_billed else None,
                    price.amount_of(subscription.ordinal + days) if is_billed else 0,
                    price.currency,
                )
            )
            days += is_billed
    return report
