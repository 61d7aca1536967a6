"""How billing stands: the numbers of the dashboard, each one statement that answers in a moment at a million."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Sum, Value, When

from billing import rules
from billing.models import Invoice, PaymentAttempt, RecurringRevenueDay, Subscription, TieOut

MONTH = timedelta(days=30)
QUARTER = timedelta(days=90)


@dataclass(frozen=True)
class Slice:
    """A part with its count, and its sum where it has one."""

    name: str
    count: int
    amount: int = 0


@dataclass(frozen=True)
class Figures:
    """The dashboard's numbers. Amounts are minor units; those of several currencies are apart."""

    subscriptions: list[Slice]
    recurring: dict[str, list[RecurringRevenueDay]]
    """By currency, the last days, oldest first."""
    due_today: int
    renewals: dict[str, list[Slice]]
    """By currency, today's invoices for periods by standing."""
    dunning: list[Slice]
    declines: list[Slice]
    tie_outs: list[TieOut]
    parked: list[Slice]


def figures(*, now: datetime) -> Figures:
    """Answer how billing stands; days are UTC's."""
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    return Figures(
        subscriptions=_by_status(),
        recurring=_recurring(today),
        due_today=Subscription.objects.filter(
            next_bill_at__lt=today + timedelta(days=1), parked_at=None, next_step=rules.Step.RENEW
        ).count(),
        renewals=_renewals(today),
        dunning=_dunning(now),
        declines=_declines(now),
        tie_outs=list(TieOut.objects.filter(day__gte=today - timedelta(days=14)).order_by("-day", "currency")),
        parked=[
            Slice(reason, count)
            for reason, count in Subscription.objects.exclude(parked_at=None)
            .values_list("parked_reason")
            .annotate(count=Count("pk"))
            .order_by("-count", "parked_reason")
        ],
    )


def _by_status() -> list[Slice]:
    counted = dict(Subscription.objects.values_list("status").annotate(Count("pk")).order_by())
    return [Slice(str(status), counted.get(status, 0)) for status in rules.Status if status in rules.LIVE]


def _recurring(today: datetime) -> dict[str, list[RecurringRevenueDay]]:
    found: dict[str, list[RecurringRevenueDay]] = {}
    for day in RecurringRevenueDay.objects.filter(day__gte=today - QUARTER).order_by("currency", "day"):
        found.setdefault(day.currency, []).append(day)
    return found


def _renewals(today: datetime) -> dict[str, list[Slice]]:
    found: dict[str, list[Slice]] = {}
    made = Invoice.objects.filter(pk__gte=first_id(today), kind=Invoice.Kind.PERIOD)
    for currency, status, count, amount in (
        made.values_list("currency", "status").annotate(Count("pk"), Sum("total")).order_by("currency", "status")
    ):
        found.setdefault(currency, []).append(Slice(status, count, amount))
    return found


def _dunning(now: datetime) -> list[Slice]:
    """Answer how many unpaid subscriptions stand at which try: those that wait for the next one after day n."""
    days: Sequence[int] = sorted(rules.RETRY_DAYS)
    step = Case(
        When(status=rules.Status.ON_HOLD, then=Value(-1)),
        *(When(first_failed_at__lte=now - timedelta(days=day), then=Value(day)) for day in reversed(days)),
        default=Value(0),
        output_field=IntegerField(),
    )
    unpaid = Subscription.objects.filter(status__in=[rules.Status.PAST_DUE, rules.Status.ON_HOLD])
    counted = dict(unpaid.annotate(step=step).values_list("step").annotate(Count("pk")).order_by())
    named = [(f"day {day}", counted.get(day, 0)) for day in [0, *days] if day in {0, *days}]
    return [Slice(name, count) for name, count in dict([*named, ("on hold", counted.get(-1, 0))]).items()]


def _declines(now: datetime) -> list[Slice]:
    failed = PaymentAttempt.objects.filter(pk__gte=first_id(now - MONTH), state=PaymentAttempt.State.FAILED)
    counted = failed.values_list("decline_code").annotate(count=Count("pk")).order_by("-count", "decline_code")
    return [Slice(code or "unknown", count) for code, count in counted[:12]]


def first_id(moment: datetime) -> UUID:
    """Answer the lowest UUIDv7 of a moment: our ids lie in the order of time, so their index finds a day."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76))
