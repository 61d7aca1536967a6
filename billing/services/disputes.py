"""Disputes: a bank takes a payment back until it is decided whose it is.

While one is open the subscription is parked: nothing is charged and nothing refunded. A won one puts it back
into the schedule; a lost one ends it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from billing import amounts, rules
from billing.gateway import DisputeState
from billing.models import Dispute, Invoice, PaymentAttempt, Subscription
from billing.services import crediting, gift_sales, ledger, recognition, refunds, settlement
from billing.services.ledger import Account, Kind
from billing.services.settlement import SYSTEM, Changes

PARKED = "dispute_open"


@transaction.atomic
def record(*, found: DisputeState, now: datetime) -> bool:
    """Record a dispute as the gateway has it now, any number of times; answers False if its payment is unknown."""
    attempt = PaymentAttempt.objects.select_related("invoice").filter(gateway_id=found.payment_intent).first()
    if attempt is None or not found.payment_intent:
        return False
    # A gift is bought without one.
    subscription = Subscription.objects.locked().filter(invoices=attempt.invoice_id).first()
    dispute, new = Dispute.objects.locked().get_or_create(
        gateway_id=found.id,
        defaults={
            "attempt": attempt,
            "amount": found.amount,
            "currency": found.currency,
            "reason": found.reason[:50],
            "status": "",
            "opened_at": now,
        },
    )
    dispute.due_by = found.due_by
    before, dispute.status = dispute.status, found.status[:30]
    if before in {"won", "lost", "warning_closed"} or before == dispute.status:
        dispute.save(update_fields=["due_by"])
        return True
    changes = Changes()
    if new and not found.is_inquiry:
        _book(
            dispute,
            "opened",
            {(Account.DISPUTES, ""): dispute.amount, (Account.CLEARING, ""): -dispute.amount},
            now=now,
        )
        if subscription and subscription.status in rules.LIVE and subscription.parked_at is None:
            settlement.park(subscription, PARKED, changes, now=now)
    if dispute.status == "won":
        _book(
            dispute, "won", {(Account.DISPUTES, ""): -dispute.amount, (Account.CLEARING, ""): dispute.amount}, now=now
        )
        _put_back(subscription, changes, now=now)
    elif dispute.status == "lost":
        _book_loss(dispute, attempt, now=now)
        _put_back(subscription, changes, now=now)
        if subscription and subscription.status in rules.LIVE and subscription.status != rules.Status.INCOMPLETE:
            settlement.cancel(subscription, changes, by=SYSTEM, reason="dispute_lost", now=now)
    if dispute.status in {"won", "lost", "warning_closed"}:
        dispute.closed_at = now
    dispute.save(update_fields=["status", "closed_at", "due_by"])
    changes.write(now=now)
    return True


def _put_back(subscription: Subscription | None, changes: Changes, *, now: datetime) -> None:
    if subscription and subscription.parked_reason == PARKED:
        subscription.parked_at, subscription.parked_reason = None, ""
        if subscription.next_bill_at is not None:
            subscription.next_bill_at = max(subscription.next_bill_at, now)
        changes.subscriptions[subscription.pk] = subscription


def _book(dispute: Dispute, what: str, lines: dict[tuple[Account, str], int], *, now: datetime) -> None:
    moves_money = (Account.CLEARING, "") in lines
    ledger.book(
        source_key=f"dispute:{what}:{dispute.gateway_id}",
        kind=Kind.DISPUTE,
        currency=dispute.currency,
        lines=lines,
        now=now,
        reference=dispute.gateway_id if moves_money else "",
        invoice_id=dispute.attempt.invoice_id,
    )


def _book_loss(dispute: Dispute, attempt: PaymentAttempt, *, now: datetime) -> None:
    """What is withheld is gone: with its tax, and with the service that will not be given."""
    invoice = attempt.invoice
    forfeited = crediting.forfeit(attempt, dispute.amount)
    if forfeited is not None:
        # The charge paid no invoice but became credit; what was spent of it meanwhile is lost to us.
        lines = {
            (Account.CREDIT, ""): forfeited,
            (Account.BAD_DEBT, ""): dispute.amount - forfeited,
            (Account.DISPUTES, ""): -dispute.amount,
        }
        _book(dispute, "lost", lines, now=now)
        return
    if invoice.kind == Invoice.Kind.ONE_OFF:
        lines = {gift_sales.give_up(invoice.pk): dispute.amount, (Account.DISPUTES, ""): -dispute.amount}
        _book(dispute, "lost", lines, now=now)
        return
    whole, given = refunds.parts_of(invoice), refunds.given_back(invoice)
    lost = amounts.refund_parts(whole, refunded=given, amount=min(dispute.amount, whole.gross - given.gross))
    unserved = recognition.give_up(
        source_key=f"dispute:{dispute.gateway_id}", invoice=invoice, amount=lost.net, now=now
    )
    _book(
        dispute,
        "lost",
        {
            (Account.DEFERRED, ""): unserved,
            (Account.REFUNDS, ""): lost.net - unserved,
            (Account.TAX, invoice.country): lost.tax,
            (Account.DISPUTES, ""): -dispute.amount,
        },
        now=now,
    )
