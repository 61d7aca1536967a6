"""Subscribing, cancelling, and taking a cancellation back."""

from billing.services.subscriptions.canceling import (
    NoSubscription,
    NotCanceled,
    PaymentUnderWay,
    UnderReview,
    Why,
    cancel,
    stop_renewing,
    undo_cancel,
)
from billing.services.subscriptions.choosing import PriceNotOffered, is_new, offered_price, periods_billed
from billing.services.subscriptions.collecting import PaymentFailed, Subscribed, answer, collect
from billing.services.subscriptions.subscribing import AlreadySubscribed, PaymentMethodRequired, QuoteChanged, subscribe

__all__ = [
    "AlreadySubscribed",
    "NoSubscription",
    "NotCanceled",
    "PaymentFailed",
    "PaymentMethodRequired",
    "PaymentUnderWay",
    "PriceNotOffered",
    "QuoteChanged",
    "Subscribed",
    "UnderReview",
    "Why",
    "answer",
    "cancel",
    "collect",
    "is_new",
    "offered_price",
    "periods_billed",
    "stop_renewing",
    "subscribe",
    "undo_cancel",
]
