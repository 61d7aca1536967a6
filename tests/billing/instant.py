"""A gateway in this process that answers at once: for renewals by the thousand and for exact books."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from billing.gateway import (
    BalanceMovement,
    Card,
    ChargeOutcome,
    DisputeState,
    FraudWarning,
    OutcomeKind,
    RefundOutcome,
    SetupIntent,
)

NOT_FOUND = ChargeOutcome(OutcomeKind.NOT_FOUND)


class InstantGateway:
    """Charges whatever it is asked, once a key; its books are `charges`, by key, and `calls`."""

    def __init__(self, outcome: ChargeOutcome | None = None) -> None:
        self.outcome = outcome
        self.charges: dict[str, Mapping[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome:
        with self._lock:
            self.calls[idempotency_key] += 1
            if self.outcome is not None:
                return self.outcome
            self.charges.setdefault(idempotency_key, params)
        return ChargeOutcome(OutcomeKind.SUCCEEDED, f"pi_{idempotency_key}")

    def create_customer(self, *, account_id: str, idempotency_key: str) -> str:
        raise NotImplementedError

    def delete_customer(self, customer: str) -> None:
        raise NotImplementedError

    def create_setup_intent(self, *, customer: str, metadata: Mapping[str, str], idempotency_key: str) -> SetupIntent:
        raise NotImplementedError

    def setup_intent(self, setup_intent_id: str) -> SetupIntent | None:
        raise NotImplementedError

    def card(self, payment_method_id: str) -> Card:
        raise NotImplementedError

    def detach(self, payment_method_id: str) -> None:
        raise NotImplementedError

    def charge_status(self, payment_intent: str) -> ChargeOutcome:
        raise NotImplementedError

    def find_charge(self, *, customer: str, attempt_id: str, since: datetime) -> ChargeOutcome:
        key = f"att_{attempt_id}"
        return ChargeOutcome(OutcomeKind.SUCCEEDED, f"pi_{key}") if key in self.charges else NOT_FOUND

    def balance_movements(self, *, since: datetime, until: datetime) -> Iterator[BalanceMovement]:
        raise NotImplementedError

    def refund(
        self, *, payment_intent: str, amount: int, currency: str, refund_id: str, idempotency_key: str
    ) -> RefundOutcome:
        raise NotImplementedError

    def refund_status(self, gateway_id: str) -> RefundOutcome:
        raise NotImplementedError

    def find_refund(self, *, payment_intent: str, refund_id: str) -> RefundOutcome | None:
        raise NotImplementedError

    def dispute(self, dispute_id: str) -> DisputeState:
        raise NotImplementedError

    def upload_evidence(self, *, name: str, content: bytes, idempotency_key: str) -> str:
        raise NotImplementedError

    def submit_evidence(self, dispute_id: str, *, evidence: Mapping[str, str], idempotency_key: str) -> DisputeState:
        raise NotImplementedError

    def fraud_warning(self, warning_id: str) -> FraudWarning:
        raise NotImplementedError

    def events(self, *, since: datetime) -> Iterator[Mapping[str, Any]]:
        raise NotImplementedError

    def cancel_charge(self, payment_intent: str, *, idempotency_key: str) -> ChargeOutcome:
        raise NotImplementedError
