"""The adapter against the stand-in: every call it makes, every way that it can end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stripe
from pytest_django import Settings

from billing import stripe_gateway
from billing.gateway import Gateway, GatewayRefused, GatewayUnavailable, OutcomeKind, RefundKind
from billing.stripe_gateway import InvalidWebhook, client
from tests.standin import Standin

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def gateway(standin: Standin) -> Gateway:
    return stripe_gateway.connect()


@pytest.fixture
def customer(gateway: Gateway) -> str:
    return gateway.create_customer(account_id="a1", idempotency_key="cus_a1")


def save_card(gateway: Gateway, standin: Standin, customer: str, number: str = "4242424242424242") -> str:
    """Save a card as a customer's client does; answers the payment method."""
    setup = gateway.create_setup_intent(customer=customer, metadata={}, idempotency_key=f"seti_{number}")
    assert standin.confirm_setup(setup.client_secret, number).status_code == 200
    found = gateway.setup_intent(setup.id)
    if found is not None and found.status == "requires_action":
        standin.control.authenticate("setup_intent", setup.id)
        found = gateway.setup_intent(setup.id)
    assert found is not None
    assert (found.status, found.customer) == ("succeeded", customer)
    return found.payment_method


def charge_params(customer: str, payment_method: str, *, off_session: bool = True) -> dict[str, object]:
    return stripe_gateway.charge_params(
        amount=1549,
        currency="USD",
        customer=customer,
        payment_method=payment_method,
        invoice_id="inv-1",
        attempt_id="att-1",
        off_session=off_session,
    )


class TestCards:
    @pytest.mark.rule("4.15")
    def test_are_saved_by_a_setup_intent_that_the_client_confirms(
        self, gateway: Gateway, standin: Standin, customer: str
    ) -> None:
        setup = gateway.create_setup_intent(customer=customer, metadata={"setup": "1"}, idempotency_key="seti_1")
        assert (setup.status, setup.payment_method) == ("requires_payment_method", "")
        assert setup.client_secret.startswith(f"{setup.id}_secret_")
        card = gateway.card(save_card(gateway, standin, customer))
        assert (card.brand, card.last4, card.exp_month, card.exp_year) == ("visa", "4242", 12, 2034)
        assert card.customer == customer
        assert card.fingerprint

    def test_answer_one_customer_for_one_key(self, gateway: Gateway) -> None:
        made = {gateway.create_customer(account_id="a2", idempotency_key="cus_a2") for _ in range(2)}
        assert len(made) == 1

    def test_know_an_unknown_setup_intent_from_a_failure(self, gateway: Gateway, standin: Standin) -> None:
        assert gateway.setup_intent("seti_unknown") is None
        standin.control.fault("error_before", method="GET")
        with pytest.raises(GatewayUnavailable):
            gateway.setup_intent("seti_unknown")

    def test_refuse_what_stripe_refuses(self, gateway: Gateway) -> None:
        with pytest.raises(GatewayRefused) as refusal:
            gateway.card("pm_unknown")
        assert refusal.value.code == "resource_missing"

    def test_take_no_refund_for_failed_that_stripe_does_not_show(self, gateway: Gateway) -> None:
        assert gateway.refund_status("re_unknown").kind is RefundKind.UNKNOWN

    @pytest.mark.parametrize("fault", ["refused", "lost_reply", "error_before", "rate_limited"])
    def test_say_when_there_was_no_usable_answer(self, gateway: Gateway, standin: Standin, fault: str) -> None:
        standin.control.fault(fault)
        with pytest.raises(GatewayUnavailable):
            gateway.create_customer(account_id="a3", idempotency_key="cus_a3")


