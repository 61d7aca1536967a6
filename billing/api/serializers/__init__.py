"""What goes in and out. Amounts are integers in minor units beside their currency."""

from billing.api.serializers.cards import CardSetupSerializer, PaymentMethodSerializer, RegisterCardSerializer
from billing.api.serializers.gifts import (
    BalanceSerializer,
    CreditGrantSerializer,
    GiftBoughtSerializer,
    GiftSerializer,
    GiftWantedSerializer,
    RedeemSerializer,
)
from billing.api.serializers.invoices import (
    BillingDetailsSerializer,
    CreditNoteSerializer,
    ExplanationSerializer,
    InvoiceSerializer,
    SetBillingDetailsSerializer,
)
from billing.api.serializers.lifecycle import (
    CancelSerializer,
    LegalDocumentSerializer,
    PauseSerializer,
    PurchaseQuestionSerializer,
    PurchaseSerializer,
    ReactivateSerializer,
    ResumeSerializer,
    ReturnOfferSerializer,
    StartTrialSerializer,
    WithdrawalSerializer,
)
from billing.api.serializers.plans import EntitlementSerializer, PlansSerializer
from billing.api.serializers.subscriptions import (
    ChangeSerializer,
    QuoteSerializer,
    SubscribedSerializer,
    SubscribeSerializer,
    SubscriptionSerializer,
)

__all__ = [
    "BalanceSerializer",
    "BillingDetailsSerializer",
    "CancelSerializer",
    "CardSetupSerializer",
    "ChangeSerializer",
    "CreditGrantSerializer",
    "CreditNoteSerializer",
    "EntitlementSerializer",
    "ExplanationSerializer",
    "GiftBoughtSerializer",
    "GiftSerializer",
    "GiftWantedSerializer",
    "InvoiceSerializer",
    "LegalDocumentSerializer",
    "PauseSerializer",
    "PaymentMethodSerializer",
    "PlansSerializer",
    "PurchaseQuestionSerializer",
    "PurchaseSerializer",
    "QuoteSerializer",
    "ReactivateSerializer",
    "RedeemSerializer",
    "RegisterCardSerializer",
    "ResumeSerializer",
    "ReturnOfferSerializer",
    "SetBillingDetailsSerializer",
    "StartTrialSerializer",
    "SubscribeSerializer",
    "SubscribedSerializer",
    "SubscriptionSerializer",
    "WithdrawalSerializer",
]
