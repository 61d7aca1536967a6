"""What one settlement changes, gathered and then written set-wise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from billing.models import Invoice, PaymentAttempt, Subscription, SubscriptionTransition
from billing.services import _rows, coupons, crediting, dunning, gift_sales, ledger, records
from core import outbox

SYSTEM = "system"
CLOSED = (Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE)


@dataclass
class Changes:
    """What one transaction changes in locked rows; whatever must be booked with it belongs here."""

    subscriptions: dict[UUID, Subscription] = field(default_factory=dict)
    invoices: dict[UUID, Invoice] = field(default_factory=dict)
    attempts: dict[UUID, PaymentAttempt] = field(default_factory=dict)
    transitions: list[SubscriptionTransition] = field(default_factory=list)
    paid: dict[UUID, PaymentAttempt | None] = field(default_factory=dict)
    """By invoice, the attempt that paid it; None where credit paid it all."""
    gifts_paid: list[UUID] = field(default_factory=list)
    """Invoices of gifts that were paid."""
    notices: list[dunning.Notice] = field(default_factory=list)
    reopened: set[UUID] = field(default_factory=set)
    """Invoices that were closed and are paid after all."""
    astray: list[UUID] = field(default_factory=list)
    """Attempts that charged for an invoice which was not owed any more."""
    unused: list[Subscription] = field(default_factory=list)
    """Subscriptions that never began: their coupons may be used again."""
    events: list[tuple[Subscription, Callable[[], object]]] = field(default_factory=list)

    def write(self, *, now: datetime) -> None:
        """Write it all, book it, and publish the events."""
        _rows.update(
            list(self.attempts.values()), ["state", "gateway_id", "decline_code", "decline_class", "settled_at"]
        )
        _rows.update(list(self.invoices.values()), ["status", "paid_at"])
        _save_states(self.subscriptions.values())
        self._book(now=now)
        SubscriptionTransition.objects.bulk_create(self.transitions)
        for subscription, event in self.events:
            outbox.publish(event(), aggregate=f"account:{subscription.account_id}", now=now)
        dunning.write_mails(self.notices, now=now)

    def _book(self, *, now: datetime) -> None:
        closed = [key for key, invoice in self.invoices.items() if invoice.status in CLOSED]
        ledger.close_invoices(closed, now=now)
        gift_sales.lock([*closed, *self.gifts_paid])
        coupons.give_back(self.unused)
        crediting.release(closed, now=now)
        gift_sales.mark_unsold(closed)
        if self.reopened:
            ledger.reopen_invoices(self.reopened, now=now)
            crediting.take_again(self.reopened, now=now)
        ledger.book_payments([attempt.pk for attempt in self.paid.values() if attempt], now=now)
        if self.astray:
            ledger.book_payments(self.astray, now=now, against=ledger.Account.CREDIT)
            crediting.grant_overpaid(self.astray, now=now)
        ledger.schedule_revenue(self.paid.keys(), day=now.astimezone(UTC).date())
        gift_sales.mark_sold(self.gifts_paid, now=now)


def _save_states(subscriptions: Iterable[Subscription]) -> None:
    records.save_all(
        list(subscriptions),
        [
            "status",
            "price",
            "pending_price",
            "period_index",
            "paid_through",
            "next_step",
            "next_bill_at",
            "claimed_until",
            "last_charged_at",
            "first_failed_at",
            "cancel_at",
            "pause_at",
            "resume_at",
            "parked_at",
            "parked_reason",
            "ended_at",
        ],
    )
