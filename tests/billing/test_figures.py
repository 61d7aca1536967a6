"""Recurring revenue by day, the dashboard, and the books as files."""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.management import call_command
from django.db.models import Sum
from django.test import Client
from django.urls import reverse

from billing.admin.dashboard import KEY
from billing.gateway import ChargeOutcome, OutcomeKind, RefundKind, RefundOutcome
from billing.models import Invoice, JournalLine, PaymentMethod, Price, RecurringRevenueDay, Subscription
from billing.selectors import exports
from billing.selectors.figures import figures, first_id
from billing.services import figures as recording
from billing.services import invoicing, recognition, refunds, renewals
from core import clock
from core.ids import new_id
from core.money import Money
from tests.billing.instant import InstantGateway
from tests.factories.accounts import StaffFactory
from tests.factories.billing import PlanFactory, PriceFactory, make_due

pytestmark = pytest.mark.django_db

DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)


def price(amount: int, **fields: Any) -> Price:
    return PriceFactory.create(plan=PlanFactory.create(), amount=amount, **fields)


def become(subscription: Subscription, status: str) -> None:
    """Move a subscription to a status, with what the database wants beside it."""
    over = status in {"canceled", "ended"}
    Subscription.objects.filter(pk=subscription.pk).update(
        status=status,
        ended_at=NOW if over else None,
        next_bill_at=None if over else NOW,
        first_failed_at=NOW if status in {"past_due", "on_hold"} else None,
    )


def recorded(n: int) -> dict[str, int]:
    """Record day number n, and answer what it says."""
    assert recording.record(day=DAY + timedelta(days=n), now=NOW + timedelta(days=n))
    (found,) = RecurringRevenueDay.objects.filter(day=DAY + timedelta(days=n))
    names = ("opening", "new", "expansion", "contraction", "churn", "reactivation", "closing", "subscribers")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


class TestMovements:
    def test_tell_what_is_new_grows_shrinks_stops_and_comes_back(self) -> None:
        low, high = price(1000), price(1500)
        first, second = make_due(2, price=low, due_at=NOW)
        assert recorded(0) == {"new": 2000, "closing": 2000, "subscribers": 2}
        Subscription.objects.filter(pk=first.pk).update(price=high)
        assert recorded(1) == {"opening": 2000, "expansion": 500, "closing": 2500, "subscribers": 2}
        Subscription.objects.filter(pk=first.pk).update(price=low)
        become(second, "on_hold")
        assert recorded(2) == {
            "opening": 2500, "contraction": -500, "churn": -1000, "closing": 1000, "subscribers": 1,
        }  # fmt: skip
        become(second, "active")
        assert recorded(3) == {"opening": 1000, "reactivation": 1000, "closing": 2000, "subscribers": 2}
        become(first, "past_due")
        assert recorded(4) == {"opening": 2000, "closing": 2000, "subscribers": 2}

    def test_take_a_years_price_by_the_month_without_tax(self) -> None:
        yearly = price(11990, interval="year", currency="EUR", tax_behavior="inclusive")
        (subscription,) = make_due(1, price=yearly, due_at=NOW)
        Subscription.objects.filter(pk=subscription.pk).update(country="DE")
        # 119.90 / 12 / 1.19
        assert recorded(0)["closing"] == 840

    def test_keep_currencies_apart(self) -> None:
        make_due(1, price=price(1000), due_at=NOW)
        make_due(1, price=price(900, currency="EUR"), due_at=NOW)
        recording.record(day=DAY, now=NOW)
        assert dict(RecurringRevenueDay.objects.values_list("currency", "closing")) == {"USD": 1000, "EUR": 900}

    def test_are_recorded_once_a_day(self) -> None:
        make_due(1, price=price(1000), due_at=NOW)
        assert recording.record_due(now=NOW) == DAY
        assert recording.record_due(now=NOW) is None
        assert RecurringRevenueDay.objects.count() == 1

    @pytest.mark.parametrize("seed", range(3))
    def test_sum_to_the_change_whatever_happens(self, seed: int) -> None:
        chance = random.Random(seed)
        prices = [price(amount) for amount in (700, 1000, 1549, 2299)]
        subscriptions = make_due(6, price=prices[0], due_at=NOW)
        before = 0
        for n in range(12):
            for subscription in chance.sample(subscriptions, 3):
                become(subscription, chance.choice(["active", "past_due", "on_hold", "paused", "canceled"]))
                Subscription.objects.filter(pk=subscription.pk).update(price=chance.choice(prices))
            recording.record(day=DAY + timedelta(days=n), now=NOW)
            day = RecurringRevenueDay.objects.order_by("-day")[0]
            counted = Subscription.objects.filter(status__in=["active", "past_due"])
            now = counted.aggregate(all=Sum("price__amount"))["all"] or 0
            moved = day.new + day.expansion + day.contraction + day.churn + day.reactivation
            assert (day.opening, day.closing, moved) == (before, now, now - before)
            before = now


