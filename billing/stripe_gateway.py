"""Stripe, and the only place that speaks to it.

What leaves here is billing's own vocabulary (billing.gateway); no exception of the library's does.
The library retries nothing by itself: its retries live in one process, ours in the attempt's row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, cast

import stripe
from django.conf import settings
from stripe.params import SetupIntentCreateParams

from billing import rules
from billing.gateway import (
    NOT_A_CARD,
    BalanceMovement,
    Card,
    ChargeOutcome,
    DisputeState,
    FraudWarning,
    Gateway,
    GatewayRefused,
    GatewayUnavailable,
    OutcomeKind,
    RefundKind,
    RefundOutcome,
    SetupIntent,
)
from core.errors import DomainError
from core.pacing import Pace, Rate

API_BASE = "https://api.stripe.com"
API_VERSION = "2026-10-28.endive"
"""What our code was written against; raised on purpose, never by an upgrade of the library or of the account."""

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
"""Seconds. A charge that takes longer has an unknown outcome and is asked for again by its key."""

WEBHOOK_TOLERANCE = 300
"""Seconds between a webhook's signature and its arrival."""

TOO_MANY_PAUSE = 1.0
"""Seconds that all workers leave Stripe alone after it answered that requests are too many."""

# Stripe takes these as if they had two decimals (https://docs.stripe.com/currencies#special-cases).
_AMOUNT_FACTOR = {"ISK": 100, "UGX": 100}

Answer = TypeVar("Answer")


def connect() -> Gateway:
    """Answer the gateway that the settings name."""
    return _connect(
        settings.STRIPE_SECRET_KEY,
        settings.STRIPE_API_BASE or API_BASE,
        settings.STRIPE_REQUESTS_PER_SECOND,
        settings.STRIPE_CHARGES_PER_SECOND,
    )


def api_base() -> str:
    """Answer where clients confirm what they are handed a secret for."""
    return settings.STRIPE_API_BASE or API_BASE


def is_standin() -> bool:
    """Answer whether the gateway is a stand-in, where no money moves."""
    return bool(settings.STRIPE_API_BASE)


def browser_policy() -> dict[str, list[str]]:
    """Answer what a page's Content-Security-Policy must also allow for a payment to be confirmed on it.

    https://docs.stripe.com/security/guide#content-security-policy
    """
    if is_standin():
        return {"connect-src": [api_base()]}
    return {
        "script-src": ["https://js.stripe.com", "https://*.js.stripe.com"],
        "frame-src": ["https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"],
        "connect-src": [API_BASE],
    }


def livemode() -> bool:
    """Answer whether our key moves real money."""
    return settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))


def charge_params(
    *,
    amount: int,
    currency: str,
    customer: str,
    payment_method: str,
    invoice_id: str,
    attempt_id: str,
    off_session: bool,
) -> dict[str, Any]:
    """Answer the parameters of one charge, to be stored and sent unchanged as often as needed.

    `amount` is in ISO minor units. Off-session means that the customer is not there to authenticate.
    """
    params: dict[str, Any] = {
        "amount": amount * _AMOUNT_FACTOR.get(currency, 1),
        "currency": currency.lower(),
        "customer": customer,
        "payment_method": payment_method,
        # Since version endive the types cannot be listed; without this, Stripe asks for a return address.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "confirm": True,
        "metadata": {"invoice": invoice_id, "attempt": attempt_id},
    }
    if off_session:
        params["off_session"] = True
    return params


class InvalidWebhook(DomainError):
    """What arrived is not from Stripe, is too old, or is no event."""

    code: ClassVar[str] = "invalid_signature"
    title: ClassVar[str] = "This is no event that Stripe signed for us within the last five minutes."
    status: ClassVar[int] = 400


def verify_webhook(raw: bytes, signature: str | None) -> dict[str, Any]:
    """Answer the event in a webhook's raw body; raises InvalidWebhook.

    Any of the configured secrets will do, so that one can be rotated.
    """
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(raw, signature, secret, WEBHOOK_TOLERANCE)
            event = json.loads(raw)
        # A signature in letters other than ASCII is a TypeError, a body that is not UTF-8 or JSON a ValueError.
        except (stripe.SignatureVerificationError, TypeError, ValueError):
            continue
        if isinstance(event, dict) and event.get("object") == "event" and isinstance(event.get("id"), str):
            return event
    raise InvalidWebhook


