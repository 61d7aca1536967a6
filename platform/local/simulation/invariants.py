"""What must hold after any number of months, whatever happened in them: section by section of the billing rules.

Each invariant answers how many rows it looked at and which of them break it. What can be worked out anew is worked
out by other means than billing's own: boundaries by trying days, charges by the stand-in's books.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Max, Min, Q, Sum

from billing import rules
from billing.models import (
    CreditGrant,
    CreditNote,
    Gift,
    Invoice,
    InvoiceLine,
    JournalEntry,
    JournalLine,
    NumberSeries,
    PaymentAttempt,
    Period,
    Quote,
    RecognisedDay,
    Refund,
    RevenueSchedule,
    Subscription,
    SubscriptionTransition,
    TieOut,
    Trial,
    WebhookEvent,
)
from billing.rules import Status
from billing.services import invoicing, recognition
from billing.services.ledger import Account

A_DAY = timedelta(days=1)
CHARGE_GAP = timedelta(hours=20)
MOST_TRIES = 7
EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """What became of one invariant: how many rows were looked at, and those that break it."""

    section: str
    name: str
    checked: int
    broken: tuple[str, ...]


Checked = tuple[int, Iterable[object]]


class Invariants:
    """All of them, on what the database and the stand-in hold at `now`."""

    def __init__(
        self,
        *,
        now: datetime,
        charges: Sequence[dict[str, Any]],
        reports: Sequence[TieOut],
        named: Checked,
        entitlements: Checked,
    ) -> None:
        self.now = now
        self.charges = charges
        self.reports = reports
        self.named = named
        self.entitlements = entitlements

    def findings(self) -> list[Finding]:
        """Check them all."""
        return [
            Finding(section, name, checked, tuple(map(str, broken)))
            for section, name, check in self._all()
            for checked, broken in [check()]
        ]

    def _all(self) -> tuple[tuple[str, str, Callable[[], Checked]], ...]:
        return (
            ("4.2", "periods begin and end where the anchor says", self._boundaries),
            ("4.2", "periods follow one another without gap or overlap", self._tiling),
            ("4.1", "lines make the total of their invoice", self._totals),
            ("4.20", "a period has one invoice that is not void", self._invoiced_once),
            ("4.16", "an invoice is charged once, and what is due of it", self._charged_once),
            ("4.16", "a payment that succeeded is in the gateway's books", self._payments),
            ("4.16", "an attempt has its outcome, and an invoice one open attempt", self._attempts),
            ("4.20", "nothing that was due is missed", self._missed),
            ("4.21", "a clock jump bills the periods that the policy names", lambda: self.named),
            ("4.21", "a subscription is charged once a day", self._charge_gaps),
            ("4.22", "nobody is parked but for a dispute", self._parked),
            ("4.5", "no period begins after the end", self._ended),
            ("4.7", "a trial ends when it was to end, and nothing of it is billed", self._trials),
            ("4.4", "a change and its reverse on the same day net 0", self._reversed),
            ("4.14", "an invoice is tried once a day, and seven times", self._tries),
            ("4.14", "grace and hold end in time", self._dunning),
            ("4.5", "states follow the state machine", self._transitions),
            ("4.12", "refunds are not above what was captured", self._refunds),
            ("4.19", "numbers are contiguous", self._numbers),
            ("4.18", "entries sum to zero", self._entries),
            ("4.18", "receivables are the open invoices", self._receivable),
            ("4.18", "deferred revenue is the unserved days", self._deferred),
            ("4.18", "gifts and credit owed are the balances", self._balances),
            ("4.18", "clearing ties out with the gateway every day", self._tied_out),
            ("4.17", "every event is applied", self._events),
            ("4.20", "a kept entitlement is the present one", lambda: self.entitlements),
        )

    # ------------------------------------------------ periods

    @cached_property
    def _periods(self) -> dict[Subscription, list[Period]]:
        periods = Period.objects.select_related("subscription").order_by("subscription", "start")
        return {key: list(of) for key, of in groupby(periods, key=attrgetter("subscription"))}

    def _boundaries(self) -> Checked:
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

    def _tiling(self) -> Checked:
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

    def _ended(self) -> Checked:
        over = Period.objects.filter(subscription__ended_at__isnull=False)
        late = over.filter(start__gte=F("subscription__ended_at"))
        canceled = Period.objects.filter(subscription__cancel_at__isnull=False, start__gte=F("subscription__cancel_at"))
        return over.count(), [f"period {key}" for key in {*late, *canceled}]

    def _trials(self) -> Checked:
        found = Trial.objects.annotate(
            ends=Max("subscription__periods__end", filter=Q(subscription__periods__cycle=0)),
            billed_from=Min("subscription__invoices__period__start"),
            changed_at=Min("subscription__invoices__created_at", filter=Q(subscription__invoices__kind="change")),
        )
        wrong = found.exclude(ends=F("ends_at")) | found.filter(
            Q(billed_from__lt=F("ends_at")) | Q(changed_at__lt=F("ends_at"))
        )
        return found.count(), [f"trial {key}" for key in set(wrong.values_list("pk", flat=True))]

    # ------------------------------------------------ invoices and payments

    def _totals(self) -> Checked:
        invoices = Invoice.objects.annotate(sum=Sum("lines__amount"), count=Count("lines"))
        wrong = invoices.exclude(sum=F("total"), count=F("line_count"))
        return invoices.count(), wrong.values_list("number", flat=True)

    def _invoiced_once(self) -> Checked:
        counts = Counter(
            Invoice.objects.filter(kind="period").exclude(status="void").values_list("period", flat=True).order_by()
        )
        trials = set(Period.objects.filter(subscription__trial__isnull=False, cycle=0).values_list("pk", flat=True))
        void = set(Invoice.objects.filter(kind="period", status="void").values_list("period", flat=True))
        # A change of interval is billed by the invoice of the change.
        begun = set(
            Quote.objects.filter(invoice__status="paid", restarts_at__isnull=False).values_list(
                "subscription", "restarts_at"
            )
        )
        counts.update(
            key
            for key, subscription, start in Period.objects.values_list("pk", "subscription", "start")
            if (subscription, start) in begun
        )
        keys = list(Period.objects.values_list("pk", flat=True))
        return len(keys), [
            f"period {key}: {counts[key]}"
            for key in keys
            if counts[key] > 1 or (counts[key] == 0 and key not in trials and key not in void)
        ]

    def _charged_once(self) -> Checked:
        due = {
            str(key): (total - credit, currency.lower())
            for key, total, credit, currency in Invoice.objects.values_list("pk", "total", "credit_applied", "currency")
        }
        counts = Counter(charge["metadata"].get("invoice") for charge in self.charges)
        twice = [f"invoice {key} charged {count} times" for key, count in counts.items() if count > 1]
        wrong = [
            f"charge {charge['id']} of {charge['amount']}"
            for charge in self.charges
            if due.get(charge["metadata"].get("invoice")) != (charge["amount"], charge["currency"])
        ]
        return len(self.charges), twice + wrong

    def _payments(self) -> Checked:
        ours = {str(key) for key in PaymentAttempt.objects.filter(state="succeeded").values_list("pk", flat=True)}
        theirs = {charge["metadata"].get("attempt") for charge in self.charges}
        paid = set(Invoice.objects.filter(status="paid").exclude(total=F("credit_applied")).exclude(total__lt=0))
        by_charge = set(Invoice.objects.filter(attempts__state="succeeded"))
        return len(ours | theirs), [
            *(f"attempt {key} without a charge" for key in ours - theirs),
            *(f"charge of attempt {key} unknown to us" for key in theirs - ours),
            *(f"invoice {invoice.number} paid by nothing" for invoice in paid - by_charge),
        ]

    def _attempts(self) -> Checked:
        unknown = PaymentAttempt.objects.filter(state__in=["created", "sent"]).values_list("pk", flat=True)
        crowded = (
            Invoice.objects.filter(attempts__state__in=PaymentAttempt.OPEN)
            .annotate(open=Count("attempts"))
            .filter(open__gt=1)
        )
        return PaymentAttempt.objects.count(), [*unknown, *crowded]

    def _missed(self) -> Checked:
        yesterday = self.now - A_DAY
        live = Subscription.objects.live().filter(parked_at=None)
        missed = [
            *live.filter(next_bill_at__lte=yesterday),
            *live.filter(status=Status.ACTIVE, paid_through__lte=yesterday),
            *live.filter(status=Status.INCOMPLETE, created_at__lte=self.now - 3 * A_DAY),
        ]
        return live.count(), [f"{each.pk} ({each.status}) due {each.next_bill_at}" for each in missed]

    def _charge_gaps(self) -> Checked:
        owners = dict(Invoice.objects.filter(kind="period").values_list("pk", "subscription"))
        made: dict[UUID, list[int]] = defaultdict(list)
        for charge in self.charges:
            if (invoice := UUID(charge["metadata"]["invoice"])) in owners:
                made[owners[invoice]].append(charge["created"])
        gaps = [(key, b - a) for key, times in made.items() for a, b in pairwise(sorted(times))]
        return len(gaps), [
            f"subscription {key}: charges {gap} s apart" for key, gap in gaps if gap < CHARGE_GAP.total_seconds()
        ]

    def _parked(self) -> Checked:
        parked = Subscription.objects.exclude(parked_at=None).exclude(parked_reason="dispute_open")
        return Subscription.objects.count(), [f"{each.pk}: {each.parked_reason}" for each in parked]

    def _tries(self) -> Checked:
        attempts = PaymentAttempt.objects.filter(invoice__kind="period").order_by("invoice", "n")
        checked, broken = 0, []
        for invoice, tries in groupby(attempts, key=attrgetter("invoice_id")):
            by_card: dict[UUID, list[PaymentAttempt]] = defaultdict(list)
            for attempt in tries:
                checked += 1
                if attempt.decline_code != "never_arrived":
                    by_card[attempt.payment_method_id].append(attempt)
            for of_card in by_card.values():
                too_soon = any(b.created_at - a.created_at < A_DAY for a, b in pairwise(of_card))
                if too_soon or len(of_card) > MOST_TRIES:
                    broken.append(f"invoice {invoice}: {[f'{each.created_at:%m-%d %H:%M}' for each in of_card]}")
        return checked, broken

    def _dunning(self) -> Checked:
        unpaid = Subscription.objects.filter(status__in=[Status.PAST_DUE, Status.ON_HOLD], parked_at=None)
        for_days = {Status.PAST_DUE: rules.GRACE_DAYS + 1, Status.ON_HOLD: rules.CANCEL_DAYS + 1}
        return unpaid.count(), [
            f"{each.pk} {each.status} since {each.first_failed_at}"
            for each in unpaid
            if each.first_failed_at and self.now - each.first_failed_at > timedelta(days=for_days[Status(each.status)])
        ]

    # ------------------------------------------------ changes

    def _reversed(self) -> Checked:
        checked, broken = 0, []
        for invoice, unused, debit in self._plain_changes():
            subscription = invoice.subscription
            period = Period.objects.filter(
                subscription=subscription, start__lte=invoice.created_at, end__gt=invoice.created_at
            ).first()
            if not subscription or period is None or unused.price is None or debit.service_start is None:
                continue
            ends = period.end.astimezone(ZoneInfo(subscription.billing_tz)).date()
            if debit.service_start == debit.service_end or debit.service_end != ends:
                # On its last day nothing is left to prorate; or it was cut short by another change since.
                continue
            checked += 1
            back = invoicing.quote_lines(
                subscription, paid=[debit], price=unused.price, period=period, on=debit.service_start
            )
            if (net := invoice.total + sum(line["amount"] for line in back)) != 0:
                broken.append(f"invoice {invoice.number}: {net}")
        return checked, broken

    def _plain_changes(self) -> Iterator[tuple[Invoice, InvoiceLine, InvoiceLine]]:
        """Answer the changes of plan that credit one line in full: undiscounted, of its own list price."""
        changes = Invoice.objects.filter(
            kind="change", status="paid", quote__restarts_at=None, refunds=None
        ).select_related("subscription").prefetch_related("lines__price__plan")  # fmt: skip
        for invoice in changes:
            credits_ = [line for line in invoice.lines.all() if line.kind == InvoiceLine.Kind.UNUSED]
            debits = [line for line in invoice.lines.all() if line.kind == InvoiceLine.Kind.PLAN]
            if len(credits_) != 1 or len(debits) != 1 or credits_[0].price is None:
                continue
            credited = InvoiceLine.objects.select_related("price").get(pk=credits_[0].derivation["line"])
            is_plain = (
                credited.discount == 0
                and not credited.invoice.refunds.exists()
                and credits_[0].price.intro_periods is None
                and credited.invoice.kind == Invoice.Kind.PERIOD
            )
            if is_plain:
                yield invoice, credits_[0], debits[0]

    def _transitions(self) -> Checked:
        checked, broken = 0, []
        made = SubscriptionTransition.objects.order_by("subscription", "pk")
        for subscription, of in groupby(made, key=attrgetter("subscription_id")):
            state = ""
            for transition in of:
                checked += 1
                before, after = transition.from_status, transition.to_status
                is_step = not before or before == after or rules.may_become(Status(before), Status(after))
                if before != state or not is_step:
                    broken.append(f"subscription {subscription}: {state}, then {before} to {after}")
                state = after
        ended = Subscription.objects.in_bulk()
        return checked + len(ended), broken

    # ------------------------------------------------ refunds, numbers, books

    def _refunds(self) -> Checked:
        succeeded = Refund.objects.filter(state="succeeded")
        corrected = Invoice.objects.filter(refunds__state="succeeded", refunds__owed_again=False)
        above = corrected.annotate(back=Sum("refunds__amount"))
        above_ours = above.filter(back__gt=F("total")).values_list("number", flat=True)
        above_theirs = [charge["id"] for charge in self.charges if charge["amount_refunded"] > charge["amount"]]
        return succeeded.count() + len(self.charges), [*above_ours, *above_theirs]

    def _numbers(self) -> Checked:
        checked, broken = 0, []
        for series in NumberSeries.objects.all():
            documents = (Invoice if series.code == invoicing.INVOICES else CreditNote).objects.filter(series=series)
            numbers = sorted(documents.values_list("sequence", flat=True))
            checked += len(numbers)
            if numbers != list(range(1, series.last + 1)):
                broken.append(f"{series}: {len(numbers)} of {series.last}")
        return checked, broken

    def _entries(self) -> Checked:
        entries = JournalEntry.objects.annotate(sum=Sum("lines__amount"))
        return entries.count(), entries.exclude(sum=0).values_list("source_key", flat=True)

    def _account(self, account: Account) -> dict[str, int]:
        lines = JournalLine.objects.filter(account=account)
        return dict(lines.values_list("entry__currency").annotate(Sum("amount")).order_by())

    def _compare(self, account: Account, expected: dict[str, int]) -> list[str]:
        found = self._account(account)
        return [
            f"{account} {currency}: {found.get(currency, 0)} booked, {expected.get(currency, 0)} expected"
            for currency in sorted({*found, *expected})
            if found.get(currency, 0) != expected.get(currency, 0)
        ]

    def _receivable(self) -> Checked:
        is_open = Invoice.objects.filter(status="open")
        owed = is_open.values_list("currency").annotate(Sum("total"), Sum("credit_applied")).order_by()
        expected = {currency: total - credit for currency, total, credit in owed}
        return is_open.count(), self._compare(Account.RECEIVABLE, expected)

    def _deferred(self) -> Checked:
        """What schedules have not earned, and what open invoices will owe."""
        day = RecognisedDay.objects.aggregate(last=Max("day"))["last"] + A_DAY
        owed: Counter[str] = Counter()
        schedules = RevenueSchedule.objects.all()
        for schedule in schedules:
            # What is posted late counts from its first day.
            earned = recognition.earned_before(schedule, day) if day > schedule.first_day else 0
            owed[schedule.currency] -= schedule.amount - earned
        lines = InvoiceLine.objects.filter(invoice__status="open")
        for currency, total, tax in (
            lines.values_list("invoice__currency").annotate(Sum("amount"), Sum("tax")).order_by()
        ):
            owed[currency] -= total - tax
        return len(schedules), self._compare(Account.DEFERRED, owed)

    def _balances(self) -> Checked:
        gifts: Counter[str] = Counter()
        credit: Counter[str] = Counter()
        sold = Gift.objects.filter(state=Gift.State.PAID)
        for gift in sold:
            gifts[gift.currency] -= gift.amount
        grants = CreditGrant.objects.all()
        for grant in grants:
            (gifts if grant.kind == CreditGrant.Kind.GIFT else credit)[grant.currency] -= grant.remaining
        below = [f"grant {grant.pk}: {grant.remaining}" for grant in grants if grant.remaining < min(0, grant.amount)]
        broken = self._compare(Account.GIFTS, gifts) + self._compare(Account.CREDIT, credit)
        return len(sold) + len(grants), broken + below

    def _tied_out(self) -> Checked:
        """A day's difference may only be what its report names; the last day's names whatever was never cleared up."""
        last = max((report.day for report in self.reports), default=None)
        return len(self.reports), [
            f"{report.day} {report.currency}: {report.difference}, {report.details[:1]}"
            for report in self.reports
            if report.difference != _named(report) or (report.day == last and report.details)
        ]

    def _events(self) -> Checked:
        waiting = WebhookEvent.objects.exclude(status__in=["processed", "ignored"])
        return WebhookEvent.objects.count(), [f"{each.type} {each.status}: {each.note}" for each in waiting]


def _named(report: TieOut) -> int:
    """Answer the difference that a report's movements make."""
    return sum(-each["amount"] if each["what"] == "not at the gateway" else each["amount"] for each in report.details)


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