class TestDashboard:
    @pytest.fixture
    def client(self, client: Client) -> Client:
        cache.clear()
        client.force_login(StaffFactory.create(is_superuser=True))
        return client

    def test_shows_how_billing_stands(self, client: Client) -> None:
        due = make_due(3, price=price(1549), due_at=NOW)
        renewals.run(gateway=InstantGateway(), clock=lambda: NOW, limit=10)
        Subscription.objects.filter(pk=due[0].pk).update(parked_at=NOW, parked_reason="amount_above_bound")
        recording.record(day=DAY, now=NOW)
        page = client.get(reverse("admin:billing_recurringrevenueday_changelist"))
        assert page.status_code == 200
        found = page.context["figures"]
        assert {part.name: part.count for part in found.subscriptions}["active"] == 3
        assert [(part.name, part.count) for part in found.parked] == [("amount_above_bound", 1)]

    def test_shows_what_is_a_minute_old(self, client: Client) -> None:
        address = reverse("admin:billing_recurringrevenueday_changelist")
        fresh = client.get(address).context["figures"]
        make_due(2, price=price(1549), due_at=NOW)
        assert client.get(address).context["figures"] == fresh
        assert isinstance(cache.get(KEY), bytes)
        cache.clear()
        assert client.get(address).context["figures"] != fresh

    @pytest.mark.parametrize("kept", [b'{"subscriptions": []}', b"[]", b"\x80", b""])
    def test_is_shown_while_versions_that_keep_other_numbers_run_beside_this_one(
        self, client: Client, kept: bytes
    ) -> None:
        make_due(3, price=price(1549), due_at=NOW)
        recording.record(day=DAY, now=NOW)
        RecurringRevenueDay.objects.update(day=clock.now().date())
        cache.set(KEY, kept)
        page = client.get(reverse("admin:billing_recurringrevenueday_changelist"))
        found = page.context["figures"]
        assert {part.name: part.count for part in found.subscriptions}["active"] == 3
        assert [(day.closing, day.subscribers) for day in found.recurring["USD"]] == [(3 * 1549, 3)]

    def test_speaks_german(self, client: Client) -> None:
        make_due(2, price=price(1549), due_at=NOW)
        renewals.run(gateway=InstantGateway(), clock=lambda: NOW, limit=10)
        recording.record(day=DAY, now=NOW)
        RecurringRevenueDay.objects.update(day=clock.now().date())
        page = client.get(reverse("admin:billing_recurringrevenueday_changelist"), headers={"Accept-Language": "de"})
        shown = page.content.decode()
        for said in (
            "Abrechnung im Überblick",
            "Monatlich wiederkehrender Umsatz, USD",
            "2 Abonnements",
            "30,98",
            "Angehalten",
        ):
            assert said in shown
        assert "Gescheitert, wird wieder versucht" in shown
        assert "Nichts ist gescheitert." in shown

    def test_counts_the_unpaid_by_the_day_of_their_dunning(self) -> None:
        made = make_due(3, price=price(1549), due_at=NOW)
        for subscription, status, days in zip(made, ("past_due", "past_due", "on_hold"), (0, 4, 20), strict=True):
            become(subscription, status)
            Subscription.objects.filter(pk=subscription.pk).update(first_failed_at=NOW - timedelta(days=days))
        counted = {part.name: part.count for part in figures(now=NOW).dunning if part.count}
        assert counted == {"day 0": 1, "day 3": 1, "on hold": 1}

    def test_is_refused_without_the_right(self, client: Client) -> None:
        client.force_login(StaffFactory.create())
        assert client.get(reverse("admin:billing_recurringrevenueday_changelist")).status_code == 403

    def test_finds_a_day_by_the_order_of_ids(self) -> None:
        moment = datetime.now(UTC)
        assert first_id(moment - timedelta(seconds=1)) < new_id() < first_id(moment + timedelta(minutes=1))


DECLINED = ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "insufficient_funds")


class RefundingGateway(InstantGateway):
    """Gives back at once."""

    def refund(
        self, *, payment_intent: str, amount: int, currency: str, refund_id: str, idempotency_key: str
    ) -> RefundOutcome:
        return RefundOutcome(RefundKind.SUCCEEDED, f"re_{refund_id}")

    def find_refund(self, *, payment_intent: str, refund_id: str) -> RefundOutcome | None:
        return None


