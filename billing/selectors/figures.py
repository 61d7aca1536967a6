"""How billing stands: the numbers of the dashboard, in few statements that answer in a moment at a million."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, Sum, Value, When

from billing import rules
from billing.models import (
    Invoice,
    PaymentAttempt,
    RecurringRevenueDay,
    Refund,
    Setback,
    Subscription,
    TieOut,
    WebhookEvent,
)

MONTH = timedelta(days=30)
QUARTER = timedelta(days=90)
HOLD = -1
"""The step of what is on hold."""


@dataclass(frozen=True)
class Slice:
    """A part with its count, and its sum where it has one."""

    name: str
    count: int
    amount: int = 0


@dataclass(frozen=True)
class RecurringDay:
    """A day's recurring revenue in one currency, with what moved it; minor units a month."""

    day: date
    new: int
    reactivation: int
    expansion: int
    contraction: int
    churn: int
    closing: int
    subscribers: int


@dataclass(frozen=True)
class Tied:
    """A day's comparison of the books with the gateway's; `details` are those that somebody has to look at."""

    id: int
    day: date
    currency: str
    difference: int
    details: int


@dataclass(frozen=True)
class Figures:
    """The dashboard's numbers. Amounts are minor units; those of several currencies are apart.

    Plain values alone, which a cache keeps as JSON.
    """

    subscriptions: list[Slice]
    recurring: dict[str, list[RecurringDay]]
    """By currency, the last days, oldest first."""
    due_today: int
    renewals: dict[str, list[Slice]]
    """By currency, today's invoices for periods by standing."""
    dunning: list[Slice]
    declines: list[Slice]
    tie_outs: list[Tied]
    parked: list[Slice]
    setbacks: list[Slice]
    """By sweep, what could not be handled and is tried again."""
    given_up: int
    """Events of Stripe's that are tried no more."""
    refunds_failed: int
    """Whose money the customers have not got back."""


def figures(*, now: datetime) -> Figures:
    """Answer how billing stands; days are UTC's."""
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    standing = _standing(now)
    return Figures(
        subscriptions=standing.subscriptions,
        recurring=_recurring(today),
        due_today=Subscription.objects.filter(
            next_bill_at__lt=today + timedelta(days=1), parked_at=None, next_step=rules.Step.RENEW
        ).count(),
        renewals=_renewals(today),
        dunning=standing.dunning,
        declines=_declines(now),
        tie_outs=_tied(today),
        parked=standing.parked,
        setbacks=[
            Slice(sweep, count)
            for sweep, count in Setback.objects.values_list("sweep").annotate(Count("pk")).order_by("sweep")
        ],
        given_up=WebhookEvent.objects.filter(status=WebhookEvent.Status.FAILED).count(),
        refunds_failed=Refund.objects.unanswered().count(),
    )


@dataclass(frozen=True)
class _Standing:
    """Where subscriptions stand."""

    subscriptions: list[Slice]
    dunning: list[Slice]
    parked: list[Slice]


def _standing(now: datetime) -> _Standing:
    """Count subscriptions by all that is asked of them, in one passage through the table.

    The unpaid ones by their try: those that wait for the next one after day n.
    """
    days: Sequence[int] = sorted(rules.RETRY_DAYS)
    step = Case(
        When(status=rules.Status.ON_HOLD, then=Value(HOLD)),
        When(~Q(status=rules.Status.PAST_DUE), then=Value(None)),
        *(When(first_failed_at__lte=now - timedelta(days=day), then=Value(day)) for day in reversed(days)),
        default=Value(0),
        output_field=IntegerField(),
    )
    counted = Subscription.objects.filter(Q(status__in=rules.LIVE) | ~Q(parked_reason="")).annotate(step=step)
    statuses, steps, reasons = Counter[str](), Counter[int | None](), Counter[str]()
    for status, reached, reason, count in (
        counted.values_list("status", "step", "parked_reason").annotate(Count("pk")).order_by()
    ):
        statuses[status] += count
        steps[reached] += count
        reasons[reason] += count
    del reasons[""]
    return _Standing(
        subscriptions=[Slice(str(status), statuses[status]) for status in rules.Status if status in rules.LIVE],
        dunning=[*(Slice(f"day {day}", steps[day]) for day in days), Slice("on hold", steps[HOLD])],
        parked=[
            Slice(reason, count) for reason, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
        ],
    )


def _recurring(today: datetime) -> dict[str, list[RecurringDay]]:
    found: dict[str, list[RecurringDay]] = {}
    days = RecurringRevenueDay.objects.filter(day__gte=today - QUARTER).order_by("currency", "day")
    for currency, *values in days.values_list("currency", *(each.name for each in fields(RecurringDay))):
        found.setdefault(currency, []).append(RecurringDay(*values))
    return found


def _tied(today: datetime) -> list[Tied]:
    reports = TieOut.objects.filter(day__gte=today - timedelta(days=14)).order_by("-day", "currency")
    return [Tied(each.pk, each.day, each.currency, each.difference, len(each.details)) for each in reports]


def _renewals(today: datetime) -> dict[str, list[Slice]]:
    found: dict[str, list[Slice]] = {}
    made = Invoice.objects.filter(pk__gte=first_id(today), kind=Invoice.Kind.PERIOD)
    for currency, status, count, amount in (
        made.values_list("currency", "status").annotate(Count("pk"), Sum("total")).order_by("currency", "status")
    ):
        found.setdefault(currency, []).append(Slice(status, count, amount))
    return found


def _declines(now: datetime) -> list[Slice]:
    failed = PaymentAttempt.objects.filter(pk__gte=first_id(now - MONTH), state=PaymentAttempt.State.FAILED)
    counted = failed.values_list("decline_code").annotate(count=Count("pk")).order_by("-count", "decline_code")
    return [Slice(code or "unknown", count) for code, count in counted[:12]]


def first_id(moment: datetime) -> UUID:
    """Answer the lowest UUIDv7 of a moment: our ids lie in the order of time, so their index finds a day."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76))
