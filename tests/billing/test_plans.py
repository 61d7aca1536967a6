"""Prices are versions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import rules
from billing.models import Plan, Price
from billing.services import plans
from core.money import UnknownCurrency
from tests.billing.threads import at_once
from tests.factories.billing import NOW, PlanFactory


def set_price(plan: Plan, amount: int, *, currency: str = "EUR", hours: int = 0) -> Price:
    return plans.set_price(
        plan_id=plan.pk,
        currency=currency,
        country="",
        interval=rules.Interval.MONTH,
        amount=amount,
        tax_behavior=Price.TaxBehavior.INCLUSIVE,
        now=NOW + timedelta(hours=hours),
    )


@pytest.mark.rule("4.10")
@pytest.mark.django_db
class TestSetPrice:
    def test_puts_a_new_version_in_place_of_the_present_one(self) -> None:
        plan = PlanFactory.create()
        first, second = set_price(plan, 1299), set_price(plan, 1399, hours=1)
        first.refresh_from_db()
        assert (first.version, first.amount, first.superseded_at) == (1, 1299, NOW + timedelta(hours=1))
        assert (second.version, second.amount, second.superseded_at) == (2, 1399, None)

    def test_changes_nothing_when_the_price_is_the_same(self) -> None:
        plan = PlanFactory.create()
        assert set_price(plan, 1299).pk == set_price(plan, 1299, hours=1).pk
        assert Price.objects.count() == 1

    @pytest.mark.rule("4.1")
    def test_refuses_an_amount_that_stripe_cannot_take(self) -> None:
        plan = PlanFactory.create()
        with pytest.raises(plans.AmountNotChargeable) as refusal:
            set_price(plan, 2755, currency="KWD")
        assert refusal.value.code == "amount_not_chargeable"
        assert set_price(plan, 2750, currency="KWD").amount == 2750
        assert Price.objects.count() == 1

    def test_refuses_what_is_no_currency(self) -> None:
        with pytest.raises(UnknownCurrency):
            set_price(PlanFactory.create(), 100, currency="ZZZ")
        assert Price.objects.count() == 0


@pytest.mark.rule("4.10")
@pytest.mark.django_db(transaction=True)
class TestTwoStaff:
    def test_leave_one_price_on_offer(self) -> None:
        plan = PlanFactory.create()
        at_once(lambda: set_price(plan, 1300), lambda: set_price(plan, 1400), lambda: set_price(plan, 1500))
        assert Price.objects.current().count() == 1
        assert sorted(Price.objects.values_list("version", flat=True)) == [1, 2, 3]
