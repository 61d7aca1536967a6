"""Charges: what a PaymentIntent did to a card. They are made by PaymentIntents and only read here."""

from __future__ import annotations

from typing import Any

from local.stripe_standin.cards import Decline
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import PAGE, RANGE, text
from local.stripe_standin.resources.payment_methods import network_advice
from local.stripe_standin.work import Thing, Work, public


@operation("GET", "/v1/charges", {**PAGE, "created": RANGE, "customer": text(), "payment_intent": text()})
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(
        work,
        "charge",
        params,
        "/v1/charges",
        customer=params.get("customer"),
        payment_intent=params.get("payment_intent"),
    )


@operation("GET", "/v1/charges/{charge}")
def retrieve(work: Work, params: dict[str, Any], charge: str) -> Thing:
    return public(work.get("charge", charge))


def make(work: Work, intent: Thing, method: Thing, *, authenticated: bool) -> Thing:
    """Make the charge of a PaymentIntent; the caller says what became of it."""
    card = method["card"]
    return work.new(
        "charge",
        amount=intent["amount"],
        billing_details=method["billing_details"],
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        metadata=dict(intent["metadata"]),
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={
            "type": "card",
            "card": {
                "amount_authorized": intent["amount"],
                "authorization_code": None,
                "brand": card["brand"],
                "checks": card["checks"],
                "country": card["country"],
                "exp_month": card["exp_month"],
                "exp_year": card["exp_year"],
                "extended_authorization": {"status": "disabled"},
                "fingerprint": card["fingerprint"],
                "funding": card["funding"],
                "incremental_authorization": {"status": "unavailable"},
                "installments": None,
                "last4": card["last4"],
                "mandate": None,
                "multicapture": {"status": "unavailable"},
                "network": card["brand"],
                "network_token": {"used": False},
                "network_transaction_id": None,
                "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
                "regulated_status": "unregulated",
                "three_d_secure": _THREE_D_SECURE if authenticated else None,
                "wallet": None,
            },
        },
        receipt_email=intent["receipt_email"],
        shipping=intent["shipping"],
        statement_descriptor=intent["statement_descriptor"],
        statement_descriptor_suffix=intent["statement_descriptor_suffix"],
    )


_THREE_D_SECURE = {
    "authentication_flow": "challenge",
    "electronic_commerce_indicator": "05",
    "exemption_indicator": None,
    "result": "authenticated",
    "result_reason": None,
    "transaction_id": None,
    "version": "2.2.0",
}


def approved() -> Thing:
    """Answer the outcome of a payment that went through."""
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def declined(decline: Decline, method: Thing) -> Thing:
    """Answer the outcome of a payment that its bank declined."""
    return {
        "advice_code": decline.advice,
        "network_advice_code": network_advice(decline, method).get("network_advice_code"),
        "network_decline_code": decline.network_code,
        "network_status": "declined_by_network",
        "reason": decline.decline_code,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
