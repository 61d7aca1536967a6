"""Invoices and payments: each is owed, tried and charged as often as it should be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Sum

from billing import rules
from billing.models import Invoice, PaymentAttempt, Period, Quote, Subscription
from billing.rules import Status
from local.simulation.invariants.checking import A_DAY, Check, Checked

CHARGE_GAP = timedelta(hours=20)
MOST_TRIES = 7


class Payments:
    """What must hold of invoices and payments."""

    def __init__(self, *, now: datetime, charges: Sequence[dict[str, Any]]) -> None:
        self.now = now
        self.charges = charges

    def checks(self) -> tuple[Check, ...]:
        """Name them all."""
        return (
            ("4.1", "lines make the total of their invoice", self.totals),
            ("4.20", "a period has one invoice that is not void", self.invoiced_once),
            ("4.16", "an invoice is charged once, and what is due of it", self.charged_once),
            ("4.16", "a payment that succeeded is in the gateway's books", self.in_both_books),
            ("4.16", "an attempt has its outcome, and an invoice one open attempt", self.attempts),
            ("4.20", "nothing that was due is missed", self.missed),
            ("4.21", "a subscription is charged once a day", self.charge_gaps),
            ("4.22", "nobody is parked but for a dispute", self.parked),
            ("4.14", "an invoice is tried once a day, and seven times", self.tries),
            ("4.14", "grace and hold end in time", self.dunning),
        )

    def totals(self) -> Checked:
        invoices = Invoice.objects.annotate(sum=Sum("lines__amount"), count=Count("lines"))
        wrong = invoices.exclude(sum=F("total"), count=F("line_count"))
        return invoices.count(), wrong.values_list("number", flat=True)

    def invoiced_once(self) -> Checked:
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

    def charged_once(self) -> Checked:
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

    def in_both_books(self) -> Checked:
        ours = {str(key) for key in PaymentAttempt.objects.filter(state="succeeded").values_list("pk", flat=True)}
        theirs = {charge["metadata"].get("attempt") for charge in self.charges}
        paid = set(Invoice.objects.filter(status="paid").exclude(total=F("credit_applied")).exclude(total__lt=0))
        by_charge = set(Invoice.objects.filter(attempts__state="succeeded"))
        return len(ours | theirs), [
            *(f"attempt {key} without a charge" for key in ours - theirs),
            *(f"charge of attempt {key} unknown to us" for key in theirs - ours),
            *(f"invoice {invoice.number} paid by nothing" for invoice in paid - by_charge),
        ]

    def attempts(self) -> Checked:
        unknown = PaymentAttempt.objects.filter(state__in=["created", "sent"]).values_list("pk", flat=True)
        crowded = (
            Invoice.objects.filter(attempts__state__in=PaymentAttempt.OPEN)
            .annotate(open=Count("attempts"))
            .filter(open__gt=1)
        )
        return PaymentAttempt.objects.count(), [*unknown, *crowded]

    def missed(self) -> Checked:
        yesterday = self.now - A_DAY
        live = Subscription.objects.live().filter(parked_at=None)
        missed = [
            *live.filter(next_bill_at__lte=yesterday),
            *live.filter(status=Status.ACTIVE, paid_through__lte=yesterday),
            *live.filter(status=Status.INCOMPLETE, created_at__lte=self.now - 3 * A_DAY),
        ]
        return live.count(), [f"{each.pk} ({each.status}) due {each.next_bill_at}" for each in missed]

    def charge_gaps(self) -> Checked:
        owners = dict(Invoice.objects.filter(kind="period").values_list("pk", "subscription"))
        made: dict[UUID, list[int]] = defaultdict(list)
        for charge in self.charges:
            if (invoice := UUID(charge["metadata"]["invoice"])) in owners:
                made[owners[invoice]].append(charge["created"])
        gaps = [(key, b - a) for key, times in made.items() for a, b in pairwise(sorted(times))]
        return len(gaps), [
            f"subscription {key}: charges {gap} s apart" for key, gap in gaps if gap < CHARGE_GAP.total_seconds()
        ]

    def parked(self) -> Checked:
        parked = Subscription.objects.exclude(parked_at=None).exclude(parked_reason="dispute_open")
        return Subscription.objects.count(), [f"{each.pk}: {each.parked_reason}" for each in parked]

    def tries(self) -> Checked:
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

    def dunning(self) -> Checked:
        unpaid = Subscription.objects.filter(status__in=[Status.PAST_DUE, Status.ON_HOLD], parked_at=None)
        for_days = {Status.PAST_DUE: rules.GRACE_DAYS + 1, Status.ON_HOLD: rules.CANCEL_DAYS + 1}
        return unpaid.count(), [
            f"{each.pk} {each.status} since {each.first_failed_at}"
            for each in unpaid
            if each.first_failed_at and self.now - each.first_failed_at > timedelta(days=for_days[Status(each.status)])
        ]
