"""From a card to money: what happens to a PaymentIntent once it is confirmed."""

from __future__ import annotations

from dataclasses import dataclass

from local.stripe_standin import cards
from local.stripe_standin.cards import Decline, RefundFate
from local.stripe_standin.money import processing_fee
from local.stripe_standin.resources import balance, charges, payment_methods
from local.stripe_standin.resources.intents import next_action, unexpected
from local.stripe_standin.work import Thing, Work, public


@dataclass(frozen=True)
class Circumstances:
    """How a PaymentIntent is being confirmed."""

    off_session: bool = False
    """The customer is not there, so cannot authenticate."""
    fails_on_action: bool = False
    """An answer is wanted now: a payment that asks for authentication counts as declined."""
    return_url: str | None = None
    authenticated: bool = False
    """The customer has just proved to the bank who they are."""


def pay(work: Work, intent: Thing, method: Thing, circumstances: Circumstances) -> None:
    """Try to collect the amount from a card; raises CardError, with the failed charge kept, if it is declined."""
    card = payment_methods.behaviour(method)
    intent.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    work.save(intent)
    if card.authentication_fails:
        _decline(work, intent, method, cards.GENERIC)
    if not circumstances.authenticated and payment_methods.needs_authentication(
        method, off_session=circumstances.off_session
    ):
        if circumstances.off_session or circumstances.fails_on_action:
            _decline(work, intent, method, cards.AUTHENTICATION_REQUIRED)
        intent.update(status="requires_action", next_action=next_action(intent, circumstances.return_url))
        work.emit("payment_intent.requires_action", intent)
        return
    if decline := card.on_attach or card.on_charge:
        _decline(work, intent, method, decline)
    _succeed(work, intent, method, authenticated=circumstances.authenticated)


def _decline(work: Work, intent: Thing, method: Thing, decline: Decline) -> None:
    charge = charges.make(work, intent, method, authenticated=False)
    charge.update(
        failure_code=decline.code,
        failure_message=decline.message,
        outcome=charges.declined(decline, method),
        status="failed",
    )
    intent.update(
        last_payment_error=payment_methods.last_error(decline, method, charge=charge["id"]),
        latest_charge=charge["id"],
        payment_method=None,
        status="requires_payment_method",
    )
    work.emit("charge.failed", charge)
    work.emit("payment_intent.payment_failed", intent)
    raise decline.error(
        charge=charge["id"],
        payment_intent=public(intent),
        payment_method=public(method),
        **payment_methods.network_advice(decline, method),
    )


def _succeed(work: Work, intent: Thing, method: Thing, *, authenticated: bool) -> None:
    charge = charges.make(work, intent, method, authenticated=authenticated)
    captured = intent["capture_method"] != "manual"
    charge.update(captured=captured, paid=True, outcome=charges.approved())
    intent["latest_charge"] = charge["id"]
    if intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach(work, method, intent["customer"])
        method["_set_up"] = True
        work.save(method)
    elif method["customer"] is None:
        method["_spent"] = True
        work.save(method)
    if captured:
        settle(work, intent, charge, intent["amount"])
        work.emit("payment_intent.succeeded", intent)
    else:
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        work.emit("charge.succeeded", charge)
        work.emit("payment_intent.amount_capturable_updated", intent)
    card = payment_methods.behaviour(method)
    if card.refund is not RefundFate.SUCCEEDS:
        charge["_refund"] = card.refund.value
    if card.dispute_reason:
        work.later(0, "open_dispute", charge)
    if card.fraud_warning:
        work.later(0, "warn_of_fraud", charge)


def settle(work: Work, intent: Thing, charge: Thing, amount: int) -> None:
    """Take the money of an approved charge."""
    charge["amount_captured"] = amount
    entry = balance.book(
        work, charge, kind="charge", amount=amount, fee=processing_fee(amount, charge["currency"]),
        description=charge["description"],
    )  # fmt: skip
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    if intent["capture_method"] == "automatic_async":
        # As with Stripe, the answer and this event come before the balance transaction is known.
        work.emit("charge.succeeded", charge)
        charge["balance_transaction"] = entry["id"]
        work.unsettled.add(charge["id"])
        work.emit("charge.updated", charge, previous={"balance_transaction": None})
    else:
        charge["balance_transaction"] = entry["id"]
        if intent["capture_method"] == "automatic":
            work.emit("charge.succeeded", charge)
    work.save(charge)
    work.save(intent)


def authenticate(work: Work, intent: Thing, *, succeed: bool) -> None:
    """End the bank's question to the customer; raises CardError if the payment is then declined."""
    if intent["status"] != "requires_action":
        raise unexpected(
            intent, f"This PaymentIntent has a status of {intent['status']}: nothing waits for the customer."
        )
    method = payment_methods.get(work, intent["payment_method"])
    if succeed:
        return_url = (intent["next_action"].get("redirect_to_url") or {}).get("return_url")
        pay(work, intent, method, Circumstances(authenticated=True, return_url=return_url))
        return
    error = unexpected(
        intent,
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    )
    intent.update(
        last_payment_error={
            "code": "payment_intent_authentication_failure",
            "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
            "message": error.message,
            "payment_method": public(method),
            "type": "invalid_request_error",
        },
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    work.save(intent)
    work.emit("payment_intent.payment_failed", intent)