@pytest.mark.rule("4.16")
class TestCharge:
    def test_succeeds_and_is_in_the_books_with_its_metadata(
        self, gateway: Gateway, standin: Standin, customer: str
    ) -> None:
        card = save_card(gateway, standin, customer)
        outcome = gateway.charge(params=charge_params(customer, card), idempotency_key="att_1")
        assert (outcome.kind, outcome.code) == (OutcomeKind.SUCCEEDED, "")
        (charge,) = standin.control.charges()
        assert (charge["amount"], charge["currency"], charge["customer"]) == (1549, "usd", customer)
        assert charge["payment_intent"] == outcome.payment_intent
        assert charge["metadata"] == {"invoice": "inv-1", "attempt": "att-1"}
        assert gateway.charge_status(outcome.payment_intent).kind is OutcomeKind.SUCCEEDED

    def test_is_made_once_for_one_key(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        params = charge_params(customer, save_card(gateway, standin, customer))
        first, second = (gateway.charge(params=params, idempotency_key="att_1") for _ in range(2))
        assert first == second
        assert len(standin.control.charges()) == 1

    def test_is_unknown_when_a_key_comes_with_other_parameters(
        self, gateway: Gateway, standin: Standin, customer: str
    ) -> None:
        params = charge_params(customer, save_card(gateway, standin, customer))
        gateway.charge(params=params, idempotency_key="att_1")
        assert gateway.charge(params=params | {"amount": 1}, idempotency_key="att_1").kind is OutcomeKind.UNKNOWN
        assert len(standin.control.charges()) == 1

    def test_is_declined_with_the_banks_code(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        card = save_card(gateway, standin, customer, "4000000000000341")
        outcome = gateway.charge(params=charge_params(customer, card), idempotency_key="att_1")
        assert (outcome.kind, outcome.code) == (OutcomeKind.DECLINED, "generic_decline")
        assert outcome.payment_intent.startswith("pi_")
        assert gateway.charge_status(outcome.payment_intent) == outcome
        assert standin.control.charges() == []

    @pytest.mark.rule("4.15")
    def test_asks_for_the_customer_on_and_off_session(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        card = save_card(gateway, standin, customer, "4000002760003184")
        for key, off_session in (("att_1", True), ("att_2", False)):
            outcome = gateway.charge(params=charge_params(customer, card, off_session=off_session), idempotency_key=key)
            assert (outcome.kind, outcome.code) == (OutcomeKind.REQUIRES_ACTION, "authentication_required")
            assert outcome.client_secret.startswith(f"{outcome.payment_intent}_secret_")
        assert standin.control.charges() == []

    @pytest.mark.rule("4.15")
    def test_is_completed_by_the_customer_on_the_same_payment_intent(
        self, gateway: Gateway, standin: Standin, customer: str
    ) -> None:
        card = save_card(gateway, standin, customer, "4000002760003184")
        waiting = gateway.charge(params=charge_params(customer, card, off_session=False), idempotency_key="att_1")
        standin.control.authenticate("payment_intent", waiting.payment_intent)
        assert gateway.charge_status(waiting.payment_intent).kind is OutcomeKind.SUCCEEDED
        (charge,) = standin.control.charges()
        assert charge["payment_intent"] == waiting.payment_intent

    def test_is_declined_when_authentication_fails(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        card = save_card(gateway, standin, customer, "4000002760003184")
        waiting = gateway.charge(params=charge_params(customer, card, off_session=False), idempotency_key="att_1")
        standin.control.authenticate("payment_intent", waiting.payment_intent, passed=False)
        outcome = gateway.charge_status(waiting.payment_intent)
        assert (outcome.kind, outcome.code) == (
            OutcomeKind.DECLINED,
            "payment_intent_authentication_failure",
        )

    @pytest.mark.parametrize(
        ("fault", "code", "charged"),
        [
            ("refused", "no_answer", 0),
            ("lost_reply", "no_answer", 1),
            ("error_before", "http_500", 0),
            ("error_after", "http_500", 1),
            ("rate_limited", "rate_limited", 0),
        ],
    )
    def test_is_unknown_without_a_usable_answer(
        self, gateway: Gateway, standin: Standin, customer: str, fault: str, code: str, charged: int
    ) -> None:
        params = charge_params(customer, save_card(gateway, standin, customer))
        standin.control.fault(fault)
        outcome = gateway.charge(params=params, idempotency_key="att_1")
        assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, code)
        assert len(standin.control.charges()) == charged

    @pytest.mark.rule("4.16")
    @pytest.mark.parametrize(("fault", "code", "kept"), [("error_after", "http_500", True), ("lost_reply", "", False)])
    def test_says_when_an_error_is_one_that_is_kept_under_its_key(
        self, gateway: Gateway, standin: Standin, customer: str, fault: str, code: str, *, kept: bool
    ) -> None:
        params = charge_params(customer, save_card(gateway, standin, customer))
        standin.control.fault(fault)
        first, again = (gateway.charge(params=params, idempotency_key="att_1") for _ in range(2))
        assert (first.kind, first.is_kept) == (OutcomeKind.UNKNOWN, False)
        assert (again.code, again.is_kept) == (code, kept)

    def test_is_unknown_when_it_takes_too_long(
        self, standin: Standin, customer: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        params = charge_params(customer, save_card(gateway, standin, customer))
        monkeypatch.setattr(client, "READ_TIMEOUT", 0.2)
        impatient = stripe_gateway.StripeGateway("sk_test_throwaway", standin.url, 100, 25)
        standin.control.fault("latency", seconds=0.6)
        assert impatient.charge(params=params, idempotency_key="att_1").code == "no_answer"
        time.sleep(0.6)
        assert impatient.charge(params=params, idempotency_key="att_1").kind is OutcomeKind.SUCCEEDED
        assert len(standin.control.charges()) == 1

    def test_is_rejected_when_the_request_is_wrong(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        params = charge_params(customer, save_card(gateway, standin, customer))
        outcome = gateway.charge(params=params | {"amount": 0}, idempotency_key="att_1")
        assert outcome.kind is OutcomeKind.REJECTED
        assert outcome.code

    @pytest.mark.rule("4.1")
    @pytest.mark.parametrize("currency", ["ISK", "UGX"])
    def test_sends_kronur_and_shillings_as_if_they_had_cents(self, currency: str) -> None:
        params = stripe_gateway.charge_params(
            amount=1990,
            currency=currency,
            customer="cus_1",
            payment_method="pm_1",
            invoice_id="i",
            attempt_id="a",
            off_session=True,
        )
        assert params["amount"] == 199000


@pytest.mark.rule("4.16")
@pytest.mark.story("key life forces a design")
class TestFindCharge:
    def test_matches_by_the_attempt_through_all_pages(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        params = charge_params(customer, save_card(gateway, standin, customer))
        first = gateway.charge(params=params, idempotency_key="att_1")
        for n in range(101):
            other = params | {"metadata": {"invoice": "inv-1", "attempt": f"other-{n}"}}
            gateway.charge(params=other, idempotency_key=f"att_other_{n}")
        since = datetime.now(UTC) - timedelta(hours=1)
        assert gateway.find_charge(customer=customer, attempt_id="att-1", since=since) == first
        missing = gateway.find_charge(customer=customer, attempt_id="never", since=since)
        assert missing.kind is OutcomeKind.NOT_FOUND

    def test_does_not_take_a_failure_for_an_absence(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        standin.control.fault("error_before", method="GET")
        found = gateway.find_charge(customer=customer, attempt_id="att-1", since=datetime.now(UTC))
        assert found.kind is OutcomeKind.UNKNOWN

    def test_does_not_take_a_refusal_for_what_became_of_the_charge(self, gateway: Gateway) -> None:
        found = gateway.find_charge(customer="cus_of_nobody", attempt_id="att-1", since=datetime.now(UTC))
        assert (found.kind, found.payment_intent, found.is_refused) == (OutcomeKind.UNKNOWN, "", True)

    def test_does_not_take_the_key_of_another_account_for_a_failure(self, gateway: Gateway) -> None:
        unknown = (OutcomeKind.UNKNOWN, "resource_missing", "")
        for found in (
            gateway.charge_status("pi_of_another"),
            gateway.cancel_charge("pi_of_another", idempotency_key="cancel_1"),
        ):
            assert (found.kind, found.code, found.payment_intent) == unknown
            assert found.is_refused


@pytest.mark.rule("4.15", "4.16")
class TestCancelCharge:
    def test_makes_a_waiting_charge_impossible(self, gateway: Gateway, standin: Standin, customer: str) -> None:
        card = save_card(gateway, standin, customer, "4000002760003184")
        waiting = gateway.charge(params=charge_params(customer, card, off_session=False), idempotency_key="att_1")
        canceled = gateway.cancel_charge(waiting.payment_intent, idempotency_key="cancel_1")
        assert canceled.kind is OutcomeKind.CANCELED
        assert gateway.charge_status(waiting.payment_intent).kind is OutcomeKind.CANCELED

    def test_answers_the_success_of_a_customer_who_was_quicker(
        self, gateway: Gateway, standin: Standin, customer: str
    ) -> None:
        paid = gateway.charge(
            params=charge_params(customer, save_card(gateway, standin, customer)), idempotency_key="att_1"
        )
        assert gateway.cancel_charge(paid.payment_intent, idempotency_key="cancel_1").kind is OutcomeKind.SUCCEEDED


@pytest.mark.rule("4.17")
class TestVerifyWebhook:
    EVENT = json.dumps({"id": "evt_1", "object": "event", "type": "x", "note": "é"}, ensure_ascii=False)

    @pytest.fixture(autouse=True)
    def _secrets(self, settings: Settings) -> None:
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_old"]

    @staticmethod
    def signature(payload: str, secret: str, *, age: int = 0) -> str:
        stamp = int(time.time()) - age
        header = stripe.WebhookSignature.generate_signature_header(payload, secret, stamp)
        return str(header)

    @pytest.mark.parametrize("secret", ["whsec_new", "whsec_old"])
    def test_accepts_each_secret_while_they_are_rotated(self, secret: str) -> None:
        event = stripe_gateway.verify_webhook(self.EVENT.encode(), self.signature(self.EVENT, secret))
        assert event["id"] == "evt_1"

    def test_accepts_one_right_signature_among_several(self) -> None:
        right = self.signature(self.EVENT, "whsec_old")
        stamp, signature = right.split(",")
        header = f"{stamp},v1={'0' * 64},{signature}"
        assert stripe_gateway.verify_webhook(self.EVENT.encode(), header)["id"] == "evt_1"

    def test_accepts_five_minutes_and_no_more(self) -> None:
        assert stripe_gateway.verify_webhook(self.EVENT.encode(), self.signature(self.EVENT, "whsec_new", age=295))
        with pytest.raises(InvalidWebhook):
            stripe_gateway.verify_webhook(self.EVENT.encode(), self.signature(self.EVENT, "whsec_new", age=305))

    def malformed(self) -> Iterator[tuple[bytes, str | None]]:
        right = self.signature(self.EVENT, "whsec_new")
        yield self.EVENT.encode(), self.signature(self.EVENT, "whsec_forged")
        yield self.EVENT.encode() + b" ", right
        yield self.EVENT.encode(), None
        yield self.EVENT.encode(), ""
        yield self.EVENT.encode(), "nonsense"
        yield self.EVENT.encode(), right.replace("v1=", "v0=")
        yield self.EVENT.encode(), right.replace("v1=", "v1=é")
        yield b"\xff\xfe", right
        for body in ("[]", "{}", "no json", '{"object": "event"}'):
            yield body.encode(), self.signature(body, "whsec_new")

    def test_refuses_everything_else(self) -> None:
        for raw, header in self.malformed():
            with pytest.raises(InvalidWebhook):
                stripe_gateway.verify_webhook(raw, header)


class TestSettings:
    @pytest.mark.parametrize(("key", "live"), [("sk_test_1", False), ("sk_live_1", True), ("rk_live_1", True)])
    def test_tell_live_money_from_test_money(self, settings: Settings, key: str, live: bool) -> None:
        settings.STRIPE_SECRET_KEY = key
        assert stripe_gateway.livemode() is live

    def test_lead_to_stripe_itself_unless_told_otherwise(self, settings: Settings) -> None:
        settings.STRIPE_API_BASE = ""
        assert stripe_gateway.api_base() == "https://api.stripe.com"
        assert not stripe_gateway.is_standin()

    def test_name_the_version_that_the_library_was_made_for(self) -> None:
        # A newer library may read answers of an older version wrongly: raise both together.
        assert stripe.StripeClient("sk_test_1")._requestor._options.stripe_version == stripe_gateway.API_VERSION
