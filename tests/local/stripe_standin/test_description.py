"""The stand-in against Stripe's published API description, where that is at hand.

The description is of version 2023-08-16. What later versions changed is listed below, each with why.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml

from local.stripe_standin.app import build
from local.stripe_standin.server import Background
from tests.local.stripe_standin.shop import KEYS, NO_REDIRECTS, Shop, refused

SHARED = Path(__file__).resolve().parents[4] / "shared"
DESCRIPTION = SHARED / "data" / "stripe" / "spec3.yaml"
CHECK = SHARED / "stripe" / "check_requests.py"

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"needs {DESCRIPTION.name} in ../shared/data/stripe")


@cache
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(DESCRIPTION.read_text(), yaml.CSafeLoader)
    return loaded


def translated(schema: Any) -> Any:
    """Answer OpenAPI 3.0's schema in the words of JSON Schema."""
    if isinstance(schema, list):
        return [translated(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: translated(value) for name, value in schema.items() if name not in {"nullable", "discriminator"}}
    # Enumerations grow from version to version.
    if isinstance(plain.get("enum"), list) and plain.get("type") == "string":
        del plain["enum"]
    # Where a field could once be deleted objects too, the alternatives overlap.
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain


@cache
def components() -> dict[str, Any]:
    found: dict[str, Any] = translated(description()["components"])
    # Since 2024-04-10 new intents are captured asynchronously; since endive a charge may name no source.
    return found


def faults(method: str, path: str, status: int, answer: Any) -> list[str]:
    """Answer where an answer differs from what is described."""
    for template, item in description()["paths"].items():
        pattern = re.sub(r"\\{[^/]+?\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in item:
            responses = item[method.lower()]["responses"]
            content = responses["200" if status == 200 else "default"]["content"]["application/json"]["schema"]
            schema = {**translated(content), "components": components()}
            validator = jsonschema.Draft7Validator(schema)
            return [
                f"{method} {path} {status}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
                for error in validator.iter_errors(answer)
            ]
    return [f"{method} {path} is not described"]


class Watch:
    """Keeps every answer of the API that a client sees."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, int, Any]] = []

    def __call__(self, response: httpx.Response) -> None:
        response.read()
        request = response.request
        if request.url.path.startswith("/v1/"):
            self.answers.append((request.method, request.url.path, response.status_code, response.json()))


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Shop, Path]]:
    record = tmp_path / "requests.jsonl"
    with Background(build(keys=KEYS, record=record)) as server:
        shop = Shop(server.url)
        yield shop, record
        shop.close()


def live(shop: Shop) -> None:
    """Ask for everything that the platform asks for, in a shop's life."""
    shop.control.set_clock(1_800_000_000)
    customer, card = shop.customer_with()
    asking = shop.save_card(customer, "4000002760003184")
    failing = shop.save_card(customer, "4000000000000341")
    shop.stripe.customers.update(
        customer, {"email": "a@example.com", "name": "A", "invoice_settings": {"default_payment_method": card}}
    )
    shop.stripe.payment_methods.update(card, {"billing_details": {"name": "A"}})
    paid = shop.charge(customer, card, metadata={"invoice": "in_1", "attempt": "att_1"}, key="renewal")
    refused(lambda: shop.charge(customer, asking))
    refused(lambda: shop.charge(customer, failing))
    waiting = shop.stripe.payment_intents.create(
        {"amount": 999, "currency": "eur", "customer": customer, "automatic_payment_methods": NO_REDIRECTS}
    )
    shop.as_customer(f"/v1/payment_intents/{waiting.id}/confirm", waiting.client_secret, payment_method=asking)
    shop.stripe.payment_intents.update(waiting.id, {"description": "An upgrade"})
    shop.stripe.payment_intents.cancel(waiting.id, {"cancellation_reason": "abandoned"})
    held = shop.charge(customer, card, capture_method="manual")
    shop.stripe.payment_intents.capture(held.id, {"amount_to_capture": 1000})
    shop.stripe.refunds.create({"payment_intent": paid.id, "amount": 500, "reason": "requested_by_customer"})
    disputed = shop.charge(customer, card)
    assert isinstance(disputed.latest_charge, str)
    dispute = shop.control.dispute(disputed.latest_charge)["id"]
    shop.control.warn_of_fraud(disputed.latest_charge)
    shop.stripe.disputes.update(dispute, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True})
    shop.control.advance(300)
    shop.stripe.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
    shop.stripe.payment_methods.detach(failing)
    gone = shop.stripe.customers.create({"metadata": {"account": "1"}})
    shop.stripe.customers.delete(gone.id)


LISTS = [
    "customers", "payment_intents", "setup_intents", "charges", "refunds", "disputes", "balance_transactions",
    "events", "webhook_endpoints", "radar/early_fraud_warnings",
]  # fmt: skip


class TestAnswers:
    def test_are_as_described(self, recorded: tuple[Shop, Path]) -> None:
        shop, _ = recorded
        live(shop)
        watch = Watch()
        shop.http.event_hooks["response"].append(watch)
        for name in LISTS:
            for entry in shop.ask("GET", f"/v1/{name}", {"limit": "100"}).json()["data"]:
                shop.ask("GET", f"/v1/{name}/{entry['id']}")
        customer = shop.ask("GET", "/v1/payment_intents").json()["data"][0]["customer"]
        shop.ask("GET", f"/v1/customers/{customer}/payment_methods")
        shop.ask("GET", "/v1/balance")
        shop.ask("GET", "/v1/charges/ch_none")
        shop.ask("POST", "/v1/payment_intents", {"amount": "1", "currency": "usd"})
        shop.ask(
            "POST",
            "/v1/payment_intents",
            {"amount": "1549", "currency": "usd", "payment_method": "pm_card_visa_chargeDeclined", "confirm": "true",
             "return_url": "http://localhost"},
        )  # fmt: skip
        expanded = {"expand[]": ["latest_charge.balance_transaction", "customer", "payment_method"]}
        for intent in shop.ask("GET", "/v1/payment_intents").json()["data"]:
            shop.ask("GET", f"/v1/payment_intents/{intent['id']}", expanded)
        kinds = {answer[3].get("object") for answer in watch.answers} | {"error"}
        assert {"list", "charge", "customer", "dispute", "event", "payment_intent", "refund", "setup_intent"} <= kinds
        found = {re.sub(r"_[0-9a-f]{24}", "", fault) for answer in watch.answers for fault in faults(*answer)}
        assert sorted(found) == []


@pytest.mark.skipif(not CHECK.exists(), reason=f"needs {CHECK.name} in ../shared/stripe")
class TestRecording:
    def test_of_what_the_library_sends_has_no_faults(self, recorded: tuple[Shop, Path]) -> None:
        shop, record = recorded
        live(shop)
        done = subprocess.run([sys.executable, CHECK, record], capture_output=True, text=True, check=False)
        count = len([json.loads(line) for line in record.read_text().splitlines()])
        assert done.stdout.splitlines()[-1] == f"{count} requests, 0 faults", done.stdout
        assert done.returncode == 0
