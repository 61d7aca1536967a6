"""What the stand-in takes and answers has the shape that Stripe publishes.

The description is of an older API version than ours: members that Stripe added since are allowed in
answers, and the parameters that it dropped since are named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from local import paths
from local.standin.routes import ROUTES, Route, find
from tests.local.standin.kit import ALWAYS_AUTHENTICATES, Direct

SPEC = paths.ROOT.parent / "shared" / "data" / "stripe" / "spec3.yaml"

# One worker reads the description for all.
pytestmark = pytest.mark.xdist_group("stripe-description")

# Parameters that Stripe documents now and this description does not have yet.
LATER = {"allow_redisplay", "networks"}


class Spec:
    """Stripe's OpenAPI description, its schemas as JSON Schema."""

    def __init__(self) -> None:
        with SPEC.open() as file:
            document = yaml.load(file, yaml.CSafeLoader)
        self.paths: dict[str, Any] = document["paths"]
        self.schemas = _json_schema(document["components"]["schemas"])

    @cached_property
    def patterns(self) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
        """The addresses, those without ids first."""
        ordered = sorted(self.paths, key=lambda path: path.count("{"))
        return [(re.compile(re.sub(r"\{[^/]+\}", "[^/]+", path)), self.paths[path]) for path in ordered]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        found = (item for pattern, item in self.patterns if pattern.fullmatch(path) and method.lower() in item)
        item = next(found, None)
        return None if item is None else item[method.lower()]

    def parameters(self, operation: dict[str, Any]) -> set[str]:
        """Answer the names of all parameters, with those one level inside as `card[number]`."""
        content = operation.get("requestBody", {}).get("content", {})
        form = content.get("application/x-www-form-urlencoded") or content.get("multipart/form-data") or {}
        body = form.get("schema", {}).get("properties", {})
        query = {entry["name"]: entry["schema"] for entry in operation.get("parameters", []) if entry["in"] == "query"}
        return {name for name, schema in (body | query).items() for name in (name, *_inside(name, schema))}

    def faults(self, method: str, path: str, status: int, body: dict[str, Any]) -> list[str]:
        """Answer where an answer differs from what is described for this operation."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"{method} {path} is not described"]
        described = operation["responses"]["200" if status == 200 else "default"]
        schema = {
            **_json_schema(described["content"]["application/json"]["schema"]),
            "components": {"schemas": self.schemas},
        }
        errors = Draft202012Validator(schema).iter_errors(body)
        return [f"{error.json_path}: {error.message[:300]}" for error in map(_deepest, errors)]


def _json_schema(node: Any) -> Any:
    """Rewrite OpenAPI 3.0's `nullable`, which JSON Schema does not know."""
    if isinstance(node, list):
        return [_json_schema(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    inner = {name: _json_schema(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [inner, {"type": "null"}]} if node.get("nullable") is True else inner


def _deepest(error: Any) -> Any:
    """Answer what is wrong within the alternative that fits best."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return error


def _inside(name: str, schema: dict[str, Any]) -> Iterator[str]:
    for option in [schema, *schema.get("anyOf", [])]:
        yield from (f"{name}[{inner}]" for inner in option.get("properties", {}))


@pytest.fixture(scope="module")
def spec() -> Spec:
    if not SPEC.exists():
        pytest.skip(f"Stripe's description is not at {SPEC}")
    return Spec()


class Recorder(Direct):
    """The API, with every answer kept."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[str, str, int, dict[str, Any]]] = []

    def ask(self, method: str, path: str, params: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        answer = super().ask(method, path, params, **options)
        self.answers.append((method, path, 400 if "error" in answer else 200, answer))
        return answer


def walk(api: Recorder) -> None:
    """Use every operation, in as many states as its answers have."""
    customer = api.post("customers", email="a@example.com", metadata={"account": "a1"})["id"]
    api.post(f"customers/{customer}", name="A", preferred_locales=["de"])
    method = api.post(
        "payment_methods", type="card", card={"number": "4242424242424242", "exp_month": 1, "exp_year": 2034}
    )
    api.post(f"payment_methods/{method['id']}/attach", customer=customer)
    api.post(f"payment_methods/{method['id']}", metadata={"a": "b"}, card={"exp_year": 2035})
    api.get(f"payment_methods/{method['id']}", expand=["customer"])
    api.get(f"customers/{customer}/payment_methods")
    api.get("payment_methods", customer=customer)
    walk_setup_intents(api, customer)
    intent = walk_payment_intents(api, customer, method["id"])
    walk_money_back(api, intent)
    walk_books(api)
    api.post(f"payment_methods/{method['id']}/detach")
    api.get(f"customers/{customer}")
    api.get("customers")
    api.ask("DELETE", f"/v1/customers/{customer}")
    api.get(f"customers/{customer}")
    api.get(f"payment_intents/{intent}", expand=["customer", "latest_charge.balance_transaction", "payment_method"])


def walk_setup_intents(api: Recorder, customer: str) -> None:
    automatic = {"enabled": "true", "allow_redirects": "never"}
    for name in ("pm_card_visa", "pm_card_authenticationRequired", "pm_card_chargeDeclined"):
        made = api.post("setup_intents", customer=customer, automatic_payment_methods=automatic)["id"]
        api.post(f"setup_intents/{made}/confirm", payment_method=name)
        api.get(f"setup_intents/{made}")
        api.post(f"setup_intents/{made}/cancel", cancellation_reason="abandoned")
    api.get("setup_intents")


def walk_payment_intents(api: Recorder, customer: str, method: str) -> str:
    for name in ("pm_card_authenticationRequired", "pm_card_chargeDeclined"):
        api.charge(name)
        api.charge(name, off_session="true")
    waiting = api.post(
        "payment_methods", type="card", card={"number": ALWAYS_AUTHENTICATES, "exp_month": 1, "exp_year": 2034}
    )
    asked = api.charge(waiting["id"])["id"]
    api.post(f"payment_intents/{asked}", description="d", amount="2000")
    api.post(f"payment_intents/{asked}/cancel")
    api.post(f"payment_intents/{asked}/confirm")
    api.get("payment_intents")
    return str(api.charge(method, customer=customer, off_session="true", metadata={"invoice": "i"})["id"])


def walk_money_back(api: Recorder, intent: str) -> None:
    for name in ("pm_card_pendingRefund", "pm_card_refundFail"):
        refund = api.post("refunds", payment_intent=api.charge(name)["id"])["id"]
        api.get(f"refunds/{refund}", expand=["charge"])
    refund = api.post("refunds", payment_intent=intent, amount="500", reason="requested_by_customer")["id"]
    api.post(f"refunds/{refund}", metadata={"a": "b"})
    api.post("refunds", payment_intent=intent, amount="5000")
    api.get("refunds")
    upload = {"filename": "invoice.pdf", "size": "1000", "digest": "d"}
    receipt = api.post("files", purpose="dispute_evidence", file=upload)["id"]
    api.get(f"files/{receipt}")
    api.post("files", purpose="dispute_evidence", file=upload | {"filename": "invoice.exe"})
    for name in ("pm_card_createDispute", "pm_card_createDisputeProductNotReceived", "pm_card_createDisputeInquiry"):
        charge = api.charge(name)["latest_charge"]
        (dispute,) = api.get("disputes", charge=charge)["data"]
        api.post("refunds", charge=charge, amount="1")
        api.post(f"disputes/{dispute['id']}", evidence={"uncategorized_text": "winning_evidence", "receipt": receipt})
        api.get(f"disputes/{dispute['id']}")
        api.post(f"disputes/{dispute['id']}/close")
    charge = api.charge("pm_card_createIssuerFraudRecord")["latest_charge"]
    (warning,) = api.get("radar/early_fraud_warnings", charge=charge)["data"]
    api.get(f"radar/early_fraud_warnings/{warning['id']}", expand=["charge"])


def walk_books(api: Recorder) -> None:
    (charge, *_) = api.get("charges")["data"]
    api.get(f"charges/{charge['id']}", expand=["balance_transaction"])
    api.get("balance")
    (entry, *_) = api.get("balance_transactions")["data"]
    api.get(f"balance_transactions/{entry['id']}")
    payout = api.post("payouts", amount="100", currency="usd", metadata={"a": "b"}, description="By hand")["id"]
    api.get(f"payouts/{payout}", expand=["balance_transaction"])
    api.get("payouts", status="pending")
    api.post("payouts", amount="99999999999", currency="usd")
    api.post("payouts", amount="100")
    (event, *_) = api.get("events", limit="100")["data"]
    api.get(f"events/{event['id']}")
    endpoint = api.post("webhook_endpoints", url="http://shop.example/hooks", enabled_events=["*"])["id"]
    api.get(f"webhook_endpoints/{endpoint}")
    api.get("webhook_endpoints")
    api.ask("DELETE", f"/v1/webhook_endpoints/{endpoint}")


class TestAnswers:
    def test_fit_stripes_description(self, spec: Spec) -> None:
        api = Recorder()
        walk(api)
        faults = [
            f"{method} {path}: {fault}"
            for method, path, status, body in api.answers
            for fault in spec.faults(method, path, status, body)
        ]
        assert faults == []

    def test_fit_in_every_event(self, spec: Spec) -> None:
        api = Recorder()
        walk(api)
        validator = {kind: Draft202012Validator({"$ref": f"#/components/schemas/{kind}", "components": {"schemas": spec.schemas}})
                     for kind in spec.schemas}  # fmt: skip
        faults = []
        for event in api.world.store.everything("event"):
            subject = event["data"]["object"]
            found = map(_deepest, validator[subject["object"]].iter_errors(subject))
            faults += [f"{event['type']} {error.json_path}: {error.message[:300]}" for error in found]
        assert faults == []

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"amount": "1549"}, "$.amount"),
            ({"status": "paid"}, "$.status"),
            ({"customer": 5}, "$.customer"),
            ({"last_payment_error": {"type": "card_error", "charge": 5}}, "$.last_payment_error.charge"),
        ],
    )
    def test_that_did_not_fit_would_be_found(
        self, spec: Spec, direct: Direct, change: dict[str, Any], where: str
    ) -> None:
        (fault,) = spec.faults("POST", "/v1/payment_intents", 200, direct.charge() | change)
        assert fault.startswith(where)

    def test_are_those_of_every_operation(self) -> None:
        api = Recorder()
        walk(api)
        found = (find(method, path) for method, path, *_ in api.answers)
        used = {(route.method, route.path) for route, _ in filter(None, found)}
        assert used == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
class TestAnOperation:
    def test_takes_parameters_that_stripe_has(self, spec: Spec, route: Route) -> None:
        operation = spec.operation(route.method, route.path.replace("{}", "id_1"))
        assert operation is not None
        known = spec.parameters(operation)
        # Every operation that answers an object takes `expand`; the description leaves it out where nothing expands.
        assert {name for name in route.kinds if name not in known} <= LATER | {"expand"}
