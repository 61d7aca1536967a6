"""Stripe's test cards (https://docs.stripe.com/testing) and what each of them does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from local.stripe_standin.errors import CardError


@dataclass(frozen=True)
class Decline:
    """Why a card says no. Codes of the network are those of Visa's and Mastercard's replies."""

    code: str
    message: str
    decline_code: str | None = None
    param: str | None = None
    network_code: str | None = None
    advice: str | None = None
    """What the issuer advises: try_again_later, do_not_try_again or confirm_card_data."""

    def error(self, **fields: object) -> CardError:
        return CardError(
            self.message,
            code=self.code,
            param=self.param,
            decline_code=self.decline_code,
            advice_code=self.advice,
            network_decline_code=self.network_code,
            **fields,
        )


DECLINED = "Your card was declined."
GENERIC = Decline("card_declined", DECLINED, "generic_decline", None, "05", "try_again_later")
INSUFFICIENT_FUNDS = Decline(
    "card_declined", "Your card has insufficient funds.", "insufficient_funds", None, "51", "try_again_later"
)
LOST = Decline("card_declined", DECLINED, "lost_card", None, "41", "do_not_try_again")
STOLEN = Decline("card_declined", DECLINED, "stolen_card", None, "43", "do_not_try_again")
EXPIRED = Decline("expired_card", "Your card has expired.", "expired_card", "exp_month", "54", "confirm_card_data")
WRONG_CVC = Decline(
    "incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc", "cvc", "N7", "confirm_card_data"
)
PROCESSING_ERROR = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
    None,
    "96",
    "try_again_later",
)
VELOCITY = Decline(
    "card_declined",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    "card_velocity_exceeded",
    None,
    "65",
    "try_again_later",
)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
    None,
    "1A",
)
WRONG_NUMBER = Decline("incorrect_number", "Your card number is incorrect.", None, "number")


class Authentication(Enum):
    """When the bank wants to see the customer."""

    NEVER = "never"
    UNLESS_SET_UP = "unless set up"
    """Always while the customer is there; off-session unless the card was set up for that."""
    ALREADY_SET_UP = "already set up"
    """While the customer is there; never off-session."""
    ALWAYS = "always"


class RefundFate(Enum):
    """What becomes of a refund."""

    SUCCEEDS = "succeeds"
    PENDING_FIRST = "pending, then succeeds"
    FAILS_LATER = "succeeds, then fails"


@dataclass(frozen=True)
class TestCard:
    """A card number and its behaviour."""

    __test__ = False  # no test class, whatever pytest thinks of its name

    number: str
    id: str
    """Stripe's name for a PaymentMethod of this card; each use of it makes a new PaymentMethod."""
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    on_attach: Decline | None = None
    """Raised when the card is attached, set up or charged."""
    on_charge: Decline | None = None
    """Raised when the card is charged, after authentication if that is asked for."""
    authentication: Authentication = Authentication.NEVER
    authentication_fails: bool = False
    """The 3D Secure look-up itself fails, which declines the payment."""
    dispute_reason: str | None = None
    is_inquiry: bool = False
    fraud_warning: bool = False
    refund: RefundFate = RefundFate.SUCCEEDS

    @property
    def last4(self) -> str:
        return self.number[-4:]


