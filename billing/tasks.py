"""Billing's jobs. Each may run twice, be delivered three times or be killed anywhere."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task

from billing import stripe_gateway
from billing.models import Subscription
from billing.services import (
    card_care,
    documents,
    figures,
    gifts,
    notices,
    payments,
    recognition,
    refunds,
    renewals,
    setbacks,
    webhooks,
)
from billing.services import tie_out as tying
from core import clock

logger = logging.getLogger(__name__)

RENEWALS_A_RUN = 20_000
"""One run ends before the broker would deliver its task again; what is left is due in a minute too."""

NOTICES_A_RUN = 50_000


@shared_task
def renew_due(**_: Any) -> None:
    """Bill what is due."""
    handled = renewals.run(gateway=stripe_gateway.connect(), clock=clock.now, limit=RENEWALS_A_RUN)
    if handled:
        logger.info("Subscriptions were billed.", extra={"count": len(handled)})


@shared_task
def alert_of_late_renewals(**_: Any) -> None:
    """Say that subscribers are locked out because nothing of ours has billed them."""
    late = Subscription.objects.renewal_late(clock.now())
    count = late.count()
    if count:
        oldest = late.order_by("paid_through").values_list("pk", "parked_reason").first()
        logger.error("Renewals are more than 72 hours late.", extra={"count": count, "oldest": str(oldest)})


@shared_task
def sweep_payments(**_: Any) -> None:
    """Settle charges whose caller is gone."""
    report = payments.sweep(gateway=stripe_gateway.connect(), now=clock.now())
    if report.replayed or report.looked_up or report.abandoned:
        logger.info(
            "Payments were swept.",
            extra={"replayed": report.replayed, "looked_up": report.looked_up, "abandoned": report.abandoned},
        )


@shared_task
def process_webhook(*, event_id: str, **_: Any) -> None:
    """Apply one event of Stripe's."""
    webhooks.process(event_id=event_id, gateway=stripe_gateway.connect(), now=clock.now())


@shared_task
def process_webhooks(**_: Any) -> None:
    """Apply the events that wait: their message was lost, or their object was not known yet."""
    webhooks.process_due(gateway=stripe_gateway.connect(), now=clock.now())


@shared_task
def recognise_revenue(**_: Any) -> None:
    """Book the revenue of the days that are over."""
    recognition.recognise_due(now=clock.now())


@shared_task
def tie_out(**_: Any) -> None:
    """Compare our books with the gateway's for the days that are over."""
    tying.tie_out_due(gateway=stripe_gateway.connect(), now=clock.now())


@shared_task
def announce_prices(**_: Any) -> None:
    """Tell subscribers of new prices, in time."""
    told = notices.announce_prices(now=clock.now(), limit=NOTICES_A_RUN)
    if told:
        logger.info("Subscribers were told of new prices.", extra={"count": told})


@shared_task
def remind(**_: Any) -> None:
    """Remind subscribers of what is about to be charged."""
    reminded = notices.remind(now=clock.now(), limit=NOTICES_A_RUN)
    if reminded:
        logger.info("Subscribers were reminded of charges.", extra={"count": reminded})


@shared_task
def warn_of_expiring_cards(**_: Any) -> None:
    """Tell subscribers of cards that end."""
    card_care.warn_of_expiry(now=clock.now())


@shared_task
def deliver_gifts(**_: Any) -> None:
    """Mail the gifts whose day has come."""
    gifts.deliver_due(now=clock.now())


@shared_task
def expire_gifts(**_: Any) -> None:
    """End the gifts whose last day is over."""
    gifts.expire_due(now=clock.now())


@shared_task
def sweep_refunds(**_: Any) -> None:
    """Send and ask after refunds that are under way."""
    refunds.sweep(gateway=stripe_gateway.connect(), now=clock.now())


@shared_task
def fill_webhook_holes(**_: Any) -> None:
    """Fetch the events that never arrived."""
    webhooks.fill_holes(gateway=stripe_gateway.connect(), livemode=stripe_gateway.livemode(), now=clock.now())


@shared_task
def purge_webhooks(**_: Any) -> None:
    """Delete Stripe's events that were applied long ago."""
    logger.info("Webhook events were purged.", extra={"purged": webhooks.purge(now=clock.now())})


@shared_task
def prune_setbacks(**_: Any) -> None:
    """Forget what failed and has been handled since."""
    setbacks.prune(now=clock.now())


@shared_task
def send_receipts(**_: Any) -> None:
    """Mail receipts of what was paid."""
    documents.send_receipts(now=clock.now())


@shared_task
def record_seller(**_: Any) -> None:
    """Notice that the settings name the seller otherwise."""
    documents.record_seller(now=clock.now())


@shared_task
def record_recurring_revenue(**_: Any) -> None:
    """Record the day that is over, for the dashboard."""
    figures.record_due(now=clock.now())
