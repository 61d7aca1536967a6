"""Gifts: bought, delivered on their day, redeemed once, given back before that, ended as the law says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import ClassVar
from uuid import UUID

from babel.dates import format_date
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.utils.translation import get_language, gettext, to_locale

from accounts.services import mails
from billing import amounts
from billing.gateway import Gateway, OutcomeKind
from billing.models import (
    CreditGrant,
    Gift,
    PaymentAttempt,
    PaymentCustomer,
    PaymentMethod,
    Price,
    Refund,
    Subscription,
)
from billing.services import crediting, gift_codes, gift_sales, invoicing, payments, plans, refunds, setbacks
from billing.services.setbacks import Sweep
from billing.services.subscriptions import PaymentFailed, PaymentMethodRequired
from core import idempotency, money
from core.errors import DomainError
from core.idempotency import RequestKey
from core.ids import new_id
from core.money import Money

SMALLEST, LARGEST = 10, 1000
"""In the smallest charges that a currency has: USD 5 to 500."""
REFUNDABLE_FOR = timedelta(days=14)
TRIES = 10
"""Wrong codes an account may try within LOCKED_FOR of the first."""
LOCKED_FOR = timedelta(hours=1)
BATCH = 100

State = Gift.State


class GiftAmountNotOffered(DomainError):
    """Too small, too large, or in a currency that nothing here is sold in."""

    code: ClassVar[str] = "gift_amount_not_offered"
    title: ClassVar[str] = "A gift of this amount cannot be bought."
    status: ClassVar[int] = 409


class GiftNotFound(DomainError):
    """No such gift of this account."""

    code: ClassVar[str] = "gift_not_found"
    title: ClassVar[str] = "There is no such gift."
    status: ClassVar[int] = 404


class GiftNotRefundable(DomainError):
    """Redeemed, ended, given back already, or too old for its buyer to give back."""

    code: ClassVar[str] = "gift_not_refundable"
    title: ClassVar[str] = "This gift cannot be given back: it is redeemed, has ended, or was bought too long ago."
    status: ClassVar[int] = 409


class GiftNotValid(DomainError):
    """Unknown, redeemed, ended or given back: whoever guesses learns nothing."""

    code: ClassVar[str] = "gift_not_valid"
    title: ClassVar[str] = "This gift code cannot be redeemed."
    status: ClassVar[int] = 409


class GiftOfAnotherCurrency(DomainError):
    """The gift is good, and could pay nothing of the account's subscription."""

    code: ClassVar[str] = "gift_of_another_currency"
    title: ClassVar[str] = "This gift is in another currency than your subscription. It has not been redeemed."
    status: ClassVar[int] = 409


class TooManyWrongCodes(DomainError):
    """So many wrong codes were tried that right ones are refused, too, for an hour."""

    code: ClassVar[str] = "too_many_wrong_codes"
    title: ClassVar[str] = "Too many wrong codes. Try again in an hour."
    status: ClassVar[int] = 429


