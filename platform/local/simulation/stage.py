"""What is sold in a simulation: the demo's plans with trials, introductions and coupons, and another family."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import Coupon, LegalDocument, Plan, PlanFamily, Price
from billing.rules import Interval
from billing.services import consents, plans
from billing.services.plans import Terms
from local.demo import offers

NEXT_BILL = "sports"
"""The family whose upgrades are billed with the next period."""

# What a month costs new subscribers, by plan and currency.
TERMS = {
    ("premium", "EUR"): Terms(trial_days=7),
    ("standard", "USD"): Terms(trial_days=14),
    ("standard", "JPY"): Terms(trial_days=30),
    ("basic", "EUR"): Terms(intro_amount=399, intro_periods=3),
    ("premium", "JPY"): Terms(intro_amount=990, intro_periods=2),
}
COUPONS = ("HALF3", "FIRSTFREE", "TENTH", "FIVE")


@dataclass(frozen=True)
class Rise:
    """A new version of a month's price: what it costs from then on, and whether those who have it pay it too."""

    day: int
    plan: str
    currency: str
    amount: int
    for_all: bool


RISES = (
    Rise(40, "basic", "USD", 899, for_all=True),
    Rise(75, "standard", "EUR", 1499, for_all=True),
    Rise(120, "premium", "USD", 2499, for_all=False),
    Rise(300, "standard", "USD", 1699, for_all=True),
    Rise(420, "basic", "EUR", 899, for_all=True),
)


def offer(*, now: datetime) -> None:
    """Put everything on sale."""
    offers.offer(now=now)
    Plan.objects.filter(code="standard").update(trial_needs_card=False, trial_without_card=Plan.WithoutCard.PAUSE)
    Plan.objects.filter(code="basic").update(keeps_price_on_return=True)
    for (code, currency), terms in TERMS.items():
        present = Price.objects.current().get(plan__code=code, currency=currency, interval=Interval.MONTH)
        _change(present, present.amount, terms, now=now)
    _offer_sports(now=now)
    Coupon.objects.bulk_create(
        [
            Coupon(code="HALF3", percent=50, periods=3),
            Coupon(code="FIRSTFREE", percent=100, periods=1, max_redemptions=50),
            Coupon(code="TENTH", percent=10),
            Coupon(code="FIVE", amount=500, currency="EUR", periods=2),
        ]
    )
    for kind in (LegalDocument.Kind.TERMS, LegalDocument.Kind.IMMEDIATE_PERFORMANCE):
        consents.publish(kind=kind, country="", text=str(kind.label), url="", now=now)


def raise_prices(day: int, *, now: datetime) -> int:
    """Make the new versions of a day; answers how many."""
    rises = [rise for rise in RISES if rise.day == day]
    for rise in rises:
        present = Price.objects.current().get(plan__code=rise.plan, currency=rise.currency, interval=Interval.MONTH)
        terms = Terms(
            trial_days=present.trial_days,
            intro_amount=present.intro_amount,
            intro_periods=present.intro_periods,
            applies_to_existing_from=(now + timedelta(days=10)).date() if rise.for_all else None,
        )
        _change(present, rise.amount, terms, now=now)
    return len(rises)


def _change(present: Price, amount: int, terms: Terms, *, now: datetime) -> None:
    plans.set_price(
        plan_id=present.plan_id,
        currency=present.currency,
        country=present.country,
        interval=Interval(present.interval),
        amount=amount,
        tax_behavior=Price.TaxBehavior(present.tax_behavior),
        now=now,
        terms=terms,
    )


def _offer_sports(*, now: datetime) -> None:
    family = PlanFamily.objects.create(
        code=NEXT_BILL,
        name="Sports",
        fallback_currency="USD",
        upgrades_by=PlanFamily.UpgradeChoices.NEXT_BILL,
    )
    for tier, (code, amount) in enumerate((("league", 999), ("leagues", 1999)), 1):
        plan = Plan.objects.create(
            family=family,
            code=code,
            name=code.capitalize(),
            tier=tier,
            max_streams=tier,
            max_devices=2 * tier,
            max_resolution=Plan.Resolution.FULL_HD,
        )
        plans.set_price(
            plan_id=plan.pk,
            currency="USD",
            country="",
            interval=Interval.MONTH,
            amount=amount,
            tax_behavior=Price.TaxBehavior.EXCLUSIVE,
            now=now,
        )
