"""Saving cards: we ask for a SetupIntent, the customer's client confirms it at Stripe, we register the result.

Card numbers never come near us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction

from billing import rules
from billing.gateway import NOT_A_CARD, Card, Gateway, GatewayRefused, GatewayUnavailable, SetupIntent
from billing.models import (
    CardSetup,
    Invoice,
    PaymentAttempt,
    PaymentCustomer,
    PaymentMethod,
    Subscription,
    TaxPlace,
    WebhookEvent,
)
from billing.rules import Status
from billing.services import moving, payments, records
from core import idempotency
from core.errors import DomainError
from core.idempotency import RequestKey
from core.personal_data import Tally


class PaymentServiceUnavailable(DomainError):
    """Stripe gave no usable answer; nothing was changed or charged."""

    code: ClassVar[str] = "payment_service_unavailable"
    title: ClassVar[str] = "The payment service cannot be reached at the moment. Try again shortly."
    status: ClassVar[int] = 503


class CardSetupNotFound(DomainError):
    """No such SetupIntent was asked for by this account."""

    code: ClassVar[str] = "card_setup_not_found"
    title: ClassVar[str] = "There is no such card setup. Begin with POST /api/v1/payment-methods/setup."
    status: ClassVar[int] = 404


class CardSetupIncomplete(DomainError):
    """The customer has not completed it at Stripe, or the card was refused there."""

    code: ClassVar[str] = "card_setup_incomplete"
    title: ClassVar[str] = "The card is not confirmed yet. Confirm the setup with Stripe, then register it."
    status: ClassVar[int] = 409


class CardRequired(DomainError):
    """What was confirmed is a bank account or a wallet balance."""

    code: ClassVar[str] = "card_required"
    title: ClassVar[str] = "Only cards can be saved. Begin again with a card."
    status: ClassVar[int] = 409


@dataclass(frozen=True)
class StartedSetup:
    """What the customer's client needs to confirm a card at Stripe. The secret is stored nowhere."""

    setup_intent: str
    client_secret: str


def start_setup(*, account_id: UUID, request_key: RequestKey, gateway: Gateway, now: datetime) -> StartedSetup:
    """Ask Stripe for a SetupIntent; the same request again answers the same one.

    Raises PaymentServiceUnavailable.
    """
    setup = _record_setup(account_id=account_id, request_key=request_key, now=now)
    try:
        customer = _customer(account_id, gateway=gateway, now=now)
        intent = gateway.setup_intent(setup.gateway_id) if setup.gateway_id else None
        intent = intent or gateway.create_setup_intent(
            customer=customer, metadata={"setup": str(setup.pk)}, idempotency_key=f"seti_{setup.pk}"
        )
    except (GatewayUnavailable, GatewayRefused) as error:
        raise PaymentServiceUnavailable from error
    CardSetup.objects.filter(pk=setup.pk).update(gateway_id=intent.id)
    return StartedSetup(intent.id, intent.client_secret)


@transaction.atomic
def _record_setup(*, account_id: UUID, request_key: RequestKey, now: datetime) -> CardSetup:
    idempotency.claim(request_key, now=now)
    setup, _ = CardSetup.objects.get_or_create(
        request_key=request_key.id, defaults={"account_id": account_id, "created_at": now}
    )
    return setup


def _customer(account_id: UUID, *, gateway: Gateway, now: datetime) -> str:
    known = PaymentCustomer.objects.filter(account=account_id).first()
    if known is None:
        made = gateway.create_customer(account_id=str(account_id), idempotency_key=f"cus_{account_id}")
        # Two at once sent one key and were answered one customer.
        known, _ = PaymentCustomer.objects.get_or_create(
            account_id=account_id, defaults={"gateway_id": made, "created_at": now}
        )
    return known.gateway_id


def forget_customer(*, account_id: UUID, gateway: Gateway, tally: Tally) -> None:
    """Delete an account's customer at the gateway, with its cards, and every trace of it in what the gateway told us.

    Done twice it does nothing more. Raises PaymentServiceUnavailable.
    """
    customer = PaymentCustomer.objects.filter(account=account_id).first()
    if customer is None:
        return
    try:
        gateway.delete_customer(customer.gateway_id)
    except (GatewayUnavailable, GatewayRefused) as error:
        raise PaymentServiceUnavailable from error
    with transaction.atomic():
        told = WebhookEvent.objects.filter(payload__data__object__customer=customer.gateway_id)
        tally("billing.WebhookEvent", told.update(payload={}))
        tally("billing.PaymentCustomer", PaymentCustomer.objects.filter(pk=customer.pk).delete()[0])