# ---------------------------------------------------------------- buying


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to give. Without an address the buyer prints it."""

    amount: int
    currency: str
    language: str
    deliver_at: datetime | None = None
    sender_name: str = ""
    recipient_name: str = ""
    recipient_email: str = ""
    message: str = ""


@dataclass(frozen=True)
class Bought:
    """A gift and where its payment stands: succeeded, requires_action (with the secret to confirm it) or unknown."""

    gift: Gift
    payment: OutcomeKind
    client_secret: str = ""


def buy(
    *, account_id: UUID, wanted: Wanted, country: str, request_key: RequestKey, gateway: Gateway, now: datetime
) -> Bought:
    """Charge the default card for a gift; it can be redeemed once that has succeeded.

    The same request key again charges nothing twice. Raises GiftAmountNotOffered, PaymentMethodRequired,
    PaymentFailed.
    """
    gift = _begin(account_id=account_id, wanted=wanted, country=country, request_key=request_key, now=now)
    attempts = PaymentAttempt.objects.filter(invoice=gift.invoice_id).order_by("-n")
    outcomes = payments.send([attempts.values_list("pk", flat=True)[0]], gateway=gateway, now=now)
    attempt = attempts[0]
    gift.refresh_from_db()
    match PaymentAttempt.State(attempt.state):
        case PaymentAttempt.State.SUCCEEDED:
            return Bought(gift, OutcomeKind.SUCCEEDED)
        case PaymentAttempt.State.REQUIRES_ACTION:
            outcome = outcomes.get(attempt.pk) or gateway.charge_status(attempt.gateway_id)
            return Bought(gift, OutcomeKind.REQUIRES_ACTION, outcome.client_secret)
        case PaymentAttempt.State.FAILED | PaymentAttempt.State.CANCELED:
            raise PaymentFailed(decline_code=attempt.decline_code)
        case _:
            return Bought(gift, OutcomeKind.UNKNOWN)


@transaction.atomic
def _begin(*, account_id: UUID, wanted: Wanted, country: str, request_key: RequestKey, now: datetime) -> Gift:
    """Commit gift, invoice and attempt, or find those of the same request."""
    idempotency.claim(request_key, now=now)
    begun = Gift.objects.filter(request_key=request_key.id, buyer=account_id).first()
    if begun is not None:
        return begun
    check_amount(amount=wanted.amount, currency=wanted.currency)
    card = PaymentMethod.objects.usable().filter(account=account_id, is_default=True).first()
    customer = PaymentCustomer.objects.filter(account=account_id).first()
    if card is None or customer is None:
        raise PaymentMethodRequired
    gift_id = new_id()
    invoice = invoicing.bill_gift(
        account_id=account_id,
        gift_id=gift_id,
        amount=wanted.amount,
        currency=wanted.currency,
        card=card,
        customer=customer.gateway_id,
        now=now,
    )
    return Gift.objects.create(
        id=gift_id,
        buyer_id=account_id,
        request_key=request_key.id,
        invoice=invoice,
        amount=wanted.amount,
        currency=wanted.currency,
        country=country,
        code_hash=gift_codes.new_hash(gift_id),
        sender_name=wanted.sender_name,
        recipient_name=wanted.recipient_name,
        recipient_email=wanted.recipient_email,
        message=wanted.message,
        language=wanted.language,
        deliver_at=max(wanted.deliver_at or now, now),
        expires_on=ends_on(now.date(), country=country),
        created_at=now,
    )


def check_amount(*, amount: int, currency: str) -> None:
    """Raise GiftAmountNotOffered for what nobody can buy; it says what can be bought."""
    sold = sorted(set(Price.objects.current().filter(plan__on_sale=True).values_list("currency", flat=True)))
    if currency not in sold:
        said = gettext("Gifts can be bought in these currencies: %(currencies)s.") % {"currencies": ", ".join(sold)}
        raise GiftAmountNotOffered(said if sold else "", currencies=sold)
    minimum = amounts.minimum_charge(currency)
    bounds = {"smallest": SMALLEST * minimum, "largest": LARGEST * minimum}
    shown = {name: money.shown(Money(bound, currency)) for name, bound in bounds.items()}
    if not bounds["smallest"] <= amount <= bounds["largest"]:
        raise GiftAmountNotOffered(gettext("Choose an amount from %(smallest)s to %(largest)s.") % shown, **bounds)
    try:
        plans.check_amount(amount=amount, currency=currency)
    except plans.AmountNotChargeable as error:
        raise GiftAmountNotOffered(gettext("Choose an amount whose last digit is zero."), **bounds) from error


def ends_on(bought: date, *, country: str) -> date | None:
    """Answer the first day on which a gift bought somewhere cannot be redeemed; None where it never ends.

    Years are counted from the end of the year in which it was bought (GIFT_YEARS).
    """
    years = settings.GIFT_YEARS.get(country)
    return date(bought.year + years + 1, 1, 1) if years else None


# ---------------------------------------------------------------- delivering


def deliver_due(*, now: datetime) -> int:
    """Queue the mails of gifts whose day has come; answers how many."""
    waiting = setbacks.without(Sweep.GIFT_MAILS, Gift.objects.to_deliver(now), now=now).order_by("deliver_at")
    gift_ids = waiting.values_list("pk", flat=True)[:BATCH]
    return sum(setbacks.each(Sweep.GIFT_MAILS, gift_ids, partial(_deliver, now=now), now=now))


@transaction.atomic
def _deliver(gift_id: UUID, *, now: datetime) -> bool:
    gift = Gift.objects.to_deliver(now).filter(pk=gift_id).select_for_update(skip_locked=True).first()
    if gift is None:
        return False
    mails.enqueue(
        template="billing/email/gift",
        address=gift.recipient_email,
        language=gift.language,
        context={
            "amount": money.format(Money(gift.amount, gift.currency), gift.language),
            "sender": gift.sender_name,
            "recipient": gift.recipient_name,
            "message": gift.message,
            "code": gift_codes.code_of(gift),
            "gift_url": gift_codes.card_url(gift),
            "last_day": _last_day(gift, gift.language),
        },
        useful_for=gift_codes.MAIL_USEFUL_FOR,
        now=now,
    )
    gift.delivered_at = now
    gift.save(update_fields=["delivered_at"])
    return True


@dataclass(frozen=True)
class Card:
    """A gift as it is shown and printed; without a code it cannot be redeemed. The day is in the language at hand."""

    gift: Gift
    code: str
    last_day: str


def card(*, token: str) -> Card | None:
    """Answer what the page of a gift shows, by the token in its address."""
    gift_id = gift_codes.gift_of(token)
    gift = Gift.objects.filter(pk=gift_id).first() if gift_id is not None else None
    if gift is None:
        return None
    return Card(
        gift, gift_codes.code_of(gift) if gift_sales.redeemable(gift) else "", _last_day(gift, get_language() or "en")
    )


def _last_day(gift: Gift, language: str) -> str:
    """Write the last day on which a gift can be redeemed, or nothing where it never ends."""
    if gift.expires_on is None:
        return ""
    return str(format_date(gift.expires_on - timedelta(days=1), locale=to_locale(language)))


# ---------------------------------------------------------------- redeeming


def redeem(*, account_id: UUID, code: str, now: datetime, request_key: RequestKey | None = None) -> CreditGrant:
    """Turn a gift into credit of an account; the same request key again answers the same credit.

    Raises GiftNotValid, GiftOfAnotherCurrency, TooManyWrongCodes.
    """
    wrong = f"gift-codes:{account_id}"
    if cache.get(wrong, 0) >= TRIES:
        raise TooManyWrongCodes
    try:
        return _redeem(account_id=account_id, code=code, request_key=request_key, now=now)
    except GiftNotValid:
        cache.add(wrong, 0, timeout=LOCKED_FOR.total_seconds())
        cache.incr(wrong)
        raise


@transaction.atomic
def _redeem(*, account_id: UUID, code: str, request_key: RequestKey | None, now: datetime) -> CreditGrant:
    if request_key is not None:
        idempotency.claim(request_key, now=now)
    get_user_model().objects.select_for_update(no_key=True).get(pk=account_id)
    gift = Gift.objects.locked().filter(code_hash=gift_codes.hash_of(code)).first()
    if gift is not None and request_key is not None and gift.redeem_key == request_key.id:
        return CreditGrant.objects.get(source_key=f"gift:{gift.pk}")
    if (
        gift is None
        or not gift_sales.redeemable(gift)
        or (gift.expires_on is not None and now.date() >= gift.expires_on)
    ):
        raise GiftNotValid
    subscription = Subscription.objects.live().filter(account=account_id).select_related("price").first()
    if subscription is not None and subscription.price.currency != gift.currency:
        raise GiftOfAnotherCurrency(currency=gift.currency)
    gift.state, gift.redeemed_by_id, gift.redeemed_at = State.REDEEMED, account_id, now
    gift.redeem_key = request_key.id if request_key else None
    gift.save(update_fields=["state", "redeemed_by", "redeemed_at", "redeem_key"])
    return crediting.grant_gift(
        account_id=account_id,
        amount=gift.amount,
        currency=gift.currency,
        gift_id=gift.pk,
        by=f"account:{account_id}",
        now=now,
    )


# ---------------------------------------------------------------- giving back, ending


@transaction.atomic
def give_back(
    *,
    gift_id: UUID,
    by: str,
    now: datetime,
    account_id: UUID | None = None,
    request_key: RequestKey | None = None,
) -> Refund:
    """Refund a gift that nobody has redeemed: its buyer (`account_id`) within two weeks, staff at any time.

    From now on it cannot be redeemed. The same request key again answers the same refund. Raises GiftNotFound,
    GiftNotRefundable.
    """
    if request_key is not None:
        idempotency.claim(request_key, now=now)
    gift = Gift.objects.filter(pk=gift_id).first()
    if gift is None or account_id not in {None, gift.buyer_id}:
        raise GiftNotFound
    if request_key is not None and gift.refund_key == request_key.id:
        return Refund.objects.filter(invoice=gift.invoice_id).latest("pk")
    if account_id is not None and now >= gift.created_at + REFUNDABLE_FOR:
        raise GiftNotRefundable
    try:
        asked = refunds.request(
            invoice_id=gift.invoice_id, amount=gift.amount, reason="gift not redeemed", by=by, now=now
        )
    except refunds.NotRefundable as error:
        raise GiftNotRefundable from error
    if request_key is not None:
        # Its invoice is locked, and with it whoever else would give it back.
        Gift.objects.filter(pk=gift.pk).update(refund_key=request_key.id)
    return asked


def expire_due(*, now: datetime) -> int:
    """End gifts whose last day is over; answers how many."""
    waiting = setbacks.without(Sweep.GIFT_ENDS, Gift.objects.to_expire(now.date()), now=now).order_by("pk")
    gift_ids = waiting.values_list("pk", flat=True)[:BATCH]
    return sum(setbacks.each(Sweep.GIFT_ENDS, gift_ids, partial(_expire, now=now), now=now))


@transaction.atomic
def _expire(gift_id: UUID, *, now: datetime) -> bool:
    gift = Gift.objects.locked().get(pk=gift_id)
    if not gift_sales.redeemable(gift):
        return False
    gift_sales.expire(gift, now=now)
    return True
