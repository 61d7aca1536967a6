"""Billing's tables.

Amounts are integer minor units beside their ISO 4217 currency; instants are UTC; periods are
`[start, end)`. What must never be false is a constraint or a trigger here, not a check in a service.
"""

from billing.models import lookups as lookups
from billing.models.access import AccessGrant
from billing.models.consumers import Cancellation, Consent, ConsumerLaw, LegalDocument, Withdrawal
from billing.models.credit import CreditGrant, CreditUse
from billing.models.documents import BillingDetails, ReceiptMark, Seller
from billing.models.figures import RecurringRevenue, RecurringRevenueDay
from billing.models.gifts import Gift
from billing.models.invoices import Invoice, InvoiceLine, NumberSeries
from billing.models.ledger import (
    GatewayTransaction,
    JournalEntry,
    JournalLine,
    RecognisedDay,
    RevenueSchedule,
    TieOut,
)
from billing.models.notices import PriceNotice, Reminder
from billing.models.offers import Coupon, CouponRedemption, Quote
from billing.models.outages import Outage
from billing.models.payments import CardSetup, PaymentAttempt, PaymentCustomer, PaymentMethod, WebhookEvent
from billing.models.plans import Plan, PlanFamily, Price
from billing.models.refunds import CreditNote, Dispute, FraudWarning, Refund
from billing.models.setbacks import Setback
from billing.models.subscriptions import ParkedSubscription, Period, Resumption, Subscription, SubscriptionTransition
from billing.models.taxes import TaxPlace, TaxRate
from billing.models.trials import Trial

__all__ = [
    "AccessGrant",
    "BillingDetails",
    "Cancellation",
    "CardSetup",
    "Consent",
    "ConsumerLaw",
    "Coupon",
    "CouponRedemption",
    "CreditGrant",
    "CreditNote",
    "CreditUse",
    "Dispute",
    "FraudWarning",
    "GatewayTransaction",
    "Gift",
    "Invoice",
    "InvoiceLine",
    "JournalEntry",
    "JournalLine",
    "LegalDocument",
    "NumberSeries",
    "Outage",
    "ParkedSubscription",
    "PaymentAttempt",
    "PaymentCustomer",
    "PaymentMethod",
    "Period",
    "Plan",
    "PlanFamily",
    "Price",
    "PriceNotice",
    "Quote",
    "ReceiptMark",
    "RecognisedDay",
    "RecurringRevenue",
    "RecurringRevenueDay",
    "Refund",
    "Reminder",
    "Resumption",
    "RevenueSchedule",
    "Seller",
    "Setback",
    "Subscription",
    "SubscriptionTransition",
    "TaxPlace",
    "TaxRate",
    "TieOut",
    "Trial",
    "WebhookEvent",
    "Withdrawal",
]
