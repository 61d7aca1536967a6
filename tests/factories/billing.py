"""Billing's rows as tests need them, made by what makes them in life wherever that is possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import factory
from django.contrib.auth import get_user_model

from billing import rules
from billing.models import PaymentCustomer, PaymentMethod, Period, Plan, PlanFamily, Price, Subscription
from core.ids import new_id
from tests.factories.accounts import AccountFactory

NOW = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)


class PlanFamilyFactory(factory.django.DjangoModelFactory[PlanFamily]):
    """One family for all plans of a test."""

    class Meta:
        model = PlanFamily
        django_get_or_create = ("code",)

    code = "video"
    name = "Video"
    fallback_currency = "USD"


class PlanFactory(factory.django.DjangoModelFactory[Plan]):
    """A plan on sale."""

    class Meta:
        model = Plan

    family = factory.SubFactory(PlanFamilyFactory)
    code = factory.Sequence(lambda n: f"plan-{n}")
    name = "Standard"
    tier = factory.Sequence(lambda n: 100 + n)  # beside those that a test names
    max_streams = 2
    max_resolution = Plan.Resolution.FULL_HD
    max_devices = 5


class PriceFactory(factory.django.DjangoModelFactory[Price]):
    """USD 15.49 a month."""

    class Meta:
        model = Price

    plan = factory.SubFactory(PlanFactory)
    currency = "USD"
    interval = Price.IntervalChoices.MONTH
    version = 1
    amount = 1549
    created_at = NOW - timedelta(days=30)


class PaymentCustomerFactory(factory.django.DjangoModelFactory[PaymentCustomer]):
    """An account as the gateway knows it."""

    class Meta:
        model = PaymentCustomer

    account = factory.SubFactory(AccountFactory)
    gateway_id = factory.Sequence(lambda n: f"cus_{n}")
    created_at = NOW


class PaymentMethodFactory(factory.django.DjangoModelFactory[PaymentMethod]):
    """A default card."""

    class Meta:
        model = PaymentMethod

    account = factory.SubFactory(AccountFactory)
    gateway_id = factory.Sequence(lambda n: f"pm_{n}")
    brand = "visa"
    last4 = "4242"
    exp_month = 12
    exp_year = 2030
    is_default = True
    created_at = NOW


def make_due(count: int, *, price: Price, due_at: datetime) -> list[Subscription]:
    """Make active subscriptions whose first period was paid and ends at `due_at`, each with a card."""
    anchor_date = rules.boundary_date(due_at.date(), rules.Interval(price.interval), -1)
    accounts = get_user_model().objects.bulk_create(
        get_user_model()(email=f"due{new_id()}@example.com") for _ in range(count)
    )
    PaymentCustomer.objects.bulk_create(
        PaymentCustomer(account=account, gateway_id=f"cus_{account.pk}", created_at=NOW) for account in accounts
    )
    PaymentMethod.objects.bulk_create(
        PaymentMethod(
            account=account,
            gateway_id=f"pm_{account.pk}",
            brand="visa",
            last4="4242",
            exp_month=12,
            exp_year=2030,
            is_default=True,
            created_at=NOW,
        )
        for account in accounts
    )
    subscriptions = Subscription.objects.bulk_create(
        Subscription(
            account=account,
            price=price,
            status=rules.Status.ACTIVE,
            billing_tz="UTC",
            anchor_date=anchor_date,
            anchor_time=due_at.time(),
            period_index=1,
            paid_through=due_at,
            next_bill_at=due_at,
            created_at=due_at - timedelta(days=31),
        )
        for account in accounts
    )
    Period.objects.bulk_create(
        Period(
            subscription=subscription,
            cycle=0,
            index=0,
            start=rules.to_instant(anchor_date, due_at.time(), ZoneInfo("UTC")),
            end=due_at,
        )
        for subscription in subscriptions
    )
    return subscriptions
