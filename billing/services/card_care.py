"""Saved cards after their saving: which is charged, which stands by, which goes, and what becomes of them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q

from accounts.services import mails
from billing import rules
from billing.gateway import Gateway, GatewayRefused, GatewayUnavailable
from billing.models import Invoice, PaymentAttempt, PaymentMethod, Subscription, TaxPlace
from billing.services import cards, moving, setbacks
from billing.services.setbacks import Sweep
from core.errors import DomainError

logger = logging.getLogger(__name__)

WARNED_BEFORE = timedelta(days=30)
WARNING_USEFUL_FOR = timedelta(days=7)
BATCH = 100


class CardNotFound(DomainError):
    """No such card of this account."""

    code: ClassVar[str] = "card_not_found"
    title: ClassVar[str] = "There is no such card."
    status: ClassVar[int] = 404


class LastCard(DomainError):
    """A subscription that goes on needs a card."""

    code: ClassVar[str] = "last_card"
    title: ClassVar[str] = "This card pays your subscription. Save another one first, or cancel the subscription."
    status: ClassVar[int] = 409


class CardInUse(DomainError):
    """A charge of this card has no outcome yet."""

    code: ClassVar[str] = "card_in_use"
    title: ClassVar[str] = "A payment with this card is under way. Try again in a minute."
    status: ClassVar[int] = 409


class DefaultCardCannotStandBy(DomainError):
    """The default card is charged first anyway."""

    code: ClassVar[str] = "default_card_cannot_stand_by"
    title: ClassVar[str] = "The default card is charged first. Choose another one to stand by."
    status: ClassVar[int] = 409


# ---------------------------------------------------------------- choosing


@transaction.atomic
def make_default(*, account_id: UUID, card_id: UUID, now: datetime) -> PaymentMethod:
    """Charge this card from now on. An unpaid renewal is tried with it at once, unless it was tried before.

    Raises CardNotFound.
    """
    chosen = _own(account_id, card_id)
    if chosen.is_default:
        return chosen
    PaymentMethod.objects.filter(account=account_id, is_default=True).update(is_default=False)
    chosen.is_default, chosen.is_backup = True, False
    chosen.save(update_fields=["is_default", "is_backup"])
    unpaid = Invoice.objects.filter(account=account_id, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD)
    if not PaymentAttempt.objects.filter(invoice__in=unpaid, payment_method=chosen).exists():
        cards.retry_with_new_card(account_id, now=now)
    moving.review(account_id=account_id, cause=TaxPlace.Cause.CARD, now=now)
    return chosen


@transaction.atomic
def stand_by(*, account_id: UUID, card_id: UUID, backup: bool) -> PaymentMethod:
    """Let a card stand by, or not any more: it takes turns with a default that is declined for the time being.

    Raises CardNotFound, DefaultCardCannotStandBy.
    """
    chosen = _own(account_id, card_id)
    if backup and chosen.is_default:
        raise DefaultCardCannotStandBy
    if backup:
        PaymentMethod.objects.filter(account=account_id, is_backup=True).update(is_backup=False)
    chosen.is_backup = backup
    chosen.save(update_fields=["is_backup"])
    return chosen


def _own(account_id: UUID, card_id: UUID) -> PaymentMethod:
    # One act upon an account's cards at a time: two at once would leave two defaults or none.
    get_user_model().objects.select_for_update(no_key=True).get(pk=account_id)
    found = PaymentMethod.objects.usable().filter(account=account_id, pk=card_id).first()
    if found is None:
        raise CardNotFound
    return found


# ---------------------------------------------------------------- removing


def remove(*, account_id: UUID, card_id: UUID, gateway: Gateway, now: datetime) -> None:
    """Forget a card, here and at the gateway. Of the default, the card that stands by or the newest takes the place.

    Raises CardNotFound, LastCard, CardInUse.
    """
    gateway_id = _remove(account_id, card_id, now=now)
    try:
        gateway.detach(gateway_id)
    except (GatewayRefused, GatewayUnavailable):
        # It is charged no more in any case.
        logger.warning("A removed card is still at the gateway.", extra={"card": gateway_id})


@transaction.atomic
def _remove(account_id: UUID, card_id: UUID, *, now: datetime) -> str:
    removed = _own(account_id, card_id)
    # A renewal that is being claimed has chosen its card: it is waited for, and its attempt is seen.
    list(Subscription.objects.locked().live().filter(account=account_id))
    others = PaymentMethod.objects.usable().filter(account=account_id).exclude(pk=card_id)
    goes_on = Subscription.objects.live().filter(account=account_id, cancel_at=None)
    successor = others.order_by("-is_backup", "-pk").first()
    if successor is None and goes_on.exists():
        raise LastCard
    if PaymentAttempt.objects.filter(payment_method=removed, state__in=PaymentAttempt.OPEN).exists():
        raise CardInUse
    was_default = removed.is_default
    removed.is_default, removed.is_backup, removed.removed_at = False, False, now
    removed.save(update_fields=["is_default", "is_backup", "removed_at"])
    if was_default and successor is not None:
        successor.is_default, successor.is_backup = True, False
        successor.save(update_fields=["is_default", "is_backup"])
        moving.review(account_id=account_id, cause=TaxPlace.Cause.CARD, now=now)
    return removed.gateway_id


# ---------------------------------------------------------------- what becomes of them


def refresh(*, gateway_id: str, gateway: Gateway) -> bool:
    """Show a card as its bank has it now, after an update; answers False if it is none of ours.

    It stays the same card: its tries go on being counted. Raises GatewayRefused, GatewayUnavailable.
    """
    known = PaymentMethod.objects.filter(gateway_id=gateway_id, removed_at=None)
    if not known.exists():
        return False
    card = gateway.card(gateway_id)
    known.update(
        brand=card.brand[:20],
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        country=card.country,
        wallet=card.wallet[:20],
    )
    return True


def warn_of_expiry(*, now: datetime) -> int:
    """Tell subscribers once of a default card that ends within thirty days, or has ended; answers how many."""
    day = (now + WARNED_BEFORE).date()
    ending = (
        PaymentMethod.objects.filter(
            is_default=True,
            account__subscriptions__status__in=rules.BILLABLE,
            account__subscriptions__cancel_at=None,
        )
        .filter(Q(exp_year__lt=day.year) | Q(exp_year=day.year, exp_month__lt=day.month))
        .exclude(expiry_warned=F("exp_year") * 100 + F("exp_month"))
    )
    waiting = setbacks.without(Sweep.CARD_WARNINGS, ending, now=now).order_by("pk")
    card_ids = waiting.values_list("pk", flat=True)[:BATCH]
    return sum(setbacks.each(Sweep.CARD_WARNINGS, card_ids, partial(_warn, now=now), now=now))


@transaction.atomic
def _warn(card_id: UUID, *, now: datetime) -> bool:
    card = PaymentMethod.objects.select_for_update(of=("self",)).select_related("account").get(pk=card_id)
    told = card.exp_year * 100 + card.exp_month
    if card.expiry_warned == told:
        return False
    card.expiry_warned = told
    card.save(update_fields=["expiry_warned"])
    mails.enqueue(
        template="billing/email/card_expiring",
        address=card.account.email,
        language=card.account.language,
        context={
            "brand": card.brand.capitalize(),
            "last4": card.last4,
            "ends": f"{card.exp_month:02d}/{card.exp_year}",
        },
        useful_for=WARNING_USEFUL_FOR,
        now=now,
    )
    return True