class StripeGateway:
    """The Gateway protocol over Stripe's HTTP API. Shared by threads; connections are kept open per thread.

    All workers together keep Stripe's limits. Charges without a customer present wait for their turn; whatever
    somebody waits for goes at once, and the others wait for it.
    """

    def __init__(
        self,
        secret_key: str,
        base: str,
        per_second: float,
        charges_per_second: float,
        *,
        read_timeout: float | None = None,
    ) -> None:
        of_account = Rate("stripe", per_second)
        self._requests = Pace(of_account)
        self._charges = Pace(of_account, Rate("stripe:charges", charges_per_second))
        self._stripe = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": base},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT, read_timeout or READ_TIMEOUT)),
        )

    # ------------------------------------------------ what moves no money

    def create_customer(self, *, account_id: str, idempotency_key: str) -> str:
        made = self._ask(
            lambda: self._stripe.v1.customers.create(
                {"metadata": {"account": account_id}},
                {"idempotency_key": idempotency_key},
            )
        )
        return made.id

    def delete_customer(self, customer: str) -> None:
        try:
            self._ask(lambda: self._stripe.v1.customers.delete(customer))
        except GatewayRefused as refusal:
            if refusal.code != "resource_missing":
                raise

    def create_setup_intent(self, *, customer: str, metadata: Mapping[str, str], idempotency_key: str) -> SetupIntent:
        params: SetupIntentCreateParams = {
            "customer": customer,
            "usage": "off_session",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": dict(metadata),
        }
        made = self._ask(lambda: self._stripe.v1.setup_intents.create(params, {"idempotency_key": idempotency_key}))
        return _setup_intent(made.to_dict())

    def setup_intent(self, setup_intent_id: str) -> SetupIntent | None:
        try:
            return _setup_intent(self._ask(lambda: self._stripe.v1.setup_intents.retrieve(setup_intent_id)).to_dict())
        except GatewayRefused as refusal:
            if refusal.code == "resource_missing":
                return None
            raise

    def card(self, payment_method_id: str) -> Card:
        found = self._ask(lambda: self._stripe.v1.payment_methods.retrieve(payment_method_id)).to_dict()
        card = found.get("card")
        if found.get("type") != "card" or not card:
            # Which kinds clients offer is set in Stripe's dashboard; renewals are made for cards.
            raise GatewayRefused(NOT_A_CARD)
        return Card(
            id=found["id"],
            customer=found.get("customer") or "",
            brand=card["brand"],
            last4=card["last4"],
            exp_month=card["exp_month"],
            exp_year=card["exp_year"],
            country=card.get("country") or "",
            fingerprint=card.get("fingerprint") or "",
            wallet=(card.get("wallet") or {}).get("type") or "",
        )

    def detach(self, payment_method_id: str) -> None:
        self._ask(lambda: self._stripe.v1.payment_methods.detach(payment_method_id))

    def balance_movements(self, *, since: datetime, until: datetime) -> Iterator[BalanceMovement]:
        """List what moved our balance from `since` up to, and without, `until`; newest first."""
        created = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        listed = self._ask(
            lambda: self._stripe.v1.balance_transactions.list(
                cast("Any", {"created": created, "limit": 100, "expand": ["data.source"]})
            )
        )
        pages = listed.auto_paging_iter()
        while (found := self._ask(lambda: next(pages, None))) is not None:
            yield _movement(found.to_dict())

    # ------------------------------------------------ what moves money

    def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome:
        if params.get("off_session"):
            self._charges.wait()
        else:
            self._charges.take()
        return self._outcome(
            lambda: self._stripe.v1.payment_intents.create(
                # The stored parameters, as they are: the library's type knows them one by one.
                cast("Any", params),
                {"idempotency_key": idempotency_key},
            )
        )

    def charge_status(self, payment_intent: str) -> ChargeOutcome:
        return self._outcome(lambda: self._stripe.v1.payment_intents.retrieve(payment_intent))

    def find_charge(self, *, customer: str, attempt_id: str, since: datetime) -> ChargeOutcome:
        """Look through the customer's PaymentIntents, by list: search lags behind the truth."""

        def find() -> stripe.PaymentIntent | None:
            listed = self._stripe.v1.payment_intents.list(
                {"customer": customer, "created": {"gte": int(since.timestamp())}, "limit": 100}
            )
            for intent in listed.auto_paging_iter():
                if (intent.to_dict().get("metadata") or {}).get("attempt") == attempt_id:
                    return intent
            return None

        return self._outcome(find)

    def refund(
        self, *, payment_intent: str, amount: int, currency: str, refund_id: str, idempotency_key: str
    ) -> RefundOutcome:
        return self._refund_outcome(
            lambda: self._stripe.v1.refunds.create(
                {
                    "payment_intent": payment_intent,
                    "amount": amount * _AMOUNT_FACTOR.get(currency, 1),
                    "metadata": {"refund": refund_id},
                },
                {"idempotency_key": idempotency_key},
            )
        )

    def refund_status(self, gateway_id: str) -> RefundOutcome:
        return self._refund_outcome(lambda: self._stripe.v1.refunds.retrieve(gateway_id))

    def find_refund(self, *, payment_intent: str, refund_id: str) -> RefundOutcome | None:
        """Look for a refund among those of its payment; None if there is none."""
        try:
            listed = self._ask(lambda: self._stripe.v1.refunds.list({"payment_intent": payment_intent, "limit": 100}))
        except (GatewayRefused, GatewayUnavailable):
            return RefundOutcome(RefundKind.UNKNOWN)
        for refund in listed.data:
            if (refund.to_dict().get("metadata") or {}).get("refund") == refund_id:
                return _refund(refund.to_dict())
        return None

    def dispute(self, dispute_id: str) -> DisputeState:
        return _dispute(self._ask(lambda: self._stripe.v1.disputes.retrieve(dispute_id)).to_dict())

    def submit_evidence(self, dispute_id: str, *, texts: Mapping[str, str], idempotency_key: str) -> DisputeState:
        made = self._ask(
            lambda: self._stripe.v1.disputes.update(
                dispute_id,
                # The texts by Stripe's names: the library's type knows them one by one.
                cast("Any", {"evidence": dict(texts), "submit": True}),
                {"idempotency_key": idempotency_key},
            )
        )
        return _dispute(made.to_dict())

    def fraud_warning(self, warning_id: str) -> FraudWarning:
        found = self._ask(lambda: self._stripe.v1.radar.early_fraud_warnings.retrieve(warning_id)).to_dict()
        return FraudWarning(
            id=found["id"],
            payment_intent=str(found.get("payment_intent") or ""),
            fraud_type=found["fraud_type"],
            actionable=bool(found["actionable"]),
        )

    def events(self, *, since: datetime) -> Iterator[Mapping[str, Any]]:
        """List the events since a time, newest first; Stripe keeps them for 30 days."""
        listed = self._ask(
            lambda: self._stripe.v1.events.list({"created": {"gte": int(since.timestamp())}, "limit": 100})
        )
        pages = listed.auto_paging_iter()
        while (found := self._ask(lambda: next(pages, None))) is not None:
            yield found.to_dict()

    def _refund_outcome(self, call: Callable[[], stripe.Refund]) -> RefundOutcome:
        try:
            return _refund(call().to_dict())
        except stripe.InvalidRequestError as error:
            return RefundOutcome(RefundKind.FAILED, code=error.code or "invalid_request")
        except stripe.StripeError as error:
            return RefundOutcome(RefundKind.UNKNOWN, code=f"http_{error.http_status or 'none'}")

    def cancel_charge(self, payment_intent: str, *, idempotency_key: str) -> ChargeOutcome:
        return self._outcome(
            lambda: self._stripe.v1.payment_intents.cancel(
                payment_intent, {"cancellation_reason": "abandoned"}, {"idempotency_key": idempotency_key}
            )
        )

    # ------------------------------------------------ answers

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        self._requests.take()
        try:
            return call()
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            raise GatewayRefused(error.code or "invalid_request") from error
        except stripe.StripeError as error:
            raise GatewayUnavailable from error

    def _outcome(self, call: Callable[[], stripe.PaymentIntent | None]) -> ChargeOutcome:
        try:
            intent = call()
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            return _refusal(error)
        except stripe.RateLimitError:
            self._charges.hold(TOO_MANY_PAUSE)
            return ChargeOutcome(OutcomeKind.UNKNOWN, code="rate_limited")
        except stripe.APIConnectionError:
            return ChargeOutcome(OutcomeKind.UNKNOWN, code="no_answer")
        except stripe.StripeError as error:
            # 409 while the key is in use, 5xx, refused keys, key reused with other parameters.
            return ChargeOutcome(OutcomeKind.UNKNOWN, code=f"http_{error.http_status or 'garbled'}")
        if intent is None:
            return ChargeOutcome(OutcomeKind.NOT_FOUND)
        return _read(intent.to_dict())


