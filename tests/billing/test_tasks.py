"""Jobs may be delivered three times, and the schedule may run twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from celery import current_app
from django.conf import settings

from billing import tasks
from billing.models import Invoice, Subscription
from core.clock import now
from tests.billing.customers import Customer
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db


@pytest.mark.rule("4.20")
@pytest.mark.story("job enqueued twice")
@pytest.mark.story("broker delivers a task again")
class TestRenewDue:
    def test_bills_once_when_delivered_three_times(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        due = Subscription.objects.get().next_bill_at
        assert due is not None
        with time_machine.travel(due, tick=False):
            for _ in range(3):
                tasks.renew_due(argument_of_another_release=1)
        assert len(standin.control.charges()) == 2
        assert Invoice.objects.count() == 2


@pytest.mark.rule("4.16")
class TestSweepPayments:
    def test_finishes_what_nobody_waits_for(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card()
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        customer.subscribe(PriceFactory.create())
        with time_machine.travel(now() + timedelta(seconds=61)):
            tasks.sweep_payments()
            tasks.sweep_payments()
        assert Subscription.objects.get().status == "active"
        assert len(standin.control.charges()) == 1


class TestSchedule:
    def test_names_tasks_that_exist_and_goes_to_the_billing_queue(self) -> None:
        scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
        ours = {name for name in scheduled if name.startswith("billing.")}
        assert ours == {
            "billing.tasks.renew_due",
            "billing.tasks.sweep_payments",
            "billing.tasks.process_webhooks",
            "billing.tasks.recognise_revenue",
            "billing.tasks.tie_out",
            "billing.tasks.sweep_refunds",
            "billing.tasks.fill_webhook_holes",
            "billing.tasks.announce_prices",
            "billing.tasks.warn_of_expiring_cards",
            "billing.tasks.deliver_gifts",
            "billing.tasks.expire_gifts",
            "billing.tasks.record_recurring_revenue",
            "billing.tasks.record_seller",
            "billing.tasks.remind",
            "billing.tasks.send_receipts",
            "billing.tasks.prune_setbacks",
            "billing.tasks.purge_webhooks",
            "billing.tasks.alert_of_late_renewals",
        }
        assert ours <= set(current_app.tasks)
        routes = {name: current_app.amqp.router.route({}, name)["queue"].name for name in ours}
        assert set(routes.values()) == {"billing"}
