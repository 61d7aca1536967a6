"""Billing's thinking: calendars, transitions, retries, access. Pure functions of their arguments."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

# ---------------------------------------------------------------- periods


class Interval(StrEnum):
    """How long one period lasts."""

    MONTH = "month"
    YEAR = "year"

    @property
    def months(self) -> int:
        return 12 if self is Interval.YEAR else 1


def boundary_date(anchor: date, interval: Interval, index: int) -> date:
    """Answer the local date on which period `index` starts.

    Counted from the anchor each time and clamped to the month's last day, so that day 31 stays 31:
    stepping from the boundary before loses it for good (Kill Bill #127).
    """
    months = anchor.year * 12 + (anchor.month - 1) + index * interval.months
    year, month = divmod(months, 12)
    month += 1
    return date(year, month, min(anchor.day, calendar.monthrange(year, month)[1]))


def to_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Answer the UTC instant of a local wall time.

    A wall time that the clocks skip moves forward by the length of the gap; one that they repeat
    means its first occurrence (PEP 495, fold 0).
    """
    return datetime.combine(day, at.replace(fold=0), zone).astimezone(UTC)


@dataclass(frozen=True)
class Anchor:
    """What all boundaries of a cycle are computed from. Never changes within the cycle."""

    date: date
    time: time
    zone: ZoneInfo
    interval: Interval

    @classmethod
    def at(cls, now: datetime, zone: ZoneInfo, interval: Interval) -> Anchor:
        """Answer the anchor of a cycle that begins now, by the calendar of `zone`."""
        local = now.astimezone(zone)
        return cls(local.date(), local.time().replace(microsecond=0, fold=0), zone, interval)

    def boundary(self, index: int) -> datetime:
        """Answer the UTC instant at which period `index` starts and the one before ends."""
        return to_instant(boundary_date(self.date, self.interval, index), self.time, self.zone)


# ---------------------------------------------------------------- states


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


# ---------------------------------------------------------------- declines and retries


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


# ---------------------------------------------------------------- catching up

FORGIVEN_FROM = timedelta(days=1)
"""Interruptions that took less of a period than this give nothing away."""


@dataclass(frozen=True)
class Stretch:
    """Time without service, `[start, end)`."""

    start: datetime
    end: datetime


class CatchUp(StrEnum):
    """What is done about a stretch of time that billing is late for."""

    BILL = "bill"
    FORGIVE = "forgive"
    RE_ANCHOR = "re_anchor"


@dataclass(frozen=True)
class CatchUpStep:
    """One step: the period to bill or the stretch to forgive, `[start, end)`, by the boundaries of `anchor`."""

    action: CatchUp
    start: datetime
    end: datetime
    anchor: Anchor


def forgiven_until(*, start: datetime, end: datetime, without_service: Iterable[Stretch]) -> datetime | None:
    """Answer until when a missed period `[start, end)` is given away; None if it is billed.

    It is billed only where service was available: a day without service is enough to give away all of it up to
    the end of that.
    """
    ends = [
        stretch.end for stretch in without_service if min(end, stretch.end) - max(start, stretch.start) >= FORGIVEN_FROM
    ]
    return max(ends, default=None)


def catch_up(
    *, anchor: Anchor, index: int, start: datetime, without_service: Iterable[Stretch], now: datetime
) -> Iterator[CatchUpStep]:
    """Answer what becomes of the time from `start` up to the period that holds `now`, oldest first.

    Only periods that are over are looked at for forgiving; after a stretch that is forgiven, billing begins a new
    cycle where service began again. Nothing is answered for a cycle that begins in the future.
    """
    stretches = list(without_service)
    while start <= now:
        end = anchor.boundary(index + 1)
        until = forgiven_until(start=start, end=end, without_service=stretches) if end <= now else None
        if until is None:
            yield CatchUpStep(CatchUp.BILL, start, end, anchor)
            start, index = end, index + 1
        else:
            yield CatchUpStep(CatchUp.FORGIVE, start, until, anchor)
            anchor, index = Anchor.at(until, anchor.zone, anchor.interval), 0
            start = anchor.boundary(0)
            yield CatchUpStep(CatchUp.RE_ANCHOR, start, anchor.boundary(1), anchor)


# ---------------------------------------------------------------- safety bounds

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


# ---------------------------------------------------------------- trials, pauses, new prices

PAUSE_MONTHS = range(1, 4)
"""How long a pause may last."""
TRIAL_PAUSE_MONTHS = 3
"""How long a trial that ended without a card waits for one."""


def trial_end(now: datetime, *, days: int, zone: ZoneInfo) -> datetime:
    """Answer when a trial of `days` that begins now ends: the same local time of day on its last day.

    That local date is the anchor of everything that follows.
    """
    local = now.astimezone(zone)
    return to_instant(local.date() + timedelta(days=days), local.time().replace(microsecond=0, fold=0), zone)


def pause_end(start: datetime, *, months: int, zone: ZoneInfo) -> datetime:
    """Answer when a pause of some months ends: the same day of the month, clamped, at the same local time."""
    local = start.astimezone(zone)
    return to_instant(boundary_date(local.date(), Interval.MONTH, months), local.time().replace(fold=0), zone)


def new_price_from(*, applies_from: date, told_on: date, notice_days: int) -> date:
    """Answer the local date from which a subscriber who was told pays a new version of their price.

    The first boundary on or after it is billed so.
    """
    return max(applies_from, told_on + timedelta(days=notice_days))


# ---------------------------------------------------------------- access

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


# ---------------------------------------------------------------- prices


class Offer(Protocol):
    """What choosing a price needs to know of it."""

    @property
    def country(self) -> str: ...
    @property
    def currency(self) -> str: ...


OfferT = TypeVar("OfferT", bound=Offer)


def offered(prices: Iterable[OfferT], *, country: str, currency: str, fallback: str) -> list[OfferT]:
    """Answer the prices of one plan that a person in `country` is offered.

    The country's own prices; else those for everywhere in its currency; else those in `fallback`.
    """
    found = list(prices)
    choices: tuple[Callable[[OfferT], bool], ...] = (
        lambda price: bool(country) and price.country == country,
        lambda price: not price.country and price.currency == currency,
        lambda price: not price.country and price.currency == fallback,
    )
    for choice in choices:
        if chosen := [price for price in found if choice(price)]:
            return chosen
    return []