@lru_cache(maxsize=4)
def _connect(secret_key: str, base: str, per_second: float, charges_per_second: float) -> StripeGateway:
    return StripeGateway(secret_key, base, per_second, charges_per_second)


def _refund(refund: Mapping[str, Any]) -> RefundOutcome:
    match refund.get("status"):
        case "succeeded":
            return RefundOutcome(RefundKind.SUCCEEDED, refund["id"])
        case "failed" | "canceled":
            return RefundOutcome(RefundKind.FAILED, refund["id"], str(refund.get("failure_reason") or "failed"))
        case _:
            return RefundOutcome(RefundKind.PENDING, refund["id"])


def _movement(entry: Mapping[str, Any]) -> BalanceMovement:
    source = entry.get("source") or {}
    if isinstance(source, Mapping):
        # A charge is known to us by its PaymentIntent; refunds and disputes have one too, but are themselves.
        source = source["payment_intent"] if source.get("object") == "charge" else source.get("id")
    currency = str(entry["currency"]).upper()
    factor = _AMOUNT_FACTOR.get(currency, 1)
    return BalanceMovement(
        id=entry["id"],
        kind=entry["type"],
        currency=currency,
        amount=entry["amount"] // factor,
        fee=entry["fee"] // factor,
        reference=str(source or ""),
        made_at=datetime.fromtimestamp(entry["created"], UTC),
    )


