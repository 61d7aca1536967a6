"""The Gateway protocol over Stripe's HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from io import BytesIO
from typing import Any, TypeVar, cast

import stripe
from stripe.params import SetupIntentCreateParams

from billing.gateway import (
    NOT_A_CARD,
    BalanceMovement,
    Card,
    ChargeOutcome,
    DisputeState,
    FraudWarning,
    GatewayRefused,
    GatewayUnavailable,
    OutcomeKind,
    RefundKind,
    RefundOutcome,
    SetupIntent,
)
from billing.stripe_gateway.answers import (
    is_kept,
    read_charge,
    read_dispute,
    read_movement,
    read_refund,
    read_refusal,
    read_setup_intent,
)
from billing.stripe_gateway.parameters import AMOUNT_FACTOR
from core.pacing import Pace, Rate

API_VERSION = "2026-10-28.endive"
"""What our code was written against; raised on purpose, never by an upgrade of the library or of the account."""
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
"""Seconds. A charge that takes longer has an unknown outcome and is asked for again by its key."""
TOO_MANY_PAUSE = 1.0
"""Seconds that all workers leave Stripe alone after it answered that requests are too many."""
Answer = TypeVar("Answer")


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
            # At Stripe, files go to an address of their own.
            base_addresses={"api": base} if base == stripe.DEFAULT_API_BASE else {"api": base, "files": base},
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
        return read_setup_intent(made.to_dict())

    def setup_intent(self, setup_intent_id: str) -> SetupIntent | None:
        try:
            return read_setup_intent(
                self._ask(lambda: self._stripe.v1.setup_intents.retrieve(setup_intent_id)).to_dict()
            )
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
            yield read_movement(found.to_dict())

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
        return _learnt(self._outcome(lambda: self._stripe.v1.payment_intents.retrieve(payment_intent)))

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

        return _learnt(self._outcome(find))

    def refund(
        self, *, payment_intent: str, amount: int, currency: str, refund_id: str, idempotency_key: str
    ) -> RefundOutcome:
        return self._refund_outcome(
            lambda: self._stripe.v1.refunds.create(
                {
                    "payment_intent": payment_intent,
                    "amount": amount * AMOUNT_FACTOR.get(currency, 1),
                    "metadata": {"refund": refund_id},
                },
                {"idempotency_key": idempotency_key},
            )
        )

    def refund_status(self, gateway_id: str) -> RefundOutcome:
        outcome = self._refund_outcome(lambda: self._stripe.v1.refunds.retrieve(gateway_id))
        # Who is refused the answer learns nothing of the money.
        return outcome if outcome.id else RefundOutcome(RefundKind.UNKNOWN, code=outcome.code)

    def find_refund(self, *, payment_intent: str, refund_id: str) -> RefundOutcome | None:
        """Look for a refund among those of its payment; None if there is none."""
        try:
            listed = self._ask(lambda: self._stripe.v1.refunds.list({"payment_intent": payment_intent, "limit": 100}))
        except (GatewayRefused, GatewayUnavailable):
            return RefundOutcome(RefundKind.UNKNOWN)
        for refund in listed.data:
            if (refund.to_dict().get("metadata") or {}).get("refund") == refund_id:
                return read_refund(refund.to_dict())
        return None

    def dispute(self, dispute_id: str) -> DisputeState:
        return read_dispute(self._ask(lambda: self._stripe.v1.disputes.retrieve(dispute_id)).to_dict())

    def upload_evidence(self, *, name: str, content: bytes, idempotency_key: str) -> str:
        file = BytesIO(content)
        # What the library calls the file by.
        file.name = name
        made = self._ask(
            lambda: self._stripe.v1.files.create(
                {"purpose": "dispute_evidence", "file": file}, {"idempotency_key": idempotency_key}
            )
        )
        return made.id

    def submit_evidence(self, dispute_id: str, *, evidence: Mapping[str, str], idempotency_key: str) -> DisputeState:
        made = self._ask(
            lambda: self._stripe.v1.disputes.update(
                dispute_id,
                # By Stripe's names: the library's type knows them one by one.
                cast("Any", {"evidence": dict(evidence), "submit": True}),
                {"idempotency_key": idempotency_key},
            )
        )
        return read_dispute(made.to_dict())

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
            return read_refund(call().to_dict())
        except stripe.InvalidRequestError as error:
            return RefundOutcome(RefundKind.FAILED, code=error.code or "invalid_request")
        except stripe.StripeError as error:
            return RefundOutcome(RefundKind.UNKNOWN, code=f"http_{error.http_status or 'none'}")

    def cancel_charge(self, payment_intent: str, *, idempotency_key: str) -> ChargeOutcome:
        return _learnt(
            self._outcome(
                lambda: self._stripe.v1.payment_intents.cancel(
                    payment_intent, {"cancellation_reason": "abandoned"}, {"idempotency_key": idempotency_key}
                )
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
            return read_refusal(error)
        except stripe.RateLimitError:
            self._charges.hold(TOO_MANY_PAUSE)
            return ChargeOutcome(OutcomeKind.UNKNOWN, code="rate_limited")
        except stripe.APIConnectionError:
            return ChargeOutcome(OutcomeKind.UNKNOWN, code="no_answer")
        except stripe.StripeError as error:
            # 409 while the key is in use, 5xx, refused keys, key reused with other parameters.
            return ChargeOutcome(
                OutcomeKind.UNKNOWN, code=f"http_{error.http_status or 'garbled'}", is_kept=is_kept(error)
            )
        if intent is None:
            return ChargeOutcome(OutcomeKind.NOT_FOUND)
        return read_charge(intent.to_dict())


def _learnt(outcome: ChargeOutcome) -> ChargeOutcome:
    """Answer what was learnt of a charge by asking: who is refused, by another account's key, learns nothing of it."""
    if outcome.code and not outcome.payment_intent:
        return ChargeOutcome(OutcomeKind.UNKNOWN, code=outcome.code, is_refused=outcome.kind is not OutcomeKind.UNKNOWN)
    return outcome
