"""What a decline asks for, and when an unpaid invoice is tried again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class DeclineClass(StrEnum):
    """What a decline asks for."""

    HARD = "hard"  # this card will not work again: ask for another
    AUTHENTICATION = "authentication"  # only the customer, present, can complete it
    SOFT = "soft"  # may work later


HARD_DECLINES = frozenset(
    {
        "do_not_try_again",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        "no_payment_method",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    }
)


def decline_class(code: str) -> DeclineClass:
    """Sort a decline code of Stripe's (https://docs.stripe.com/declines/codes); unknown codes are soft."""
    if code == "authentication_required":
        return DeclineClass.AUTHENTICATION
    return DeclineClass.HARD if code in HARD_DECLINES else DeclineClass.SOFT


@dataclass(frozen=True)
class CardLimit:
    """How often a network lets one card be tried again; beyond it, it fines."""

    days: int
    tries: int


CARD_LIMITS = {
    "visa": (CardLimit(30, 20),),
    "mastercard": (CardLimit(1, 10), CardLimit(30, 35)),
}
"""Per card and across invoices (Visa since 2025-05-25)."""
STRICTEST = (CardLimit(1, 10), CardLimit(30, 20))
"""For networks that publish none."""
LIMITS_LOOK_BACK = timedelta(days=30)

NEVER_AGAIN = frozenset({"03", "21"})
"""Mastercard's advice codes after which a card must not be tried again."""
ISSUER_NEVER_APPROVES = frozenset({"04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"})
"""Visa's category 1: response codes after which a card must not be tried again."""


def never_again(*, advice: str, network_advice: str, network_decline: str) -> bool:
    """Answer whether Stripe or the network forbid trying this card again."""
    return advice == "do_not_try_again" or network_advice in NEVER_AGAIN or network_decline in ISSUER_NEVER_APPROVES


def card_exhausted(*, brand: str, declined_at: Iterable[datetime], now: datetime) -> bool:
    """Answer whether one more try of a card would break its network's limit."""
    declines = list(declined_at)
    return any(
        sum(now - at < timedelta(days=limit.days) for at in declines) >= limit.tries
        for limit in CARD_LIMITS.get(brand, STRICTEST)
    )


def turn_of_backup(*, tries: int) -> bool:
    """Answer whether the next of an invoice's tries is the backup card's: the second, the fourth and so on."""
    return tries % 2 == 1


class Step(StrEnum):
    """What the scheduler does with a subscription when its time comes."""

    RENEW = "renew"
    RETRY = "retry"
    HOLD = "hold"
    CANCEL = "cancel"
    RESUME = "resume"


RETRY_DAYS = (0, 1, 3, 5, 7, 10, 14)
"""Days from the failed renewal on which its invoice is tried; the first is the renewal itself."""
GRACE_DAYS = 14
CANCEL_DAYS = 30
ONE_DAY = timedelta(days=1)


def after_failure(
    *, first_failed_at: datetime, tries: int, declined: DeclineClass, now: datetime
) -> tuple[Step, datetime]:
    """Answer the next step and its time after a failed charge; `tries` counts the charges made.

    A soft decline is tried again on the days of the schedule, never twice within a day however late
    we are. Any other waits for the customer. Both end on hold when the grace is over.
    """
    grace_ends = first_failed_at + timedelta(days=GRACE_DAYS)
    if declined is DeclineClass.SOFT and tries < len(RETRY_DAYS):
        return Step.RETRY, max(first_failed_at + timedelta(days=RETRY_DAYS[tries]), now + ONE_DAY)
    return Step.HOLD, max(grace_ends, now)


def after_skip(*, first_failed_at: datetime, now: datetime) -> tuple[Step, datetime]:
    """Answer the next step when a try must be left out because its card was tried too often."""
    grace_ends = first_failed_at + timedelta(days=GRACE_DAYS)
    tomorrow = now + ONE_DAY
    return (Step.RETRY, tomorrow) if tomorrow < grace_ends else (Step.HOLD, max(grace_ends, now))


def after_hold(*, first_failed_at: datetime) -> tuple[Step, datetime]:
    """Answer the step that ends a hold nobody paid for."""
    return Step.CANCEL, first_failed_at + timedelta(days=CANCEL_DAYS)


def after_payment(*, paid_through: datetime, now: datetime) -> tuple[Step, datetime]:
    """Answer the next renewal: the boundary, and at most one charge a day when we are behind."""
    return Step.RENEW, max(paid_through, now + ONE_DAY)
