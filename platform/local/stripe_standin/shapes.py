"""The fields of every kind of object, as Stripe's API version 2026-10-28 answers them, before anything is known.

Objects are stored without what still equals their shape, so a shape may gain fields but must not
change the meaning of one.
"""

from __future__ import annotations

from typing import Any

import orjson

_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
BILLING_DETAILS: dict[str, Any] = {"address": _ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}

EVIDENCE = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
]

_SHAPES: dict[str, dict[str, Any]] = {
    "customer": {
        "address": None,
        "balance": 0,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": None,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    },
    "payment_method": {
        "allow_redisplay": "unspecified",
        "billing_details": BILLING_DETAILS,
        "card": None,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    },
    "setup_intent": {
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": None,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    },
    "setup_attempt": {
        "application": None,
        "customer": None,
        "customer_account": None,
        "flow_directions": None,
        "livemode": False,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_details": {"type": "card", "card": {}},
        "setup_error": None,
        "setup_intent": None,
        "status": "succeeded",
        "usage": "off_session",
    },
    "payment_intent": {
        "amount": 0,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": None,
        "confirmation_method": "automatic",
        "currency": None,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"installments": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    },
    "charge": {
        "amount": 0,
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": BILLING_DETAILS,
        "calculated_statement_descriptor": "STREAMING",
        "captured": False,
        "currency": None,
        "customer": None,
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": None,
        "payment_method": None,
        "payment_method_details": None,
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    },
    "refund": {
        "amount": 0,
        "balance_transaction": None,
        "charge": None,
        "currency": None,
        "customer": None,
        "customer_account": None,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": None,
        "payment_method": None,
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    },
    "dispute": {
        "amount": 0,
        "balance_transactions": [],
        "charge": None,
        "currency": None,
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": None,
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": None,
        "payment_method_details": None,
        "reason": "general",
        "status": "needs_response",
    },
    "radar.early_fraud_warning": {
        "actionable": True,
        "charge": None,
        "fraud_type": "misc",
        "livemode": False,
        "payment_intent": None,
    },
    "balance_transaction": {
        "amount": 0,
        "available_on": 0,
        "balance_type": "payments",
        "currency": None,
        "description": None,
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": 0,
        "reporting_category": "charge",
        "source": None,
        "type": "charge",
    },
    "webhook_endpoint": {
        "api_version": None,
        "application": None,
        "description": None,
        "enabled_events": ["*"],
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": None,
    },
}

# Parsed anew for each object, which is quicker than a deep copy and shares no mutable part.
_ENCODED = {kind: orjson.dumps(shape) for kind, shape in _SHAPES.items()}

PREFIXES = {
    "customer": "cus",
    "payment_method": "pm",
    "setup_intent": "seti",
    "setup_attempt": "setatt",
    "payment_intent": "pi",
    "charge": "ch",
    "refund": "re",
    "dispute": "dp",
    "radar.early_fraud_warning": "issfr",
    "balance_transaction": "txn",
    "webhook_endpoint": "we",
    "event": "evt",
}


def blank(kind: str) -> dict[str, Any]:
    """Answer a new object of a kind, without id and date."""
    shape: dict[str, Any] = orjson.loads(_ENCODED[kind])
    return shape


def pack(thing: dict[str, Any]) -> bytes:
    """Answer an object as it is stored."""
    shape = _SHAPES[thing["object"]]
    return orjson.dumps(
        {name: value for name, value in thing.items() if name not in shape or shape[name] != value},
    )


def unpack(kind: str, packed: bytes) -> dict[str, Any]:
    """Answer an object as it was before it was stored."""
    stored: dict[str, Any] = orjson.loads(packed)
    return stored if stored.get("deleted") else {**blank(kind), **stored}
