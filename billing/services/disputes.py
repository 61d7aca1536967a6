"""Disputes: a bank takes a payment back until it is decided whose it is.

While one is open the subscription is parked: nothing is charged and nothing refunded. A won one puts it back
into the schedule; a lost one ends it. A decision for the bank may still be reversed, never one for us: another try of
the bank is another dispute. So what was read late, and tells of an earlier time, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Q, Sum

from billing import amounts, rules
from billing.amounts import Taxed
from billing.gateway import DisputeState
from billing.models import Dispute, Invoice, JournalLine, PaymentAttempt, Subscription
from billing.services import crediting, endings, gift_sales, ledger, parking, recognition, refunds, settlement
from billing.services.ledger import Account, Kind
from billing.services.settlement import Changes

PARKED = "dispute_open"

Standing = Dispute.Standing


@transaction.atomic
def record(*, found: DisputeState, now: datetime) -> bool:
    """Record a dispute as the gateway has it now, any number of times; answers False if its payment is unknown."""
    attempt = PaymentAttempt.objects.filter(gateway_id=found.payment_intent).first()
    if attempt is None or not found.payment_intent:
        return False
    # A gift is bought without one.
    subscription = Subscription.objects.locked().filter(invoices=attempt.invoice_id).first()
    # Refunds of it wait, or have been written.
    attempt.invoice = endings.lock(attempt, subscription)
    dispute, _ = Dispute.objects.locked().get_or_create(
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
    dispute.attempt = attempt
    before, after = dispute.standing, Standing.of(found.status)
    if after < before or (dispute.status == "warning_closed" and after is Standing.ASKED):
        return True
    if before is Standing.ASKED:
        # What is withheld may be another amount than was asked about.
        dispute.amount, dispute.currency = found.amount, found.currency
    dispute.due_by, dispute.status = found.due_by, found.status[:30]
    if dispute.is_decided and dispute.closed_at is None:
        dispute.closed_at = now
    elif not dispute.is_decided:
        dispute.closed_at = None
    dispute.save(update_fields=["amount", "currency", "status", "closed_at", "due_by"])
    changes = Changes()
    if before is Standing.ASKED and after is not Standing.ASKED:
        # Before it is booked: what they ask for would count as given back.
        refunds.refuse_waiting(Q(invoice=attempt.invoice) | Q(attempt=attempt), "in dispute", now=now)
        if subscription and subscription.status in rules.LIVE and subscription.parked_at is None:
            settlement.park(subscription, PARKED, changes, now=now)
    if after is not before:
        _move(dispute, before, after, now=now)
    if after in {Standing.LOST, Standing.WON}:
        _put_back(subscription, dispute, changes, now=now)
    if after is Standing.LOST and subscription and subscription.status in rules.LIVE:
        endings.end_at_once(subscription, changes, reason="dispute_lost", now=now)
    changes.write(now=now)
    return True


def _put_back(subscription: Subscription | None, dispute: Dispute, changes: Changes, *, now: datetime) -> None:
    """Take a subscription up again once no dispute about it is open any more."""
    if subscription is None or subscription.parked_reason != PARKED:
        return
    if Dispute.objects.withholding().filter(attempt__invoice__subscription=subscription).exclude(pk=dispute.pk):
        return
    subscription.parked_at, subscription.parked_reason = None, ""
    if subscription.next_bill_at is not None:
        subscription.next_bill_at = max(subscription.next_bill_at, now)
        parking.await_charge(subscription)
    changes.subscriptions[subscription.pk] = subscription


# ---------------------------------------------------------------- books


def _move(dispute: Dispute, before: Standing, after: Standing, *, now: datetime) -> None:
    """Book what lies between two standings, each movement of money as the gateway has it."""
    amount = dispute.amount
    if before is Standing.ASKED:
        _book(dispute, "opened", {(Account.DISPUTES, ""): amount, (Account.CLEARING, ""): -amount}, now=now)
    if after is Standing.LOST:
        _book(dispute, "lost", _loss(dispute, now=now) | {(Account.DISPUTES, ""): -amount}, now=now)
    elif after is Standing.WON and before is Standing.LOST:
        _book(dispute, "won", _regained(dispute) | {(Account.CLEARING, ""): amount}, now=now)
    elif after is Standing.WON:
        _book(dispute, "won", {(Account.DISPUTES, ""): -amount, (Account.CLEARING, ""): amount}, now=now)


def _book(dispute: Dispute, what: str, lines: Mapping[tuple[Account, str], int], *, now: datetime) -> None:
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


def _loss(dispute: Dispute, *, now: datetime) -> dict[tuple[Account, str], int]:
    """Answer what is gone: with its tax, and with the service that will not be given; together the amount."""
    attempt, invoice = dispute.attempt, dispute.attempt.invoice
    if dispute.currency != invoice.currency:
        # What it is of the invoice nobody can say.
        return {(Account.BAD_DEBT, ""): dispute.amount}
    forfeited = crediting.forfeit(attempt, dispute.amount)
    if forfeited is not None:
        # The charge paid no invoice but became credit; what was spent of it meanwhile is lost to us.
        return {(Account.CREDIT, ""): forfeited, (Account.BAD_DEBT, ""): dispute.amount - forfeited}
    if invoice.kind == Invoice.Kind.ONE_OFF:
        return {gift_sales.give_up(invoice.pk): dispute.amount}
    whole, given, taken = refunds.parts_of(invoice), refunds.given_back(invoice), _lost_before(invoice)
    gone = Taxed(given.net + taken.net, given.tax + taken.tax)
    lost = amounts.refund_parts(whole, refunded=gone, amount=max(0, min(dispute.amount, whole.gross - gone.gross)))
    unserved = recognition.give_up(
        source_key=f"dispute:{dispute.gateway_id}", invoice=invoice, amount=lost.net, now=now
    )
    return {
        (Account.DEFERRED, ""): unserved,
        (Account.REFUNDS, ""): lost.net - unserved,
        (Account.TAX, invoice.country): lost.tax,
        # Banks may take more than was left: what had been given back already, or by another rate of exchange.
        (Account.BAD_DEBT, ""): dispute.amount - lost.gross,
    }


def _lost_before(invoice: Invoice) -> Taxed:
    """Answer what other disputes of an invoice have taken: some are of a part."""
    sums = dict(
        JournalLine.objects.filter(entry__invoice_id=invoice.pk, entry__kind=Kind.DISPUTE)
        .values_list("account")
        .annotate(Sum("amount"))
        .order_by()
    )
    net = sums.get(Account.DEFERRED, 0) + sums.get(Account.REFUNDS, 0)
    return Taxed(net, sums.get(Account.TAX, 0))


def _regained(dispute: Dispute) -> dict[tuple[Account, str], int]:
    """Answer what comes back of what was lost. The service was ended with it, so what was not earned is now."""
    lines: dict[tuple[Account, str], int] = {}
    lost = JournalLine.objects.filter(
        entry__invoice_id=dispute.attempt.invoice_id, entry__source_key=f"dispute:lost:{dispute.gateway_id}"
    ).exclude(account=Account.DISPUTES)
    for line in lost:
        account = Account.REFUNDS if line.account == Account.DEFERRED else Account(line.account)
        lines[account, line.country] = lines.get((account, line.country), 0) - line.amount
    if credit := -lines.get((Account.CREDIT, ""), 0):
        crediting.put_back(dispute.attempt, credit)
    if (Account.GIFTS, "") in lines:
        gift_sales.owe_again(dispute.attempt.invoice_id)
    return lines
