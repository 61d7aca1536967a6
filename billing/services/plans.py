"""What is on sale: new versions of prices, never edits."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from billing import rules
from billing.models import Plan, Price
from core import money
from core.errors import DomainError


class AmountNotChargeable(DomainError):
    """The gateway cannot take this amount."""

    code: ClassVar[str] = "amount_not_chargeable"
    title: ClassVar[str] = "In a currency of three decimals an amount must end in 0, since Stripe takes two."
    status: ClassVar[int] = 400


def check_amount(*, amount: int, currency: str) -> None:
    """Raise AmountNotChargeable for an amount in minor units that the gateway cannot take."""
    if money.exponent(currency) == 3 and amount % 10:
        raise AmountNotChargeable


@transaction.atomic
def set_price(
    *,
    plan_id: UUID,
    currency: str,
    country: str,
    interval: rules.Interval,
    amount: int,
    tax_behavior: Price.TaxBehavior,
    now: datetime,
) -> Price:
    """Put a price on offer in place of the present one, as its next version; `amount` in minor units.

    Existing subscriptions keep the version they were bought with. The same price again changes nothing.
    Raises AmountNotChargeable, and money.UnknownCurrency for what is no currency.
    """
    check_amount(amount=amount, currency=currency)
    # Two new versions at once follow one another.
    Plan.objects.select_for_update().get(pk=plan_id)
    versions = Price.objects.filter(plan=plan_id, currency=currency, country=country, interval=interval)
    present = versions.current().first()
    if present is not None and (present.amount, present.tax_behavior) == (amount, tax_behavior):
        return present
    versions.current().update(superseded_at=now)
    last = versions.order_by("-version").first()
    return Price.objects.create(
        plan_id=plan_id,
        currency=currency,
        country=country,
        interval=interval,
        version=last.version + 1 if last else 1,
        amount=amount,
        tax_behavior=tax_behavior,
        created_at=now,
    )
