"""Another plan or interval within a trial: nothing is charged, the trial's end stays, and the first period is billed by it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from billing import rules
from billing.models import PaymentMethod, Price, Quote, Subscription, Trial
from billing.services import cycles, forecasts, letters, records
from billing.services.letters import Letter
from billing.services.subscriptions import PaymentMethodRequired
from billing.services.trials import TrialUsed
from core.money import Money


def begins_at(subscription: Subscription, price: Price, *, now: datetime) -> datetime | None:
    """Answer when the plan of another price begins that is chosen within a trial; None where that is at once.

    A higher plan does so where what is left of the trial is no longer than its own: nobody tries a plan for longer than it
    can be tried. A lower one leaves what the trial has until its end.
    """
    ends = subscription.paid_through
    own_end = rules.trial_end(now, days=price.trial_days, zone=ZoneInfo(subscription.billing_tz))
    is_lower = price.plan.tier < subscription.price.plan.tier
    return ends if ends is not None and (is_lower or own_end < ends) else None


def change(subscription: Subscription, quote: Quote, *, by: str, now: datetime) -> None:
    """Give a locked trial what was quoted, and confirm it by mail. Raises PaymentMethodRequired, TrialUsed."""
    price = quote.price
    if quote.begins_at is not None:
        subscription.pending_price = None if price.pk == subscription.price_id else price
        records.save(subscription, ["pending_price"])
        reason = f"next_period: {price.plan.code}"
    else:
        _hold_to_card(subscription, price)
        subscription.price, subscription.pending_price = price, None
        records.save(subscription, ["price", "pending_price"])
        reason = "plan_changed"
    cycles.note(subscription, reason, by=by, now=now).save(force_insert=True)
    first = forecasts.first_bill_of(subscription, None, now=now)
    amount = Money(first.amount, first.currency)
    what = {"plan": price.plan.name, "interval": price.interval}
    letters.write([Letter("trial_changed", subscription, {**what, "ends": first.at, "amount": amount})], now=now)


def _hold_to_card(subscription: Subscription, price: Price) -> None:
    """Ask of whoever has another plan's features without charge what its own trial asks: a card that has had none."""
    if price.plan.tier <= subscription.price.plan.tier or not price.plan.trial_needs_card:
        return
    card = PaymentMethod.objects.usable().filter(account=subscription.account_id, is_default=True).first()
    if card is None:
        raise PaymentMethodRequired
    try:
        with transaction.atomic():
            Trial.objects.filter(subscription=subscription, card_digest="").update(
                card_digest=Trial.digest(card.fingerprint)
            )
    except IntegrityError as error:
        raise TrialUsed from error
