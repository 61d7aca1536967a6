"""Customers (docs.stripe.com/api/customers)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.store import Object
from local.standin.wire import Params, merge_metadata

TEXTS = ("name", "email", "phone", "description")
WRITABLE = frozenset(
    {*TEXTS, "metadata", "address", "shipping", "invoice_settings", "preferred_locales", "payment_method", "tax_exempt"}
)


def create(call: Call) -> Object:
    """Make a customer."""
    customer = {
        "id": call.world.new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.world.now(),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": call.request_id[-8:].upper(),
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
    }
    _write(customer, call.params)
    call.world.store.add(customer)
    call.tell("customer.created", customer)
    return customer


def retrieve(call: Call) -> Object:
    """Answer a customer; a deleted one answers that it is deleted."""
    found = call.world.store.find("customer", call.id)
    if found and found.get("deleted"):
        return {"id": call.id, "object": "customer", "deleted": True}
    return call.world.get("customer", call.id)


def update(call: Call) -> Object:
    """Change a customer."""
    customer = call.world.get("customer", call.id)
    _write(customer, call.params)
    call.world.store.save(customer)
    call.tell("customer.updated", customer)
    return customer


def delete(call: Call) -> Object:
    """Delete a customer for good; what it paid stays."""
    customer = call.world.get("customer", call.id)
    call.world.store.save(customer | {"deleted": True, "email": None, "name": None})
    for method in call.world.store.page("payment_method", limit=100, customer=call.id)[0]:
        call.world.store.save(method | {"customer": None, "used": True})
    call.tell("customer.deleted", customer)
    return {"id": call.id, "object": "customer", "deleted": True}


def listing(call: Call) -> Object:
    """Answer customers, newest first."""
    return call.listing("customer", "/v1/customers")


def payment_methods(call: Call) -> Object:
    """Answer a customer's payment methods."""
    call.world.get("customer", call.id)
    return call.listing("payment_method", f"/v1/customers/{call.id}/payment_methods", customer=call.id)


def _write(customer: Object, params: Params) -> None:
    for name in TEXTS:
        if name in params:
            customer[name] = params[name] or None
    customer["metadata"] = merge_metadata(customer["metadata"], params.get("metadata"))
    for name in ("address", "shipping", "preferred_locales", "tax_exempt"):
        if name in params:
            customer[name] = params[name]
    if isinstance(params.get("invoice_settings"), dict):
        customer["invoice_settings"] |= params["invoice_settings"]
