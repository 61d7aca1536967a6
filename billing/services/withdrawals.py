"""Withdrawing from the contract while the law of the country allows it, with the money back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from billing import amounts
from billing.models import (
    Invoice,
    InvoiceLine,
    PaymentAttempt,
    Refund,
    Subscription,
    Withdrawal,
)
from billing.rules import Status
from billing.selectors import consumers
from billing.services import consents, crediting, letters, refunds, settlement, taking_back
from billing.services.letters import Letter
from billing.services.settlement import Changes
from billing.services.subscriptions import NoSubscription, PaymentUnderWay
from core import idempotency
from core.errors import DomainError
from core.idempotency import RequestKey
from core.money import Money


class WithdrawalNotPossible(DomainError):
    """The law of the country gives no such right, or its time is over; `until` says when it was."""

    code: ClassVar[str] = "withdrawal_not_possible"
    title: ClassVar[str] = "The time for withdrawing from this contract is over, or there is none. Cancel instead."
    status: ClassVar[int] = 409


@transaction.atomic
def withdraw(*, account_id: UUID, now: datetime, by: str, request_key: RequestKey | None = None) -> Withdrawal:
    """Withdraw from the contract of the live subscription: it ends now, and what was paid is given back.

    Whoever asked for the service at once pays for the days until today where the law has it so; anybody else
    gets everything. The refund needs no approval, since it is owed. A change of plan that waits for the customer is
    given up, and a refund that waits for a second person is refused. The same request key again answers what was made.
    Raises NoSubscription, WithdrawalNotPossible, PaymentUnderWay.
    """
    if request_key is not None:
        idempotency.claim(request_key, now=now)
        mine = Withdrawal.objects.filter(subscription__account=account_id, request_key=request_key.id)
        if made_before := mine.first():
            return made_before
    subscription = Subscription.objects.locked().live().select_related("price").filter(account=account_id).first()
    if subscription is None:
        raise NoSubscription
    law = consumers.law_of(subscription.country)
    until = consumers.withdrawal_ends(subscription, law)
    if until is None or now >= until:
        raise WithdrawalNotPossible(until=until.isoformat() if until else None)
    underway = PaymentAttempt.objects.filter(invoice__subscription=subscription, state__in=PaymentAttempt.OPEN)
    # Its invoice is void from here on, so the sweep withdraws the payment.
    given_up = Q(invoice__kind=Invoice.Kind.CHANGE, state=PaymentAttempt.State.REQUIRES_ACTION)
    if subscription.status == Status.INCOMPLETE or underway.exclude(given_up).exists():
        raise PaymentUnderWay
    invoices = list(Invoice.objects.locked().filter(subscription=subscription).prefetch_related("lines"))
    paid = [invoice for invoice in invoices if invoice.status == Invoice.Status.PAID]
    list(PaymentAttempt.objects.locked().filter(invoice__in=invoices))
    # What the law owes waits for nobody's approval; what they ask for would count as given back.
    refunds.refuse_waiting(Q(invoice__in=paid), "withdrawn", now=now)
    if Refund.objects.filter(invoice__in=invoices, owed_again=True, state=Refund.State.APPROVED).exists():
        # It is a debt, which is forgiven, once it is sent: within minutes.
        raise PaymentUnderWay
    pro_rata = law.withdrawal_pro_rata and consents.asked_to_begin_at_once(subscription)
    today = now.astimezone(ZoneInfo(subscription.billing_tz)).date()
    crediting.lock([invoice.pk for invoice in invoices])
    changes = Changes()
    back, kept = _give_back(paid, on=today if pro_rata else None, by=by, now=now)
    for invoice in invoices:
        if invoice.status == Invoice.Status.OPEN:
            invoice.status = Invoice.Status.VOID
            changes.invoices[invoice.pk] = invoice
    settlement.cancel(subscription, changes, by=by, reason="withdrawn", now=now)
    changes.write(now=now)
    made = Withdrawal.objects.create(
        subscription=subscription,
        request_key=request_key.id if request_key else None,
        at=now,
        by=by,
        pro_rata=pro_rata,
        currency=subscription.price.currency,
        refunded=back,
        kept=kept,
    )
    letters.write([Letter("withdrawn", subscription, {"amount": Money(back, made.currency)})], now=now)
    return made


def _give_back(paid: Sequence[Invoice], *, on: date | None, by: str, now: datetime) -> tuple[int, int]:
    """Refund locked paid invoices: what the days from `on` are worth, or everything. Answers what is given and kept.

    A change of plan that came to less than nothing lessens it, since it was given as credit; what is left of that
    credit becomes money again.
    """
    left = [refunds.refundable(invoice) if invoice.total > 0 else invoice.total for invoice in paid]
    worth = [sum(_unused(line, on=on) for line in invoice.lines.all()) for invoice in paid] if on else left
    owed = [
        min(of_it, unused) if invoice.total > 0 else unused
        for invoice, of_it, unused in zip(paid, left, worth, strict=True)
    ]
    most = [max(0, amount) if invoice.total > 0 else 0 for invoice, amount in zip(paid, owed, strict=True)]
    back = min(sum(most), max(0, sum(owed)))
    undone = 0
    for invoice in paid:
        if invoice.total < 0:
            undone += taking_back.take_back(invoice, at_most=sum(most) - back - undone, now=now)
    to_give = back = back + undone
    for invoice, at_most in zip(paid, most, strict=True):
        if amount := min(at_most, to_give):
            refunds.request(invoice_id=invoice.pk, amount=amount, reason="withdrawal", by=by, now=now, owed_by_law=True)
            to_give -= amount
    return back, max(0, sum(left) + undone - back)


def _unused(line: InvoiceLine, *, on: date) -> int:
    """Answer what the days from `on` are worth of a line, tax included; the day of withdrawing is not paid for."""
    if line.service_start is None or line.service_end is None:
        return line.amount
    days = (line.service_end - line.service_start).days
    remaining = (line.service_end - max(on, line.service_start)).days
    return amounts.share(line.amount, max(0, remaining), days)
