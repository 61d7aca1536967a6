"""The books: balanced by the database itself, made with every document, and equal to the gateway's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Model, QuerySet

from billing import stripe_gateway
from billing.gateway import BalanceMovement, ChargeOutcome, OutcomeKind
from billing.models import GatewayTransaction, Invoice, JournalEntry, JournalLine, RevenueSchedule, Subscription, TieOut
from billing.selectors import exports
from billing.services import ledger, recognition, renewals, tie_out
from billing.services.ledger import Account, Kind
from core.clock import now
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.factories.billing import NOW, PriceFactory, make_due
from tests.standin import Standin

LATER = NOW + timedelta(minutes=1)


def after(moment: datetime = LATER, days: int = 0) -> datetime:
    return moment + timedelta(days=days)


def balances() -> dict[str, int]:
    found: Counter[str] = Counter()
    for account, country, amount in JournalLine.objects.values_list("account", "country", "amount"):
        found[f"{account}:{country}" if country else account] += amount
    return {account: amount for account, amount in found.items() if amount}


def renew(count: int = 1, *, outcome: ChargeOutcome | None = None, country: str = "", **price: object) -> None:
    make_due(count, price=PriceFactory.create(**price), due_at=NOW)
    Subscription.objects.update(country=country)
    renewals.run(gateway=InstantGateway(outcome), clock=lambda: LATER, limit=100)


@pytest.mark.rule("4.18")
@pytest.mark.django_db
class TestEntry:
    def entry(self, key: str = "k") -> JournalEntry:
        return JournalEntry.objects.create(source_key=key, kind=Kind.CREDIT, currency="USD", booked_at=NOW)

    @transaction.atomic
    def commit(self, *amounts: int) -> None:
        entry = self.entry()
        for amount in amounts:
            JournalLine.objects.create(entry=entry, account=Account.PROMO, amount=amount)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    @pytest.mark.rule("4.23")
    def test_must_sum_to_zero(self) -> None:
        with pytest.raises(IntegrityError, match="k: 2 lines that make 1"):
            self.commit(5, -4)

    def test_must_have_two_sides(self) -> None:
        with pytest.raises(IntegrityError, match="0 lines"):
            self.commit()

    def test_is_booked_once_a_cause(self) -> None:
        lines = {(Account.PROMO, ""): 5, (Account.CREDIT, ""): -5}
        ledger.book(source_key="k", kind=Kind.CREDIT, currency="USD", lines=lines, now=NOW)
        with pytest.raises(IntegrityError, match="journal_entry_source_unique"), transaction.atomic():
            ledger.book(source_key="k", kind=Kind.CREDIT, currency="USD", lines=lines, now=NOW)

    @pytest.mark.parametrize("model", [JournalEntry, JournalLine, RevenueSchedule])
    def test_is_never_changed_nor_deleted(self, model: type[Model]) -> None:
        renew()
        rows: QuerySet[Model] = model._default_manager.all()
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            rows._raw_delete(rows.db)
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            rows.update(id=F("id"))


@pytest.mark.rule("4.18")
@pytest.mark.django_db(transaction=True)
class TestEntryOfAnotherTransaction:
    def test_takes_no_more_lines(self) -> None:
        ledger_lines = {(Account.PROMO, ""): 5, (Account.CREDIT, ""): -5}
        with transaction.atomic():
            ledger.book(source_key="k", kind=Kind.CREDIT, currency="USD", lines=ledger_lines, now=NOW)
        entry = JournalEntry.objects.get()
        with pytest.raises(IntegrityError, match="not later"), transaction.atomic():
            JournalLine.objects.create(entry=entry, account=Account.PROMO, amount=1)
        assert JournalLine.objects.count() == 2


@pytest.mark.rule("4.18")
@pytest.mark.django_db
class TestRenewal:
    def test_books_what_is_owed_and_what_was_paid(self) -> None:
        renew()
        assert balances() == {"cash:stripe_clearing": 1549, "deferred_revenue": -1549}
        assert list(JournalEntry.objects.order_by("pk").values_list("kind", flat=True)) == ["invoice", "payment"]
        schedule = RevenueSchedule.objects.get()
        assert (schedule.amount, schedule.start, schedule.end) == (1549, date(2026, 1, 31), date(2026, 2, 28))

    def test_books_an_unpaid_one_as_owed(self) -> None:
        renew(outcome=ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "insufficient_funds"))
        assert balances() == {"receivable:user": 1549, "deferred_revenue": -1549}
        assert RevenueSchedule.objects.count() == 0

    def test_takes_back_what_nobody_will_pay(self) -> None:
        renew(outcome=ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "lost_card"))
        for day in (14, 30):
            renewals.run(gateway=InstantGateway(), clock=partial(after, days=day), limit=9)
        assert Invoice.objects.get().status == "uncollectible"
        assert balances() == {}

    @pytest.mark.parametrize(
        ("country", "amount", "behavior", "total", "booked"),
        [
            ("DE", 1399, "inclusive", 1399, {"deferred_revenue": -1176, "tax_payable:DE": -223}),
            ("JP", 1590, "inclusive", 1590, {"deferred_revenue": -1445, "tax_payable:JP": -145}),
            ("DE", 1399, "exclusive", 1665, {"deferred_revenue": -1399, "tax_payable:DE": -266}),
            ("US", 1549, "exclusive", 1549, {"deferred_revenue": -1549}),
        ],
    )
    def test_keeps_the_tax_apart(
        self, country: str, amount: int, behavior: str, total: int, booked: dict[str, int]
    ) -> None:
        renew(country=country, amount=amount, tax_behavior=behavior)
        assert Invoice.objects.get().total == total
        assert balances() == {"cash:stripe_clearing": total, **booked}

    @pytest.mark.rule("4.11")
    def test_taxes_by_the_rate_of_the_first_day(self) -> None:
        # Germany took 16 % from July to December 2020.
        for due, tax in ((datetime(2020, 6, 30, tzinfo=UTC), 223), (datetime(2020, 7, 1, tzinfo=UTC), 193)):
            make_due(1, price=PriceFactory.create(amount=1399), due_at=due)
            Subscription.objects.update(country="DE")
            renewals.run(gateway=InstantGateway(), clock=partial(after, due), limit=9)
            line = Invoice.objects.latest("pk").lines.get()
            assert (line.amount, line.tax) == (1399, tax)
            assert line.derivation["tax"]["tax"] == tax


@pytest.mark.rule("4.18")
@pytest.mark.django_db
class TestRecognition:
    def test_books_each_day_once_and_all_days_exactly(self) -> None:
        renew(3)
        days = recognition.recognise_due(now=NOW + timedelta(days=29))
        assert (days[0], days[-1]) == (date(2026, 1, 31), date(2026, 2, 28))
        assert recognition.recognise_due(now=NOW + timedelta(days=29)) == []
        amounts = JournalLine.objects.filter(account=Account.REVENUE).order_by("pk").values_list("amount", flat=True)
        # 1549 over 28 days: 55.32, 110.64, 165.96 and so on, each rounded from the sum.
        assert list(amounts)[:4] == [-165, -168, -165, -165]
        assert len(amounts) == 28
        assert balances() == {"cash:stripe_clearing": 4647, "revenue": -4647}

    def test_makes_up_for_what_was_paid_late(self) -> None:
        renew()
        recognition.recognise_due(now=NOW + timedelta(days=10))
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        renewals.run(gateway=InstantGateway(), clock=lambda: NOW + timedelta(days=10), limit=9)
        recognition.recognise_due(now=NOW + timedelta(days=12))
        # Both have run 12 of 28 days by then.
        assert balances()["revenue"] == -2 * 664

    def test_waits_for_the_last_transactions_of_the_day(self) -> None:
        renew()
        midnight = datetime(2026, 2, 1, tzinfo=UTC)
        assert recognition.recognise_due(now=midnight + timedelta(hours=2)) == []
        assert recognition.recognise_due(now=midnight + timedelta(hours=3)) == [date(2026, 1, 31)]


@pytest.mark.rule("4.18")
@pytest.mark.django_db
class TestTieOut:
    def paid(self, standin: Standin) -> Customer:
        customer = Customer(standin)
        customer.save_card()
        assert customer.subscribe(PriceFactory.create()).status_code == 201
        return customer

    def compare(self) -> TieOut:
        (report,) = tie_out.compare(
            day=datetime.now(UTC).date(), gateway=stripe_gateway.connect(), now=now() + timedelta(days=1)
        )
        return report

    def test_finds_no_difference_and_books_the_fees(self, standin: Standin) -> None:
        self.paid(standin)
        for _ in range(2):
            report = self.compare()
            # 2.9 % and 30.
            assert (report.gateway_net, report.ledger_net, report.details) == (1474, 1474, [])
        assert balances()["fees"] == 75
        assert report.gateway_net == standin.control.net()["usd"]
        assert list(GatewayTransaction.objects.values_list("verdict", flat=True)) == ["matched"]

    def test_tells_of_what_the_gateway_has_and_we_have_not(
        self, standin: Standin, caplog: pytest.LogCaptureFixture
    ) -> None:
        customer = self.paid(standin)
        reference = JournalEntry.objects.get(kind=Kind.PAYMENT).reference
        stripe_gateway.connect().charge(
            params=customer.account.invoices.get().attempts.get().params | {"metadata": {}}, idempotency_key="stray"
        )
        report = self.compare()
        assert report.difference == 1549
        assert [(told["what"], told["amount"]) for told in report.details] == [("not in our books", 1549)]
        assert report.details[0]["reference"] != reference
        assert "The books differ from the gateway's." in caplog.messages

    def test_books_payouts_and_what_comes_back_of_them(self, standin: Standin) -> None:
        self.paid(standin)
        first = standin.control.pay_out("usd")
        standin.control.settle_payout(first["id"], paid=False)
        standin.control.settle_payout(standin.control.pay_out("usd")["id"], paid=True)
        for _ in range(2):
            report = self.compare()
            assert (report.gateway_net, report.ledger_net, report.details) == (0, 0, [])
        # 15.49 less 2.9 % and 30 cents is at the bank.
        assert balances() == {"cash:bank": 1474, "fees": 75, "deferred_revenue": -1549}
        assert standin.control.net() == {"usd": 0}
        days = {"begins": now().date() - timedelta(days=1), "ends": now().date() + timedelta(days=1)}
        exported = [row for row in exports.rows("payouts", **days) if str(row[2]).startswith("payout")]
        # All within a second, so in no certain order.
        assert sorted((row[2], row[6], row[7] == first["id"]) for row in exported) == [
            ("payout", "-14.74", False),
            ("payout", "-14.74", True),
            ("payout_failure", "14.74", True),
        ]
        net = sum(Decimal(row[6]) for row in exports.rows("payouts", **days) if row[0] != "made_at")
        assert net == 0

    def test_books_what_the_gateway_charges_apart_from_payments(self) -> None:
        class Charging(InstantGateway):
            def balance_movements(self, *, since: datetime, until: datetime) -> Iterator[BalanceMovement]:
                yield BalanceMovement("txn_2", "tax_fee", "USD", -19, 0, "", NOW)
                yield BalanceMovement("txn_1", "stripe_fee", "USD", -100, 0, "", NOW)

        for _ in range(2):
            (report,) = tie_out.compare(day=NOW.date(), gateway=Charging(), now=LATER)
            assert (report.gateway_net, report.ledger_net, report.details) == (-119, -119, [])
        assert balances() == {"fees": 119, "cash:stripe_clearing": -119}

    def test_tells_of_what_we_have_and_the_gateway_has_not(self, standin: Standin) -> None:
        self.paid(standin)
        lines = {(Account.CLEARING, ""): 99, (Account.RECEIVABLE, ""): -99}
        ledger.book(
            source_key="k", kind=Kind.PAYMENT, currency="USD", lines=lines, now=now(), reference="pi_nobody_knows"
        )
        report = self.compare()
        assert (report.difference, report.details[0]["what"]) == (-99, "not at the gateway")