def register(*, account_id: UUID, setup_intent: str, gateway: Gateway, now: datetime, seen: str = "") -> PaymentMethod:
    """Save the card of a confirmed SetupIntent as the account's default; the same again answers the same.

    What the client says is checked at Stripe. `seen` is the country that the request comes from, if it is known: card
    and request are evidence of where the customer is billed. An unpaid renewal is tried with the new card at once, in
    place of the queued retry; if an attempt with the old card is still open, as soon as it is not. Raises CardSetupNotFound, CardSetupIncomplete,
    CardRequired, PaymentServiceUnavailable.
    """
    if not CardSetup.objects.filter(account=account_id, gateway_id=setup_intent).exclude(gateway_id="").exists():
        raise CardSetupNotFound
    intent, card = _confirmed(setup_intent, gateway=gateway)
    customer = PaymentCustomer.objects.get(account=account_id).gateway_id
    if intent.customer != customer or card.customer not in {customer, ""}:
        raise CardSetupNotFound
    if not PaymentMethod.objects.filter(gateway_id=card.id).exists():
        _withdraw_waiting(account_id, gateway=gateway, now=now)
    return _save(account_id, card, seen=seen, now=now)


def _confirmed(setup_intent: str, *, gateway: Gateway) -> tuple[SetupIntent, Card]:
    try:
        intent = gateway.setup_intent(setup_intent)
        if intent is None:
            raise CardSetupNotFound
        if intent.status != "succeeded" or not intent.payment_method:
            raise CardSetupIncomplete
        return intent, gateway.card(intent.payment_method)
    except GatewayRefused as error:
        if error.code == NOT_A_CARD:
            raise CardRequired from error
        raise PaymentServiceUnavailable from error
    except GatewayUnavailable as error:
        raise PaymentServiceUnavailable from error


def _withdraw_waiting(account_id: UUID, *, gateway: Gateway, now: datetime) -> None:
    """Cancel what waits for authentication with the old card, so that the new one can be tried."""
    waiting = PaymentAttempt.objects.filter(
        state=PaymentAttempt.State.REQUIRES_ACTION,
        invoice__account=account_id,
        invoice__subscription__status__in=[Status.PAST_DUE, Status.ON_HOLD],
    )
    for attempt in waiting.order_by("pk"):
        payments.withdraw(attempt, gateway=gateway, now=now)


@transaction.atomic
def _save(account_id: UUID, card: Card, *, seen: str, now: datetime) -> PaymentMethod:
    # One card at a time per account: two at once would both clear and both set the default.
    get_user_model().objects.select_for_update(no_key=True).get(pk=account_id)
    known = PaymentMethod.objects.filter(account=account_id, gateway_id=card.id).first()
    if known is not None:
        return known
    PaymentMethod.objects.filter(account=account_id, is_default=True).update(is_default=False)
    saved = PaymentMethod.objects.create(
        account_id=account_id,
        gateway_id=card.id,
        brand=card.brand[:20],
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        country=card.country,
        fingerprint=card.fingerprint,
        wallet=card.wallet[:20],
        is_default=True,
        created_at=now,
    )
    retry_with_new_card(account_id, now=now)
    moving.review(account_id=account_id, cause=TaxPlace.Cause.CARD, seen=seen, now=now)
    return saved


def retry_with_new_card(account_id: UUID, *, now: datetime) -> None:
    """Let an unpaid renewal be tried at once with the default, in place of the queued retry."""
    unpaid = Subscription.objects.locked().filter(
        account=account_id, status__in=[Status.PAST_DUE, Status.ON_HOLD], parked_at=None, cancel_at=None
    )
    for subscription in unpaid:
        open_invoice = Invoice.objects.filter(
            subscription=subscription, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD
        )
        if open_invoice.exclude(attempts__state__in=PaymentAttempt.OPEN).exists():
            subscription.next_step, subscription.next_bill_at = rules.Step.RETRY, now
            subscription.claimed_until = None
            records.save(subscription, ["next_step", "next_bill_at", "claimed_until"])
