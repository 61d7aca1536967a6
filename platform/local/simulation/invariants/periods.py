"""Periods: where they begin and end."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby, pairwise
from operator import attrgetter
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import F, Max, Min, Q

from billing.models import InvoiceLine, Period, Subscription, SubscriptionTransition, Trial
from billing.rules import Status
from local.simulation.invariants.checking import A_DAY, Check, Checked


class Periods:
    """What must hold of periods and trials."""

    def checks(self) -> tuple[Check, ...]:
        """Name them all."""
        return (
            ("4.2", "periods begin and end where the anchor says", self.boundaries),
            ("4.2", "periods follow one another without gap or overlap", self.tiling),
            ("4.5", "no period begins after the end", self.ended),
            ("4.7", "a trial ends when it was to end, and nothing of it is billed", self.trials),
        )

    @cached_property
    def _periods(self) -> dict[Subscription, list[Period]]:
        periods = Period.objects.select_related("subscription").order_by("subscription", "start")
        return {key: list(of) for key, of in groupby(periods, key=attrgetter("subscription"))}

    def boundaries(self) -> Checked:
        intervals = dict(
            InvoiceLine.objects.filter(invoice__kind="period", kind="plan")
            .values_list("invoice__period", "price__interval")
            .order_by()
        )
        checked, broken = 0, []
        for subscription, periods in self._periods.items():
            for _, cycle in groupby(periods, key=attrgetter("cycle")):
                first, *others = cycle
                months = {"month": 1, "year": 12}.get(intervals.get(first.pk, ""))
                if months is None:
                    # A trial, which is counted in days.
                    continue
                boundary = _Boundaries(first.start, ZoneInfo(subscription.billing_tz), months)
                for index, period in enumerate([first, *others]):
                    checked += 1
                    is_last = period is (others or [first])[-1]
                    if (period.index, period.start) != (index, boundary.at(index)) or (
                        period.end > boundary.at(index + 1) if is_last else period.end != boundary.at(index + 1)
                    ):
                        broken.append(f"period {period.pk}: {period.start} to {period.end}")
        return checked, broken

    def tiling(self) -> Checked:
        pauses: dict[UUID, list[datetime]] = defaultdict(list)
        forgiven: dict[UUID, set[str]] = defaultdict(set)
        for subscription_id, to_status, reason, at in SubscriptionTransition.objects.values_list(
            "subscription", "to_status", "reason", "at"
        ):
            if to_status == Status.PAUSED:
                pauses[subscription_id].append(at)
            if reason.startswith("forgiven: "):
                forgiven[subscription_id].add(reason.removeprefix("forgiven: "))
        checked, broken = 0, []
        for subscription, periods in self._periods.items():
            for before, after in pairwise(periods):
                checked += 1
                gap = f"{before.end:%Y-%m-%d} to {after.start:%Y-%m-%d}"
                is_paused = any(before.end - A_DAY / 12 <= at <= after.start for at in pauses[subscription.pk])
                is_explained = after.start > before.end and (is_paused or gap in forgiven[subscription.pk])
                # A trial that ends with another interval than it began with skips a cycle.
                follows = before.cycle <= after.cycle
                if not follows or not (before.end == after.start or is_explained):
                    broken.append(
                        f"subscription {subscription.pk}: {before.cycle}.{before.index} ends {before.end}, "
                        f"{after.cycle}.{after.index} begins {after.start}"
                    )
        return checked, broken

    def ended(self) -> Checked:
        over = Period.objects.filter(subscription__ended_at__isnull=False)
        late = over.filter(start__gte=F("subscription__ended_at"))
        canceled = Period.objects.filter(subscription__cancel_at__isnull=False, start__gte=F("subscription__cancel_at"))
        return over.count(), [f"period {key}" for key in {*late, *canceled}]

    def trials(self) -> Checked:
        found = Trial.objects.annotate(
            ends=Max("subscription__periods__end", filter=Q(subscription__periods__cycle=0)),
            billed_from=Min("subscription__invoices__period__start"),
            changed_at=Min("subscription__invoices__created_at", filter=Q(subscription__invoices__kind="change")),
        )
        wrong = found.exclude(ends=F("ends_at")) | found.filter(
            Q(billed_from__lt=F("ends_at")) | Q(changed_at__lt=F("ends_at"))
        )
        return found.count(), [f"trial {key}" for key in set(wrong.values_list("pk", flat=True))]


class _Boundaries:
    """Where the periods of a cycle begin: on the anchor's day, or the last that its month has, at its time of day."""

    def __init__(self, start: datetime, zone: ZoneInfo, months: int) -> None:
        self._local = start.astimezone(zone)
        self._months = months

    def at(self, index: int) -> datetime:
        years, month = divmod(self._local.month - 1 + index * self._months, 12)
        for day in range(self._local.day, 0, -1):
            try:
                found = self._local.replace(year=self._local.year + years, month=month + 1, day=day, fold=0)
            except ValueError:
                continue
            return found.astimezone(UTC)
        raise AssertionError("a month has days")
