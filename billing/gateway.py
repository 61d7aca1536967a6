"""What billing needs of a company that moves money, in billing's own words.

`billing.stripe_gateway` speaks to Stripe; a benchmark may stand in with a gateway that answers at
once. No method raises for what the other side does: each outcome is a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class OutcomeKind(StrEnum):
    """What became of a charge."""

    SUCCEEDED = "succeeded"
    REQUIRES_ACTION = "requires_action"  # the customer must authenticate, present, on this same PaymentIntent
    DECLINED = "declined"
    CANCELED = "canceled"  # the PaymentIntent was canceled; it can never be charged
    REJECTED = "rejected"  # the request was refused as wrong; nothing was charged
    UNKNOWN = "unknown"  # may or may not have been charged: ask again, never give up on it
    NOT_FOUND = "not_found"  # the gateway has no trace of it


@dataclass(frozen=True)
class ChargeOutcome:
    """One answer about one charge. `code` is the decline or error code; `client_secret` is never stored.

    `final` means that this card must never be tried again. `is_kept` means that the answer is that of an earlier call with
    the same key, which the gateway keeps: no call with it does anything any more. `is_refused` means that the gateway does
    not say what became of the charge, and will not until somebody has mended why.
    """

    kind: OutcomeKind
    payment_intent: str = ""
    code: str = ""
    client_secret: str = ""
    final: bool = False
    is_kept: bool = False
    is_refused: bool = False


class GatewayUnavailable(Exception):
    """The gateway gave no usable answer to something that moves no money; trying again is safe."""


class GatewayRefused(Exception):
    """The gateway refused something that moves no money; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


NOT_A_CARD = "not_a_card"


@dataclass(frozen=True)
class SetupIntent:
    """The saving of a card, as the gateway sees it. `client_secret` is for the customer's client alone."""

    id: str
    status: str
    customer: str
    payment_method: str
    client_secret: str


@dataclass(frozen=True)
class Card:
    """A saved card, as much of it as may be shown."""

    id: str
    customer: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    country: str
    fingerprint: str
    wallet: str = ""


class RefundKind(StrEnum):
    """What became of a refund."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"  # accepted; the customer's bank has the last word
    FAILED = "failed"
    UNKNOWN = "unknown"  # ask again


@dataclass(frozen=True)
class RefundOutcome:
    """One answer about one refund; `code` says why it failed."""

    kind: RefundKind
    id: str = ""
    code: str = ""


@dataclass(frozen=True)
class DisputeState:
    """A dispute as the gateway has it now."""

    id: str
    payment_intent: str
    amount: int
    currency: str
    reason: str
    status: str
    due_by: datetime | None = None
    """Until when evidence is taken."""


@dataclass(frozen=True)
class FraudWarning:
    """A bank says that the holder of a card complains of a payment; `actionable` while it is neither refunded nor disputed."""

    id: str
    payment_intent: str
    fraud_type: str
    actionable: bool


@dataclass(frozen=True)
class BalanceMovement:
    """A movement of our balance at the gateway, in ISO minor units; what we receive is positive.

    `reference` is what moved it: the PaymentIntent of a charge, or the refund, dispute or payout itself.
    """

    id: str
    kind: str
    currency: str
    amount: int
    fee: int
    reference: str
    made_at: datetime


class Gateway(Protocol):
    """A company that saves cards and charges them.

    Those that answer a ChargeOutcome answer one whatever happens; the others raise GatewayUnavailable and
    GatewayRefused.
    """

    def create_customer(self, *, account_id: str, idempotency_key: str) -> str: ...

    def delete_customer(self, customer: str) -> None: ...  # with its cards; one that is gone already is no error

    def create_setup_intent(
        self, *, customer: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> SetupIntent: ...

    def setup_intent(self, setup_intent_id: str) -> SetupIntent | None: ...

    def card(self, payment_method_id: str) -> Card: ...  # refused with NOT_A_CARD if it is none

    def detach(self, payment_method_id: str) -> None: ...

    def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome: ...

    def charge_status(self, payment_intent: str) -> ChargeOutcome: ...

    def find_charge(self, *, customer: str, attempt_id: str, since: datetime) -> ChargeOutcome: ...

    def balance_movements(self, *, since: datetime, until: datetime) -> Iterator[BalanceMovement]: ...

    def refund(
        self, *, payment_intent: str, amount: int, currency: str, refund_id: str, idempotency_key: str
    ) -> RefundOutcome: ...

    def refund_status(self, gateway_id: str) -> RefundOutcome: ...

    def find_refund(self, *, payment_intent: str, refund_id: str) -> RefundOutcome | None: ...

    def dispute(self, dispute_id: str) -> DisputeState: ...

    def upload_evidence(self, *, name: str, content: bytes, idempotency_key: str) -> str: ...  # answers the file's id

    def submit_evidence(
        self, dispute_id: str, *, evidence: Mapping[str, str], idempotency_key: str
    ) -> DisputeState: ...  # texts, and ids of files; refused once it is closed or too late

    def fraud_warning(self, warning_id: str) -> FraudWarning: ...

    def events(self, *, since: datetime) -> Iterator[Mapping[str, Any]]: ...

    def cancel_charge(self, payment_intent: str, *, idempotency_key: str) -> ChargeOutcome: ...
