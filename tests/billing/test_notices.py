"""What subscribers are told before they pay another amount, and what is billed without it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import rules
from billing.models import Invoice, Plan, Price, PriceNotice, Reminder, Subscription, SubscriptionTransition
from billing.services import notices, plans, renewals
from tests.billing.instant import InstantGateway
from tests.billing.reading import read_as_a_whole
from tests.billing.threads import at_once
from tests.factories.billing import PlanFactory, PriceFactory, make_due

TOLD = datetime(2026, 5, 20, 9, tzinfo=UTC)
JUNE, JULY = datetime(2026, 6, 10, 8, tzinfo=UTC), datetime(2026, 7, 10, 8, tzinfo=UTC)


def dearer(price: Price, amount: int = 1699, **terms: Any) -> Price:
    return plans.set_price(
        plan_id=price.plan_id,
        currency=price.currency,
        country=price.country,
        interval=rules.Interval(price.interval),
        amount=amount,
        tax_behavior=Price.TaxBehavior(price.tax_behavior),
        now=TOLD - timedelta(days=10),
        terms=plans.Terms(**({"applies_to_existing_from": date(2026, 6, 1)} | terms)),
    )


def renew(*moments: datetime) -> list[int]:
    for moment in moments:
        renewals.run(gateway=InstantGateway(), clock=lambda moment=moment: moment, limit=100)  # type: ignore[misc]
    return list(Invoice.objects.order_by("pk").values_list("total", flat=True))


def announce(now: datetime = TOLD, limit: int = 100) -> int:
    return notices.announce_prices(now=now, limit=limit)


@pytest.mark.django_db
@pytest.mark.rule("4.10")
class TestNewPrice:
    def test_told_on_20_may_with_30_days_is_first_billed_on_10_july(self) -> None:
        price = PriceFactory.create()
        (subscription,) = make_due(1, price=price, due_at=JUNE)
        new = dearer(price)
        assert announce() == 1
        assert PriceNotice.objects.get().earliest_on == date(2026, 6, 19)
        assert renew(JUNE, JULY) == [1549, 1699]
        subscription.refresh_from_db()
        assert subscription.price == new
        assert SubscriptionTransition.objects.get().reason == f"price: {price.plan.code}, version 2"

    def test_that_nobody_was_told_of_is_not_billed(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=JUNE)
        dearer(price)
        assert renew(JUNE, JULY, JULY + timedelta(days=31)) == [1549, 1549, 1549]

    def test_leaves_subscribers_alone_unless_it_says_from_when(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=JUNE)
        dearer(price, applies_to_existing_from=None)
        assert announce() == 0
        assert renew(JUNE, JULY) == [1549, 1549]

    def test_takes_effect_on_a_boundary_that_is_the_day_itself(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=JUNE)
        dearer(price)
        announce(JUNE - timedelta(days=30))
        assert PriceNotice.objects.get().earliest_on == date(2026, 6, 10)
        assert renew(JUNE) == [1699]

    def test_gives_at_least_the_notice_of_the_law(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=JUNE)
        dearer(price, notice_days=1)
        announce()
        assert PriceNotice.objects.get().earliest_on == date(2026, 6, 19)

    def test_is_announced_no_earlier_than_needed(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=JUNE)
        dearer(price, applies_to_existing_from=date(2026, 8, 1))
        assert announce(datetime(2026, 6, 24, 23, 59, tzinfo=UTC)) == 0
        assert announce(datetime(2026, 6, 25, tzinfo=UTC)) == 1

    def test_leaves_an_introductory_price_that_was_promised(self) -> None:
        price = PriceFactory.create(intro_amount=799, intro_periods=3)
        make_due(1, price=price, due_at=JUNE)
        dearer(price)
        announce(TOLD - timedelta(days=9))
        assert renew(JUNE, JULY, JULY + timedelta(days=31)) == [799, 799, 1699]

    def test_is_not_announced_to_who_leaves_or_moves(self) -> None:
        price = PriceFactory.create()
        leaving, moving = make_due(2, price=price, due_at=JUNE)
        Subscription.objects.filter(pk=leaving.pk).update(cancel_at=JUNE)
        Subscription.objects.filter(pk=moving.pk).update(pending_price=PriceFactory.create(amount=999))
        dearer(price)
        assert announce() == 0
        assert OutgoingEmail.objects.count() == 0

    @pytest.mark.parametrize(
        ("language", "subject", "lead"),
        [
            (
                "en",
                "Your price is going to change",
                "Your Premium plan costs $15.49 now. From Jul 10, 2026 on it costs $16.99.",
            ),
            (
                "de",
                "Ihr Preis ändert sich",
                "Ihr Tarif Premium kostet jetzt 15,49\xa0$. Ab 10.07.2026 kostet er 16,99\xa0$.",
            ),
        ],
    )
    def test_is_announced_with_its_day_in_the_customers_language(self, language: str, subject: str, lead: str) -> None:
        price = PriceFactory.create(plan=PlanFactory.create(name="Premium"))
        (subscription,) = make_due(1, price=price, due_at=JUNE)
        type(subscription.account).objects.update(language=language)
        dearer(price)
        announce()
        mail = mails.render(OutgoingEmail.objects.get())
        assert mail.subject == subject
        assert lead in mail.body

    def test_is_announced_in_batches_that_go_on_where_they_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notices, "BATCH", 2)
        price = PriceFactory.create()
        make_due(5, price=price, due_at=JUNE)
        dearer(price)
        assert [announce(limit=3), announce(), announce()] == [3, 2, 0]
        assert PriceNotice.objects.count() == OutgoingEmail.objects.count() == 5

    def test_costs_no_query_where_no_price_has_a_new_version(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=JUNE)
        with CaptureQueriesContext(connection) as queries:
            renew(JUNE)
        assert [query["sql"] for query in queries if "pricenotice" in query["sql"]] == []

    def test_is_the_newest_that_was_told(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=JULY)
        dearer(price)
        announce()
        dearer(price, 1899)
        assert renew(JULY) == [1699]


@pytest.mark.django_db(transaction=True)
class TestAnnounce:
    def test_tells_each_once_when_two_runs_meet(self) -> None:
        price = PriceFactory.create()
        make_due(6, price=price, due_at=JUNE)
        dearer(price)
        assert sum(at_once(announce, announce)) == 6
        assert OutgoingEmail.objects.count() == 6


@pytest.mark.django_db
class TestReminder:
    def test_of_a_year_comes_as_many_days_before_as_the_country_asks_for(self) -> None:
        price = PriceFactory.create(interval="year", amount=15490)
        for country in ("DE", "FR", "BR"):
            (subscription,) = make_due(1, price=price, due_at=JULY)
            Subscription.objects.filter(pk=subscription.pk).update(country=country)

        def reminded(days: int) -> list[str]:
            notices.remind(now=JULY - timedelta(days=days), limit=100)
            return sorted(Reminder.objects.values_list("subscription__country", flat=True))

        assert reminded(46) == []
        assert reminded(45) == ["FR"]
        assert reminded(31) == ["FR"]
        assert reminded(30) == reminded(29) == ["BR", "DE", "FR"]
        assert {mail.template for mail in OutgoingEmail.objects.all()} == {"billing/email/yearly_renewal"}
        assert set(Reminder.objects.values_list("boundary", flat=True)) == {JULY}

    def test_of_a_month_is_none(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=JULY)
        assert notices.remind(now=JULY - timedelta(days=5), limit=100) == 0

    def test_names_what_will_be_charged(self) -> None:
        price = PriceFactory.create(intro_amount=799, intro_periods=1, plan=PlanFactory.create(name="Premium"))
        (subscription,) = make_due(1, price=price, due_at=JULY)
        assert notices.remind(now=JULY - timedelta(days=7), limit=100) == 1
        mail = mails.render(OutgoingEmail.objects.get())
        assert "From Jul 10, 2026 on your Premium plan costs $15.49." in mail.body
        assert (subscription.reminders.get().kind, renew(JULY)) == ("intro_ending", [1549])

    def test_is_not_written_for_who_has_cancelled(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(interval="year"), due_at=JULY)
        Subscription.objects.filter(pk=subscription.pk).update(cancel_at=JULY)
        assert notices.remind(now=JULY - timedelta(days=5), limit=100) == 0

    def test_costs_as_many_queries_for_many_as_for_few_but_the_mails(self) -> None:
        price = PriceFactory.create(interval="year")

        def cost(number: int) -> int:
            make_due(number, price=price, due_at=JULY)
            with CaptureQueriesContext(connection) as queries, transaction.atomic():
                assert notices.remind(now=JULY - timedelta(days=5), limit=100) == number
            return len(queries) - number

        assert cost(1) == cost(10)

    def test_is_found_without_reading_everybody(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=JULY)
        assert read_as_a_whole(lambda: notices.remind(now=TOLD, limit=9)) == set()


@pytest.mark.django_db
@pytest.mark.rule("4.10")
class TestSetPrice:
    def test_with_other_terms_is_a_version_and_the_same_terms_are_none(self) -> None:
        price = PriceFactory.create(plan=PlanFactory.create(name="Premium"), amount=1699)
        first = dearer(price, intro_amount=799, intro_periods=3)
        assert first.version == 2
        assert dearer(price, intro_amount=799, intro_periods=3).pk == first.pk
        assert Plan.objects.get(pk=price.plan_id).prices.count() == 2