class TestExports:
    @pytest.fixture
    def booked(self) -> None:
        made = make_due(3, price=price(1549, tax_behavior="exclusive"), due_at=NOW)
        Subscription.objects.filter(pk=made[0].pk).update(country="DE")
        renewals.run(gateway=InstantGateway(), clock=lambda: NOW, limit=10)

    def read(self, what: str) -> list[dict[str, str]]:
        rows = exports.rows(what, begins=date(2026, 1, 1), ends=date(2026, 12, 31))
        return list(csv.DictReader(io.StringIO("".join(exports.as_csv(rows)))))

    def test_of_the_journal_sum_to_zero_and_to_each_account_of_the_ledger(self, booked: None) -> None:
        rows = self.read("journal")
        assert len(rows) == JournalLine.objects.count() > 0
        assert sum(Decimal(row["amount"]) for row in rows) == 0
        for account in JournalLine.Account:
            total = JournalLine.objects.filter(account=account).aggregate(sum=Sum("amount"))["sum"] or 0
            said = sum((Decimal(row["amount"]) for row in rows if row["account"] == account), Decimal(0))
            assert said == Money(total, "USD").major

    def test_of_tax_sum_to_what_the_ledger_owes_each_country(self, booked: None) -> None:
        (row,) = self.read("tax")
        # 19 % of 15.49
        assert row == {"country": "DE", "quarter": "2026-Q1", "currency": "USD", "net": "15.49", "tax": "2.94"}
        owed = JournalLine.objects.filter(account="tax_payable", country="DE").aggregate(sum=Sum("amount"))["sum"]
        assert owed == -294

    def test_of_deferred_revenue_are_the_ledgers_balance_on_each_day(self, booked: None) -> None:
        """By the schedules, with invoices that are half earned, given back and not paid."""
        refunds.request(
            invoice_id=Invoice.objects.order_by("pk")[0].pk, amount=500, reason="test", by="staff:1", now=NOW
        )
        refunds.sweep(gateway=RefundingGateway(), now=NOW)
        make_due(1, price=price(1549), due_at=NOW)
        renewals.run(gateway=InstantGateway(DECLINED), clock=lambda: NOW, limit=10)
        for days in (0, 1, 9, 60):
            recognition.recognise_due(now=NOW + timedelta(days=days))
            said = sum(Decimal(row["deferred"]) for row in self.read("deferred"))
            balance = JournalLine.objects.filter(account="deferred_revenue").aggregate(sum=Sum("amount"))["sum"]
            assert said == -Money(balance, "USD").major
        assert [row["plan"] for row in self.read("deferred")] == ["(not paid yet)"]

    def test_of_deferred_revenue_tell_plans_and_countries_apart(self, booked: None) -> None:
        recognition.recognise_due(now=NOW + timedelta(days=9))
        rows = self.read("deferred")
        assert [(row["country"], row["scheduled"]) for row in rows] == [("", "30.98"), ("DE", "15.49")]
        assert all(
            Decimal(row["scheduled"]) - Decimal(row["earned"]) == Decimal(row["deferred"]) > 0 < Decimal(row["earned"])
            for row in rows
        )

    def test_of_deferred_revenue_count_a_gift_that_nobody_has_paid_as_unpaid(self) -> None:
        (subscription,) = make_due(1, price=price(1549), due_at=NOW)
        invoicing.bill_gift(
            account_id=subscription.account_id,
            gift_id=new_id(),
            amount=2500,
            currency="USD",
            card=PaymentMethod.objects.get(account=subscription.account_id),
            customer="cus_1",
            now=NOW,
        )
        assert self.read("deferred") == [
            {
                "currency": "USD",
                "plan": "(not paid yet)",
                "country": "",
                "scheduled": "25.00",
                "earned": "0.00",
                "deferred": "25.00",
            },
        ]

    def test_are_commands_too(self, booked: None) -> None:
        out = io.StringIO()
        call_command("export_books", "journal", "--from", "2026-03-01", "--until", "2026-03-31", stdout=out)
        assert out.getvalue().startswith("entry,booked_at,kind")
        assert out.getvalue().count("\n") == JournalLine.objects.count() + 1

    def test_are_for_those_with_the_right(self, booked: None, client: Client) -> None:
        staff = StaffFactory.create()
        client.force_login(staff)
        address = reverse("admin:billing_export", args=["tax"]) + "?from=2026-01-01&until=2026-12-31"
        assert client.get(address).status_code == 403
        staff.user_permissions.add(Permission.objects.get(codename="export_books"))
        answer: Any = client.get(address)
        assert (answer.status_code, b"".join(answer.streaming_content).count(b"\n")) == (200, 2)
        assert client.get(reverse("admin:billing_export", args=["taxes"])).status_code == 404

    @pytest.mark.parametrize("days", ["from=x", "from=2026-02-01&until=2026-01-31", "from=2026-02-30&until=2026-03-01"])
    def test_of_days_that_cannot_be_lead_back_with_the_reason(self, client: Client, days: str) -> None:
        client.force_login(StaffFactory.create(is_superuser=True))
        answer = client.get(reverse("admin:billing_export", args=["tax"]) + f"?{days}", follow=True)
        assert answer.redirect_chain == [(reverse("admin:billing_recurringrevenueday_changelist"), 302)]
        assert "choose two days, the last one not before the first" in answer.content.decode()

    def test_run_nothing_in_a_spreadsheet(self) -> None:
        assert "".join(exports.as_csv(iter([["=1+1", "-5.00", "@x"]]))) == "'=1+1,-5.00,'@x\n".replace("\n", "\r\n")
