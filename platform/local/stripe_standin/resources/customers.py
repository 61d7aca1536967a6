"""Customers."""

from __future__ import annotations

from typing import Any

from local.stripe_standin.errors import InvalidRequest, NotFound
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    ADDRESS,
    PAGE,
    RANGE,
    anything,
    array_of,
    choice,
    hash_of,
    merge_metadata,
    metadata,
    text,
    unsettable,
)
from local.stripe_standin.resources.payment_methods import attach, detach, resolve
from local.stripe_standin.work import Thing, Work, public

_FIELDS = {
    "address": unsettable(ADDRESS),
    "description": unsettable(text()),
    "email": unsettable(text(512)),
    "invoice_settings": hash_of(
        {"default_payment_method": unsettable(text()), "custom_fields": anything, "footer": unsettable(text())}
    ),
    "metadata": metadata,
    "name": unsettable(text(256)),
    "phone": unsettable(text(20)),
    "preferred_locales": array_of(text()),
    "shipping": unsettable(hash_of({"address": ADDRESS, "name": text(), "phone": text()})),
    "tax": anything,
    "tax_exempt": choice("none", "exempt", "reverse"),
}


def _apply(work: Work, customer: Thing, params: dict[str, Any]) -> None:
    for name, value in params.items():
        match name:
            case "metadata":
                customer["metadata"] = merge_metadata(customer["metadata"], value)
            case "invoice_settings":
                if method := value.get("default_payment_method"):
                    _check_owned(work, method, customer)
                customer["invoice_settings"] = {**customer["invoice_settings"], **value}
            case "expand" | "tax" | "payment_method":
                pass
            case _:
                customer[name] = value


def _check_owned(work: Work, method_id: str, customer: Thing) -> None:
    param = "invoice_settings[default_payment_method]"
    if work.get("payment_method", method_id, param=param)["customer"] != customer["id"]:
        raise InvalidRequest(
            f"The customer does not have a payment method with the ID {method_id}. The payment method must be attached "
            "to the customer.",
            code="resource_missing",
            param=param,
        )


@operation("POST", "/v1/customers", {**_FIELDS, "payment_method": text()})
def create(work: Work, params: dict[str, Any]) -> Thing:
    customer = work.new("customer")
    if method := params.get("payment_method"):
        attach(work, resolve(work, method), customer["id"])
    _apply(work, customer, params)
    work.emit("customer.created", customer)
    return public(customer)


@operation("GET", "/v1/customers", {**PAGE, "created": RANGE, "email": text(512)})
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(work, "customer", params, "/v1/customers", email=params.get("email"))


@operation("GET", "/v1/customers/{customer}")
def retrieve(work: Work, params: dict[str, Any], customer: str) -> Thing:
    found = work.find(customer)
    if found is None or found["object"] != "customer":
        raise NotFound.of("customer", customer)
    return public(found)


@operation("POST", "/v1/customers/{customer}", _FIELDS)
def update(work: Work, params: dict[str, Any], customer: str) -> Thing:
    found = work.get("customer", customer)
    previous = {name: found[name] for name in params if name in found}
    _apply(work, found, params)
    work.save(found)
    work.emit("customer.updated", found, previous=previous)
    return public(found)


@operation("DELETE", "/v1/customers/{customer}")
def delete(work: Work, params: dict[str, Any], customer: str) -> Thing:
    found = work.get("customer", customer)
    for method in work.select("kind = 'payment_method' AND customer = ?", customer):
        detach(work, method)
    work.emit("customer.deleted", found)
    return work.bury(found)


_METHODS = {**PAGE, "type": choice("card"), "allow_redisplay": anything}


@operation("GET", "/v1/customers/{customer}/payment_methods", _METHODS)
def list_payment_methods(work: Work, params: dict[str, Any], customer: str) -> Thing:
    work.get("customer", customer, param="customer")
    return listing(work, "payment_method", params, f"/v1/customers/{customer}/payment_methods", customer=customer)


@operation("GET", "/v1/customers/{customer}/payment_methods/{method}")
def retrieve_payment_method(work: Work, params: dict[str, Any], customer: str, method: str) -> Thing:
    work.get("customer", customer, param="customer")
    found = work.get("payment_method", method, param="payment_method")
    if found["customer"] != customer:
        raise NotFound.of("payment_method", method, param="payment_method")
    return public(found)
