"""Billing's tables.

Amounts are integer minor units beside their ISO 4217 currency; instants are UTC; periods are
`[start, end)`. What must never be false is a constraint or a trigger here, not a check in a service.
"""

from billing.models.credit import CreditGrant, CreditUse
from billing.models.invoices import Invoice, InvoiceLine, NumberSeries
from billing.models.ledger import (
    GatewayTransaction,
    JournalEntry,
    JournalLine,
    RecognisedDay,
    RevenueSchedule,
    TieOut,
)
from billing.models.offers import Coupon, CouponRedemption, Quote
from billing.models.payments import CardSetup, PaymentAttempt, PaymentCustomer, PaymentMethod, WebhookEvent
from billing.models.plans import Plan, PlanFamily, Price
from billing.models.refunds import CreditNote, Dispute, Refund
from billing.models.subscriptions import Period, Subscription, SubscriptionTransition
from billing.models.taxes import TaxRate

__all__ = [
    "CardSetup",
    "Coupon",
    "CouponRedemption",
    "CreditGrant",
    "CreditNote",
    "CreditUse",
    "Dispute",
    "GatewayTransaction",
    "Invoice",
    "InvoiceLine",
    "JournalEntry",
    "JournalLine",
    "NumberSeries",
    "PaymentAttempt",
    "PaymentCustomer",
    "PaymentMethod",
    "Period",
    "Plan",
    "PlanFamily",
    "Price",
    "Quote",
    "RecognisedDay",
    "Refund",
    "RevenueSchedule",
    "Subscription",
    "SubscriptionTransition",
    "TaxRate",
    "TieOut",
    "WebhookEvent",
]
