"""Customers (docs.stripe.com/api/customers)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.store import Object
from local.standin.wire import Kind, Params, anything, members, merge_metadata, metadata, one_of, text, texts

TEXTS = ("name", "email", "phone", "description")
KINDS: dict[str, Kind] = {
    **dict.fromkeys(TEXTS, text),
    "address": anything,
    "invoice_settings": members(default_payment_method=text),
    "metadata": metadata,
    "preferred_locales": texts,
    "shipping": anything,
    "tax_exempt": one_of("none", "exempt", "reverse"),
}


def create(call: Call) -> Object:
    """Make a customer."""
    customer: Object = {
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
    _write(call, customer)
    call.world.store.add(customer, parent=customer["email"])
    call.tell("customer.created", customer)
    return customer


def retrieve(call: Call) -> Object:
    """Answer a customer; a deleted one answers that it is deleted."""
    return call.world.store.find("deleted_customer", call.id) or call.world.get("customer", call.id)


def update(call: Call) -> Object:
    """Change a customer."""
    customer = call.world.get("customer", call.id)
    _write(call, customer)
    call.world.store.save(customer, parent=customer["email"] or "")
    call.tell("customer.updated", customer)
    return customer


def delete(call: Call) -> Object:
    """Delete a customer for good, with its cards; what it paid stays."""
    customer = call.world.get("customer", call.id)
    for method in call.world.store.everything("payment_method", customer=call.id):
        call.world.store.save(method | {"customer": None})
        call.world.store.hide(method["id"], "used")
    deleted = {"id": call.id, "object": "customer", "deleted": True}
    call.world.store.save(deleted, kind="deleted_customer")
    call.tell("customer.deleted", customer)
    return deleted


def listing(call: Call) -> Object:
    """Answer customers, newest first; by their exact address."""
    return call.listing("customer", "/v1/customers", parents=[call.params.get("email")])


def payment_methods(call: Call) -> Object:
    """Answer a customer's payment methods."""
    call.world.get("customer", call.id)
    return call.listing(
        "payment_method", f"/v1/customers/{call.id}/payment_methods", customer=call.id, members=("type",)
    )


def _write(call: Call, customer: Object) -> None:
    params: Params = call.params
    for name in TEXTS:
        if name in params:
            customer[name] = params[name] or None
    customer["metadata"] = merge_metadata(customer["metadata"], params.get("metadata"))
    for name in ("address", "shipping", "preferred_locales", "tax_exempt"):
        if name in params:
            customer[name] = params[name]
    settings = params.get("invoice_settings", {})
    if "default_payment_method" in settings:
        method = call.world.get(
            "payment_method",
            settings["default_payment_method"],
            param="invoice_settings[default_payment_method]",
            name="PaymentMethod",
        )
        customer["invoice_settings"]["default_payment_method"] = method["id"]
