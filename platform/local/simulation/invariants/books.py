"""Refunds, documents and books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db.models import F, Max, Sum

from billing.models import (
    CreditGrant,
    CreditNote,
    Gift,
    Invoice,
    InvoiceLine,
    JournalEntry,
    JournalLine,
    NumberSeries,
    RecognisedDay,
    Refund,
    RevenueSchedule,
    TieOut,
    WebhookEvent,
)
from billing.services import invoicing, recognition
from billing.services.ledger import Account
from local.simulation.invariants.checking import A_DAY, Check, Checked


class Books:
    """What must hold of money that goes back, of numbers, and of the journal."""

    def __init__(self, *, charges: Sequence[dict[str, Any]], reports: Sequence[TieOut]) -> None:
        self.charges = charges
        self.reports = reports

    def checks(self) -> tuple[Check, ...]:
        """Name them all."""
        return (
            ("4.12", "refunds are not above what was captured", self.refunds),
            ("4.12", "money that goes back has one document", self.documents),
            ("4.19", "numbers are contiguous", self.numbers),
            ("4.18", "entries sum to zero", self.entries),
            ("4.18", "receivables are the open invoices", self.receivable),
            ("4.18", "deferred revenue is the unserved days", self.deferred),
            ("4.18", "gifts and credit owed are the balances", self.balances),
            ("4.18", "clearing ties out with the gateway every day", self.tied_out),
            ("4.17", "every event is applied", self.events),
        )

    def refunds(self) -> Checked:
        succeeded = Refund.objects.filter(state="succeeded")
        corrected = Invoice.objects.filter(refunds__state="succeeded", refunds__owed_again=False)
        above = corrected.annotate(back=Sum("refunds__amount"))
        above_ours = above.filter(back__gt=F("total")).values_list("number", flat=True)
        above_theirs = [charge["id"] for charge in self.charges if charge["amount_refunded"] > charge["amount"]]
        return succeeded.count() + len(self.charges), [*above_ours, *above_theirs]

    def documents(self) -> Checked:
        """One for the money of each refund, and none in force for money that nobody gets."""
        back = Refund.objects.counted().filter(owed_again=False).exclude(state__in=["requested", "approved"])
        back = back.exclude(invoice__status="void")
        undocumented = back.exclude(credit_note__voided_at=None, credit_note__isnull=False)
        in_force = CreditNote.objects.filter(voided_at=None)
        idle = in_force.filter(refund__answer=Refund.Answer.DISMISSED)
        twice = in_force.filter(refund__retry__credit_note__voided_at=None, refund__retry__credit_note__isnull=False)
        return back.count() + in_force.count(), [*undocumented.values_list("pk", flat=True), *idle, *twice]

    def numbers(self) -> Checked:
        checked, broken = 0, []
        for series in NumberSeries.objects.all():
            documents = (Invoice if series.code == invoicing.INVOICES else CreditNote).objects.filter(series=series)
            numbers = sorted(documents.values_list("sequence", flat=True))
            checked += len(numbers)
            if numbers != list(range(1, series.last + 1)):
                broken.append(f"{series}: {len(numbers)} of {series.last}")
        return checked, broken

    def entries(self) -> Checked:
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

    def receivable(self) -> Checked:
        is_open = Invoice.objects.filter(status="open")
        owed = is_open.values_list("currency").annotate(Sum("total"), Sum("credit_applied")).order_by()
        expected = {currency: total - credit for currency, total, credit in owed}
        return is_open.count(), self._compare(Account.RECEIVABLE, expected)

    def deferred(self) -> Checked:
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

    def balances(self) -> Checked:
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

    def tied_out(self) -> Checked:
        """A day's difference may only be what its report names; the last day's names whatever was never cleared up."""
        last = max((report.day for report in self.reports), default=None)
        return len(self.reports), [
            f"{report.day} {report.currency}: {report.difference}, {report.details[:1]}"
            for report in self.reports
            if report.difference != _named(report) or (report.day == last and report.details)
        ]

    def events(self) -> Checked:
        waiting = WebhookEvent.objects.exclude(status__in=["processed", "ignored"])
        return WebhookEvent.objects.count(), [f"{each.type} {each.status}: {each.note}" for each in waiting]


def _named(report: TieOut) -> int:
    """Answer the difference that a report's movements make."""
    return sum(-each["amount"] if each["what"] == "not at the gateway" else each["amount"] for each in report.details)
