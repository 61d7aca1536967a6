"""Stripe's test cards (docs.stripe.com/testing): what each number does."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from local.standin.wire import StripeError


@dataclass(frozen=True)
class Decline:
    """How a card fails: `code` for the API, `decline_code` from its bank, and the advice that goes with it."""

    code: str
    decline_code: str | None = None
    message: str = "Your card was declined."
    advice_code: str | None = "try_again_later"
    network_decline_code: str | None = None


GENERIC = Decline("card_declined", "generic_decline", network_decline_code="05")
INSUFFICIENT = Decline(
    "card_declined", "insufficient_funds", "Your card has insufficient funds.", network_decline_code="51"
)
AUTHENTICATION = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    advice_code=None,
)
BAD_MONTH = Decline("invalid_expiry_month", None, "Your card's expiration month is invalid.", advice_code=None)
BAD_YEAR = Decline("invalid_expiry_year", None, "Your card's expiration year is invalid.", advice_code=None)
BAD_CVC = Decline("invalid_cvc", None, "Your card's security code is invalid.", advice_code=None)
BAD_NUMBER = Decline("incorrect_number", None, "Your card number is incorrect.", advice_code=None)


@dataclass(frozen=True)
class Card:
    """A number and its behaviour.

    `authentication`: "never"; "always"; "on_session", when the customer is there; "unless_set_up", on session
    always and off session until a SetupIntent has been authenticated.
    """

    number: str
    brand: str = "visa"
    country: str = "US"
    at_attach: Decline | None = None
    at_charge: Decline | None = None
    authentication: str = "never"
    after_authentication: Decline | None = None
    dispute: str | None = None
    refund: str = "succeeded"
    names: tuple[str, ...] = field(default=())

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """The same for the same number, whoever enters it."""
        return sha256(self.number.encode()).hexdigest()[:16]


def _refused(number: str, decline: Decline, *names: str) -> Card:
    """A card that fails when it is attached, and when it is charged without being attached."""
    return Card(number, at_attach=decline, at_charge=decline, names=names)


CARDS = (
    Card("4242424242424242", names=("pm_card_visa",)),
    Card("4000056655665556", names=("pm_card_visa_debit",)),
    Card("5555555555554444", brand="mastercard", names=("pm_card_mastercard",)),
    Card("378282246310005", brand="amex", names=("pm_card_amex",)),
    Card("4000002760000016", country="DE", names=("pm_card_de",)),
    Card("4000008260000000", country="GB", names=("pm_card_gb",)),
    Card("4000003920000003", country="JP", names=("pm_card_jp",)),
    _refused("4000000000000002", GENERIC, "pm_card_visa_chargeDeclined", "pm_card_chargeDeclined"),
    _refused("4000000000009995", INSUFFICIENT, "pm_card_visa_chargeDeclinedInsufficientFunds"),
    _refused(
        "4000000000009987",
        Decline("card_declined", "lost_card", advice_code="do_not_try_again", network_decline_code="41"),
        "pm_card_visa_chargeDeclinedLostCard",
    ),
    _refused(
        "4000000000009979",
        Decline("card_declined", "stolen_card", advice_code="do_not_try_again", network_decline_code="43"),
        "pm_card_visa_chargeDeclinedStolenCard",
    ),
    _refused(
        "4000000000000069",
        Decline("expired_card", "expired_card", "Your card has expired.", "confirm_card_data", "54"),
        "pm_card_chargeDeclinedExpiredCard",
    ),
    _refused(
        "4000000000000127",
        Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data", "N7"),
        "pm_card_chargeDeclinedIncorrectCvc",
    ),
    _refused(
        "4000000000000119",
        Decline("processing_error", "processing_error", "An error occurred while processing your card. Try again in a little bit."),
        "pm_card_chargeDeclinedProcessingError",
    ),
    _refused(
        "4000000000006975",
        Decline("card_declined", "card_velocity_exceeded", network_decline_code="65"),
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
    ),
    Card("4000000000000341", at_charge=GENERIC, names=("pm_card_chargeCustomerFail",)),
    Card("4000002500003155", authentication="unless_set_up", names=("pm_card_authenticationRequiredOnSetup",)),
    Card("4000002760003184", authentication="always", names=("pm_card_authenticationRequired",)),
    Card("4000003800000446", authentication="on_session", names=("pm_card_authenticationRequiredSetupForOffSession",)),
    Card("4000000000003220", authentication="always", names=("pm_card_threeDSecure2Required",)),
    Card("4000008400001629", authentication="always", after_authentication=GENERIC,
             names=("pm_card_threeDSecureRequiredChargeDeclined",)),
    Card("4000008400001280", authentication="always",
             after_authentication=Decline("card_declined", "processing_error"),
             names=("pm_card_threeDSecureRequiredProcessingError",)),
    Card("4000008260003178", authentication="unless_set_up", at_charge=INSUFFICIENT,
             names=("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",)),
    Card("4000000000000259", dispute="fraudulent", names=("pm_card_createDispute",)),
    Card("4000000000002685", dispute="product_not_received", names=("pm_card_createDisputeProductNotReceived",)),
    Card("4000000000001976", dispute="inquiry", names=("pm_card_createDisputeInquiry",)),
    Card("4000000000005423", dispute="early_fraud_warning", names=("pm_card_createIssuerFraudRecord",)),
    Card("4000000000007726", refund="pending_then_succeeded", names=("pm_card_pendingRefund",)),
    Card("4000000000005126", refund="pending_then_failed", names=("pm_card_refundFail",)),
)  # fmt: skip

BY_NUMBER = {card.number: card for card in CARDS}
BY_NAME = {name: card for card in CARDS for name in card.names}


def card_of_number(number: str) -> Card:
    """Answer the card of a number as typed; raises the error for a wrong one."""
    digits = number.replace(" ", "").replace("-", "")
    if not digits.isdecimal() or not 12 <= len(digits) <= 19 or not _luhn(digits):
        raise decline_error(BAD_NUMBER, param="number")
    return BY_NUMBER.get(digits) or Card(digits)


def decline_error(decline: Decline, **members: object) -> StripeError:
    """Answer the 402 for a declined card; its key remembers it, because the bank was asked."""
    return StripeError(
        decline.message,
        status=402,
        kind="card_error",
        stored=True,
        code=decline.code,
        decline_code=decline.decline_code,
        advice_code=decline.advice_code,
        network_decline_code=decline.network_decline_code,
        **members,
    )


def _luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