_CARDS = [
    TestCard("4242424242424242", "pm_card_visa"),
    TestCard("4000056655665556", "pm_card_visa_debit", funding="debit"),
    TestCard("5555555555554444", "pm_card_mastercard", "mastercard"),
    TestCard("5200828282828210", "pm_card_mastercard_debit", "mastercard", funding="debit"),
    TestCard("5105105105105100", "pm_card_mastercard_prepaid", "mastercard", funding="prepaid"),
    TestCard("378282246310005", "pm_card_amex", "amex"),
    TestCard("6011111111111117", "pm_card_discover", "discover"),
    TestCard("3056930009020004", "pm_card_diners", "diners"),
    TestCard("3566002020360505", "pm_card_jcb", "jcb"),
    TestCard("6200000000000005", "pm_card_unionpay", "unionpay"),
    TestCard("4000008260000000", "pm_card_gb", country="GB"),
    TestCard("4000002760000016", "pm_card_de", country="DE"),
    TestCard("4000002500000003", "pm_card_fr", country="FR"),
    TestCard("4000003920000003", "pm_card_jp", country="JP"),
    TestCard("4000000000000002", "pm_card_visa_chargeDeclined", on_attach=GENERIC),
    TestCard("4000000000009995", "pm_card_visa_chargeDeclinedInsufficientFunds", on_attach=INSUFFICIENT_FUNDS),
    TestCard("4000000000009987", "pm_card_visa_chargeDeclinedLostCard", on_attach=LOST),
    TestCard("4000000000009979", "pm_card_visa_chargeDeclinedStolenCard", on_attach=STOLEN),
    TestCard("4000000000000069", "pm_card_chargeDeclinedExpiredCard", on_attach=EXPIRED),
    TestCard("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", on_attach=WRONG_CVC),
    TestCard("4000000000000119", "pm_card_chargeDeclinedProcessingError", on_attach=PROCESSING_ERROR),
    TestCard("4000000000006975", "pm_card_visa_chargeDeclinedVelocityLimitExceeded", on_attach=VELOCITY),
    TestCard("4000000000000341", "pm_card_chargeCustomerFail", on_charge=GENERIC),
    TestCard("4000002500003155", "pm_card_authenticationRequiredOnSetup", authentication=Authentication.UNLESS_SET_UP),
    TestCard("4000002760003184", "pm_card_authenticationRequired", authentication=Authentication.ALWAYS),
    TestCard(
        "4000003800000446",
        "pm_card_authenticationRequiredSetupForOffSession",
        authentication=Authentication.ALREADY_SET_UP,
    ),
    TestCard(
        "4000008260003178",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        country="GB",
        authentication=Authentication.UNLESS_SET_UP,
        on_charge=INSUFFICIENT_FUNDS,
    ),
    TestCard("4000000000003220", "pm_card_threeDSecure2Required", authentication=Authentication.ALWAYS),
    TestCard(
        "4000008400001629",
        "pm_card_threeDSecureRequiredChargeDeclined",
        authentication=Authentication.ALWAYS,
        on_charge=GENERIC,
    ),
    TestCard("4000008400001280", "pm_card_threeDSecureRequiredProcessingError", authentication_fails=True),
    TestCard("4000000000000259", "pm_card_createDispute", dispute_reason="fraudulent"),
    TestCard("4000000000002685", "pm_card_createDisputeProductNotReceived", dispute_reason="product_not_received"),
    TestCard("4000000000001976", "pm_card_createDisputeInquiry", dispute_reason="fraudulent", is_inquiry=True),
    TestCard("4000000000005423", "pm_card_createIssuerFraudRecord", fraud_warning=True),
    TestCard("4000000000007726", "pm_card_pendingRefund", refund=RefundFate.PENDING_FIRST),
    TestCard("4000000000005126", "pm_card_refundFail", refund=RefundFate.FAILS_LATER),
]

BY_NUMBER = {card.number: card for card in _CARDS}
BY_ID = {card.id: card for card in _CARDS}


def passes_luhn(number: str) -> bool:
    """Answer whether the number's check digit is right."""
    if not number.isdecimal() or not 12 <= len(number) <= 19:
        return False
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def by_number(number: str) -> TestCard:
    """Answer the test card of a number; raises CardError as Stripe does for others in test mode."""
    number = number.replace(" ", "").replace("-", "")
    if not passes_luhn(number):
        raise WRONG_NUMBER.error()
    if number not in BY_NUMBER:
        raise CardError(
            "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid "
            "test cards, visit: https://stripe.com/docs/testing.",
            code="card_declined",
            decline_code="test_mode_live_card",
        )
    return BY_NUMBER[number]
