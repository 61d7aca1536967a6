"""What a run tells of each subscription that it handled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.gateway import ChargeOutcome
from billing.models import Subscription
from billing.services.invoicing import Charge
from billing.services.renewals.deciding import Decision
from billing.services.renewals.facts import Facts


@dataclass(frozen=True)
class Handled:
    """What was done, or would be done, about one due subscription.

    `outcome` is the charge's (`succeeded`, `declined` and so on), or what was done without a charge
    (`hold`, `canceled`, `uncollectible`, `wait`, `skip`, `parked`), or `due` in a preview; `reason` says more.
    """

    subscription_id: UUID
    account_id: UUID
    period_start: datetime | None
    period_end: datetime | None
    amount: int
    currency: str
    outcome: str
    reason: str = ""


def charged(charge: Charge, outcome: ChargeOutcome) -> Handled:
    """Tell of a charge and of what came of it."""
    return Handled(
        subscription_id=charge.subscription.pk,
        account_id=charge.subscription.account_id,
        period_start=charge.start,
        period_end=charge.end,
        amount=charge.price.amount,
        currency=charge.price.currency,
        outcome=outcome.kind,
        reason=outcome.code,
    )


def entry(subscription: Subscription, facts: Facts, decision: Decision, outcome: str) -> Handled:
    """Tell of a decision."""
    price = facts.prices[subscription.price_id]
    charged = decision.action in {"bill", "retry"}
    return Handled(
        subscription_id=subscription.pk,
        account_id=subscription.account_id,
        period_start=decision.start,
        period_end=decision.end,
        amount=price.amount if charged else 0,
        currency=price.currency,
        outcome=outcome,
        reason=decision.reason,
    )
