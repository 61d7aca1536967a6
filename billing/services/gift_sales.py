"""What becomes of a gift when its invoice is paid, is not, or is given back: its state and its place in the books."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.contrib.auth import get_user_model

from accounts.services import mails
from billing.models import Dispute, FraudWarning, Gift, Refund
from billing.services import gift_codes, ledger
from billing.services.ledger import Account, Kind
from core import money
from core.money import Money

State = Gift.State


def lock(invoice_ids: Collection[UUID]) -> None:
    """Lock the gifts of locked invoices, before the credit that their settlement changes."""
    if invoice_ids:
        list(Gift.objects.locked().filter(invoice__in=invoice_ids))


def mark_sold(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Let gifts be redeemed whose locked invoices were just paid: from now on we owe them."""
    for gift in Gift.objects.locked().filter(invoice__in=invoice_ids, state__in=[State.UNPAID, State.VOID]):
        _move(gift, State.PAID)
        _book(gift, "gift_sold", {(Account.DEFERRED, ""): gift.amount, (Account.GIFTS, ""): -gift.amount}, now=now)
        _tell_buyer(gift, now=now)


def mark_unsold(invoice_ids: Collection[UUID]) -> None:
    """Let gifts be forgotten whose invoices nobody pays."""
    for gift in Gift.objects.locked().filter(invoice__in=invoice_ids, state=State.UNPAID):
        _move(gift, State.VOID)


def redeemable(gift: Gift) -> bool:
    """Answer whether nothing stands in a locked gift's way but perhaps its last day."""
    # A stolen card's gift is redeemed at once, and staff look at a warning tomorrow.
    warned = FraudWarning.objects.filter(attempt__invoice=gift.invoice_id, action=FraudWarning.Action.PARKED)
    return returnable(gift) and not warned.exists()


def returnable(gift: Gift) -> bool:
    """Answer whether a locked gift was paid and its money has not gone back, nor is about to."""
    refunds = Refund.objects.counted().filter(invoice=gift.invoice_id)
    disputes = Dispute.objects.blocking().filter(attempt__invoice=gift.invoice_id)
    return gift.state == State.PAID and not refunds.exists() and not disputes.exists()


def expire(gift: Gift, *, now: datetime) -> None:
    """End a locked gift that nobody redeemed: what we owed is revenue."""
    _move(gift, State.EXPIRED)
    _book(gift, "gift_expired", {(Account.GIFTS, ""): gift.amount, (Account.REVENUE, ""): -gift.amount}, now=now)


def give_up(invoice_id: UUID) -> tuple[Account, str]:
    """End the gift of an invoice whose money goes back; answers the account that it was owed in.

    What was redeemed already is lost to us.
    """
    gift = Gift.objects.locked().get(invoice=invoice_id)
    if gift.state == State.PAID:
        _move(gift, State.REFUNDED)
        return (Account.GIFTS, "")
    return (Account.BAD_DEBT, "")


def owe_again(invoice_id: UUID) -> None:
    """Let a gift be redeemed again whose refund came to nothing."""
    gift = Gift.objects.locked().get(invoice=invoice_id)
    if gift.state == State.REFUNDED:
        _move(gift, State.PAID)


def _move(gift: Gift, state: Gift.State) -> None:
    gift.state = state
    gift.save(update_fields=["state"])


def _book(gift: Gift, cause: str, lines: Mapping[tuple[Account, str], int], *, now: datetime) -> None:
    ledger.book(
        source_key=f"{cause}:{gift.pk}",
        kind=Kind.CREDIT,
        currency=gift.currency,
        lines=lines,
        now=now,
        invoice_id=gift.invoice_id,
    )


def _tell_buyer(gift: Gift, *, now: datetime) -> None:
    buyer = get_user_model().objects.get(pk=gift.buyer_id)
    mails.enqueue(
        template="billing/email/gift_bought",
        address=buyer.email,
        language=buyer.language,
        context={
            "amount": money.format(Money(gift.amount, gift.currency), buyer.language),
            "recipient": gift.recipient_name or gift.recipient_email,
            "by_mail": bool(gift.recipient_email),
            "at_once": bool(gift.recipient_email) and gift.deliver_at <= now,
            "gift_url": gift_codes.card_url(gift),
        },
        useful_for=gift_codes.MAIL_USEFUL_FOR,
        now=now,
    )