def _dispute(found: Mapping[str, Any]) -> DisputeState:
    currency = found["currency"].upper()
    due_by = (found.get("evidence_details") or {}).get("due_by")
    return DisputeState(
        id=found["id"],
        payment_intent=str(found.get("payment_intent") or ""),
        amount=found["amount"] // _AMOUNT_FACTOR.get(currency, 1),
        currency=currency,
        reason=found["reason"],
        status=found["status"],
        due_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
    )


def _setup_intent(intent: Mapping[str, Any]) -> SetupIntent:
    return SetupIntent(
        id=intent["id"],
        status=intent["status"],
        customer=intent.get("customer") or "",
        payment_method=intent.get("payment_method") or "",
        client_secret=intent.get("client_secret") or "",
    )


def _read(intent: Mapping[str, Any]) -> ChargeOutcome:
    payment_intent, secret = str(intent["id"]), str(intent.get("client_secret") or "")
    match intent.get("status"):
        case "succeeded":
            return ChargeOutcome(OutcomeKind.SUCCEEDED, payment_intent)
        case "canceled":
            return ChargeOutcome(OutcomeKind.CANCELED, payment_intent, "canceled")
        case "requires_action":
            return ChargeOutcome(OutcomeKind.REQUIRES_ACTION, payment_intent, "authentication_required", secret)
        case "requires_payment_method" if intent.get("last_payment_error"):
            return _decline(intent["last_payment_error"], payment_intent, secret)
        case status:
            return ChargeOutcome(OutcomeKind.UNKNOWN, payment_intent, str(status))


def _decline(error: Mapping[str, Any], payment_intent: str, secret: str) -> ChargeOutcome:
    code = str(error.get("decline_code") or error.get("code") or "generic_decline")
    if "authentication_required" in {code, error.get("code")}:
        # The customer completes the same PaymentIntent; a new one would be a second charge.
        return ChargeOutcome(OutcomeKind.REQUIRES_ACTION, payment_intent, "authentication_required", secret)
    final = rules.never_again(
        advice=str(error.get("advice_code") or ""),
        network_advice=str(error.get("network_advice_code") or ""),
        network_decline=str(error.get("network_decline_code") or ""),
    )
    return ChargeOutcome(OutcomeKind.DECLINED, payment_intent, code, final=final)


def _refusal(error: stripe.CardError | stripe.InvalidRequestError) -> ChargeOutcome:
    body = cast("Mapping[str, Any]", error.json_body or {}).get("error") or {}
    intent = body.get("payment_intent") or {}
    payment_intent, secret = str(intent.get("id") or ""), str(intent.get("client_secret") or "")
    if isinstance(error, stripe.CardError):
        return _decline(body, payment_intent, secret)
    if error.http_status == 404:
        return ChargeOutcome(OutcomeKind.NOT_FOUND, code=error.code or "resource_missing")
    if intent:
        # Refused for the state the PaymentIntent is in: that state is the answer.
        return _read(intent)
    return ChargeOutcome(OutcomeKind.REJECTED, code=error.code or "invalid_request")
