"""Charges that must not be made, whatever asked for them."""

from __future__ import annotations

from datetime import datetime, timedelta

CHARGE_GAP = timedelta(hours=20)
INVOICES_A_DAY = 2
LIST_PRICE_FACTOR = 3
PERIOD_MONTHS = 13


def bound_broken(
    *,
    amount: int,
    list_price: int,
    period_start: datetime,
    period_end: datetime,
    last_charged_at: datetime | None,
    invoices_today: int,
    now: datetime,
) -> str:
    """Answer why this charge must not be made, or an empty string.

    These never hold back a right charge; a step that breaks one is a bug of ours or bad data, so
    the subscription is parked for staff and nothing is charged.
    """
    if not period_start < period_end or (period_end - period_start) > timedelta(days=31 * PERIOD_MONTHS):
        return "period_beyond_13_months"
    if amount > LIST_PRICE_FACTOR * list_price:
        return "amount_above_3x_list_price"
    if last_charged_at is not None and now - last_charged_at < CHARGE_GAP:
        return "second_charge_within_20_hours"
    if invoices_today >= INVOICES_A_DAY:
        return "more_than_2_invoices_a_day"
    return ""
