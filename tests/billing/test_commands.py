"""`manage.py bill`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from billing.models import Invoice, PaymentAttempt, Subscription
from tests.billing.customers import Customer
from tests.factories.billing import NOW, PriceFactory, make_due
from tests.standin import Standin

pytestmark = pytest.mark.django_db


def bill(*arguments: str) -> str:
    out = StringIO()
    call_command("bill", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def subscribed(standin: Standin) -> Subscription:
    """Answer a subscription bought on 31 January at 10:30 UTC."""
    customer = Customer(standin)
    customer.save_card()
    with time_machine.travel(NOW, tick=False):
        customer.subscribe(PriceFactory.create(), time_zone="UTC")
    return Subscription.objects.get()


class TestBill:
    def test_shows_each_due_subscription_with_what_became_of_it(self, subscribed: Subscription) -> None:
        with time_machine.travel(NOW, tick=False):
            shown = bill("--as-of", "2026-02-28").splitlines()
        assert [line.split() for line in shown] == [
            ["subscription", "period", "amount", "outcome"],
            [str(subscribed.pk), "2026-02-28", "to", "2026-03-31", "15.49", "USD", "succeeded"],
            ["1", "due:", "1", "succeeded"],
        ]

    def test_bills_nothing_more_the_second_time(self, subscribed: Subscription, standin: Standin) -> None:
        with time_machine.travel(NOW, tick=False):
            bill("--as-of", "2026-02-28")
            assert bill("--as-of", "2026-02-28") == "Nothing is due.\n"
        assert len(standin.control.charges()) == 2
        assert Invoice.objects.count() == 2

    def test_means_the_whole_day_or_the_instant(self, subscribed: Subscription) -> None:
        with time_machine.travel(NOW, tick=False):
            assert bill("--as-of", "2026-02-27") == "Nothing is due.\n"
            assert bill("--as-of", "2026-02-28T10:29:59+00:00") == "Nothing is due.\n"
            assert "succeeded" in bill("--as-of", "2026-02-28T11:30+01:00")

    def test_bills_what_is_due_now_unless_told_otherwise(self, subscribed: Subscription) -> None:
        with time_machine.travel(NOW + timedelta(days=28), tick=False):
            assert "1 due: 1 succeeded" in bill()

    def test_only_shows_in_a_dry_run(self, subscribed: Subscription, standin: Standin) -> None:
        shown = bill("--as-of", "2026-02-28", "--dry-run")
        assert shown.splitlines()[-2:] == ["1 due: 1 due", "Nothing was changed."]
        assert len(standin.control.charges()) == 1
        assert (Invoice.objects.count(), PaymentAttempt.objects.count()) == (1, 1)

    def test_refuses_the_future_when_the_gateway_is_stripe_itself(self, settings: Settings) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        settings.STRIPE_API_BASE = ""
        with time_machine.travel(NOW - timedelta(days=3), tick=False):
            with pytest.raises(CommandError, match="is in the future"):
                bill("--as-of", "2026-01-31")
            assert "1 due: 1 due" in bill("--as-of", "2026-01-31", "--dry-run")
        assert Invoice.objects.count() == 0

    @pytest.mark.parametrize("text", ["31.01.2026", "2026-02-30", "tomorrow", "2026-02-28T10:00"])
    def test_refuses_what_is_no_date(self, text: str) -> None:
        with pytest.raises(CommandError, match="--as-of is"):
            bill("--as-of", text)

    def test_names_a_card_that_is_missing(self, standin: Standin) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=datetime(2026, 1, 31, tzinfo=UTC))
        subscription.account.payment_methods.update(is_default=False)
        assert "declined (no_payment_method)" in bill()
