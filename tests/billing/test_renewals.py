"""Renewals: once each, whoever runs, however often and wherever they are stopped."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing import rules
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import (
    Invoice,
    InvoiceLine,
    JournalLine,
    NumberSeries,
    PaymentAttempt,
    PaymentMethod,
    Period,
    Price,
    RevenueSchedule,
    Subscription,
    SubscriptionTransition,
)
from billing.services import parking, payments, plans, renewals, subscriptions
from billing.services.renewals import claiming, running
from billing.services.settlement import ordinary
from core.models import OutboxEvent
from tests.billing.instant import InstantGateway
from tests.billing.reading import read_as_a_whole
from tests.billing.threads import at_once
from tests.factories.billing import NOW, PriceFactory, make_due

LATER = NOW + timedelta(minutes=1)
DECLINED = ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "insufficient_funds")


@pytest.fixture
def one_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settle a batch as a whole before the next is claimed, however slow this machine is."""
    monkeypatch.setattr(running, "MOST_UNDER_WAY", running.FIRST_BATCH)
    monkeypatch.setattr(running, "SETTLE_SECONDS", 60)


def run(gateway: InstantGateway, *, now: datetime = LATER) -> list[str]:
    return [handled.outcome for handled in renewals.run(gateway=gateway, clock=lambda: now, limit=1000)]


def events() -> list[str]:
    return [event.type.rpartition(".")[2] for event in OutboxEvent.objects.order_by("id")]


@pytest.mark.rule("4.20")
@pytest.mark.django_db
class TestRenew:
    def test_charges_the_next_period_and_moves_on_by_the_anchor(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        assert run(gateway) == ["succeeded"]
        subscription.refresh_from_db()
        end = datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
        assert (subscription.status, subscription.paid_through, subscription.next_bill_at) == ("active", end, end)
        assert (subscription.period_index, subscription.claimed_until, subscription.last_charged_at) == (2, None, LATER)
        period = Period.objects.get(index=1)
        assert (period.start, period.end) == (NOW, end)
        invoice = Invoice.objects.get()
        assert (invoice.status, invoice.total, invoice.currency, invoice.number) == (
            "paid",
            1549,
            "USD",
            "INV-2026-0000001",
        )
        (attempt,) = PaymentAttempt.objects.all()
        assert (attempt.state, attempt.n, attempt.sent_at, attempt.settled_at) == ("succeeded", 1, LATER, LATER)
        assert gateway.charges == {
            f"att_{attempt.pk}": {
                "amount": 1549,
                "currency": "usd",
                "customer": f"cus_{subscription.account_id}",
                "payment_method": f"pm_{subscription.account_id}",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "confirm": True,
                "off_session": True,
                "metadata": {"invoice": str(invoice.pk), "attempt": str(attempt.pk)},
            }
        }

    def test_writes_a_line_that_says_how_it_came_about(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=NOW)
        run(InstantGateway())
        line = InvoiceLine.objects.get()
        assert (line.amount, line.description) == (1549, "Standard, 2026-01-31 to 2026-02-28")
        assert line.derivation == {
            "rule": "list_price",
            "price": str(price.pk),
            "price_version": 1,
            "list_price": 1549,
            "interval": "month",
            "from": "2026-01-31",
            "to": "2026-02-28",
            "time_zone": "UTC",
        }

    @pytest.mark.parametrize("outcome", [None, DECLINED])
    def test_reads_no_table_as_a_whole(self, outcome: ChargeOutcome | None) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway(outcome)
        assert read_as_a_whole(lambda: run(gateway)) == set()
        if outcome is not None:
            gateway.outcome = replace(outcome, payment_intent="pi_2")
        # The next period, or the next try.
        assert read_as_a_whole(lambda: run(gateway, now=LATER + timedelta(days=29))) == set()

    @pytest.mark.rule("4.23")
    @pytest.mark.story("several charges for one renewal")
    def test_charges_once_when_called_twice(self) -> None:
        make_due(3, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        assert run(gateway) == ["succeeded"] * 3
        assert run(gateway) == []
        assert len(gateway.charges) == 3
        assert Invoice.objects.count() == 3

    def test_reads_the_clock_for_each_batch(self, one_batch_at_a_time: None) -> None:
        make_due(running.FIRST_BATCH + 1, price=PriceFactory.create(), due_at=NOW)
        minutes = itertools.count()
        handled = renewals.run(
            gateway=InstantGateway(), clock=lambda: NOW + timedelta(minutes=next(minutes)), limit=1000
        )
        assert len(handled) == running.FIRST_BATCH + 1
        made = PaymentAttempt.objects.values_list("created_at", flat=True).distinct().count()
        settled = PaymentAttempt.objects.values_list("settled_at", flat=True).distinct().count()
        assert (made, settled) == (2, 2)

    def test_ends_when_the_gateway_gives_no_answers(self, one_batch_at_a_time: None) -> None:
        make_due(running.FIRST_BATCH * 3, price=PriceFactory.create(), due_at=NOW)
        unknown = ChargeOutcome(OutcomeKind.UNKNOWN, code="no_answer")
        handled = renewals.run(gateway=InstantGateway(unknown), clock=lambda: NOW, limit=1000)
        assert [each.outcome for each in handled] == ["unknown"] * running.FIRST_BATCH
        assert PaymentAttempt.objects.filter(state="sent").count() == running.FIRST_BATCH

    def test_settled_by_the_batch_says_what_settled_one_by_one_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = []
        for one_by_one in (False, True):
            (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
            if one_by_one:
                monkeypatch.setattr(ordinary, "settle_ordinary", lambda decided, *, now: set())
            assert run(InstantGateway()) == ["succeeded"]
            made = Subscription.objects.values(
                "status", "period_index", "paid_through", "next_step", "next_bill_at", "claimed_until",
                "last_charged_at", "first_failed_at", "cancel_at", "parked_at", "ended_at",
            ).get(pk=subscription.pk)  # fmt: skip
            invoice = Invoice.objects.get(subscription=subscription)
            attempt = invoice.attempts.get()
            lines = JournalLine.objects.filter(entry__invoice_id=invoice.pk).order_by("pk")
            schedule = RevenueSchedule.objects.get(line__invoice=invoice)
            said.append(
                (
                    made,
                    (invoice.status, invoice.paid_at),
                    (attempt.state, attempt.settled_at, attempt.gateway_id == f"pi_{attempt.idempotency_key}"),
                    list(lines.values_list("account", "amount")),
                    (schedule.amount, schedule.start, schedule.end, schedule.first_day),
                )
            )
        assert said[0] == said[1]

    def test_leaves_what_is_not_due(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW + timedelta(seconds=1))
        gateway = InstantGateway()
        assert run(gateway, now=NOW) == []
        assert gateway.charges == {}

    @pytest.mark.rule("4.21")
    @pytest.mark.story("a lost day is never billed")
    def test_bills_what_fell_due_while_nobody_ran_and_a_day_apart(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        late = NOW + timedelta(days=45)
        assert run(gateway, now=late) == ["succeeded"]
        subscription.refresh_from_db()
        assert subscription.paid_through == datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
        assert subscription.next_bill_at == late + timedelta(days=1)
        assert run(gateway, now=late + timedelta(hours=23)) == []
        assert run(gateway, now=late + timedelta(days=1)) == ["succeeded"]
        subscription.refresh_from_db()
        assert subscription.paid_through == subscription.next_bill_at == datetime(2026, 3, 31, 10, 30, tzinfo=UTC)

    @pytest.mark.rule("4.10")
    def test_charges_the_price_that_was_bought(self) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=NOW)
        plans.set_price(
            plan_id=price.plan_id,
            currency="USD",
            country="",
            interval=rules.Interval.MONTH,
            amount=9999,
            tax_behavior=Price.TaxBehavior.INCLUSIVE,
            now=NOW,
        )
        gateway = InstantGateway()
        run(gateway)
        assert [params["amount"] for params in gateway.charges.values()] == [1549]

    def test_locks_what_it_claims_and_skips_what_others_hold(self) -> None:
        make_due(2, price=PriceFactory.create(), due_at=NOW)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            run(InstantGateway())
        scans = [query["sql"] for query in queries if "SKIP LOCKED" in query["sql"]]
        assert len(scans) == 2
        assert all('FOR UPDATE OF "billing_subscription" SKIP LOCKED' in scan for scan in scans)

    def test_costs_as_many_queries_for_a_hundred_as_for_one(self, one_batch_at_a_time: None) -> None:
        price = PriceFactory.create()

        def cost(count: int) -> int:
            make_due(count, price=price, due_at=NOW)
            with CaptureQueriesContext(connection) as queries:
                assert len(run(InstantGateway())) == count
            return len(queries)

        cost(1)
        assert cost(1) == cost(100)

    def test_publishes_nothing_when_all_goes_well(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        run(InstantGateway())
        assert events() == []
        assert SubscriptionTransition.objects.count() == 0


@pytest.mark.rule("4.14")
@pytest.mark.django_db
class TestRenewUnpaid:
    def test_begins_dunning_with_access_as_grace(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        assert run(InstantGateway(DECLINED)) == ["declined"]
        subscription.refresh_from_db()
        assert (subscription.status, subscription.first_failed_at, subscription.paid_through) == (
            "past_due",
            LATER,
            NOW,
        )
        assert (subscription.next_step, subscription.next_bill_at) == ("retry", LATER + timedelta(days=1))
        assert Invoice.objects.get().status == "open"
        attempt = PaymentAttempt.objects.get()
        assert (attempt.state, attempt.decline_code, attempt.decline_class) == ("failed", "insufficient_funds", "soft")
        assert events() == ["InvoicePaymentFailed"]

    @pytest.mark.story("declined card hit every hour")
    def test_tries_seven_times_then_holds_then_cancels(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway(DECLINED)
        seen = []
        for _ in range(12):
            subscription.refresh_from_db()
            if subscription.next_bill_at is None:
                break
            at = max(subscription.next_bill_at, LATER)
            gateway.outcome = ChargeOutcome(OutcomeKind.DECLINED, f"pi_{at}", "insufficient_funds")
            seen.append(((at - LATER).days, *run(gateway, now=at)))
        assert seen == [
            (0, "declined"),
            (1, "declined"),
            (3, "declined"),
            (5, "declined"),
            (7, "declined"),
            (10, "declined"),
            (14, "declined", "hold"),
            (30, "uncollectible"),
        ]
        subscription.refresh_from_db()
        assert subscription.status == "canceled"
        assert Invoice.objects.get().status == "uncollectible"
        assert [row.to_status for row in SubscriptionTransition.objects.order_by("pk")] == [
            "past_due",
            "on_hold",
            "canceled",
        ]
        assert events() == ["InvoicePaymentFailed"] * 7 + ["SubscriptionLapsed"] * 2

    @pytest.mark.story("paid month billed again, period moved back")
    def test_keeps_the_anchor_when_a_retry_is_paid(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        run(InstantGateway(DECLINED))
        gateway = InstantGateway()
        assert run(gateway, now=LATER + timedelta(days=1)) == ["succeeded"]
        subscription.refresh_from_db()
        end = datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
        assert (subscription.status, subscription.paid_through, subscription.next_bill_at) == ("active", end, end)
        assert subscription.first_failed_at is None
        assert [attempt.n for attempt in PaymentAttempt.objects.order_by("n")] == [1, 2]
        assert Invoice.objects.count() == 1

    def test_does_not_retry_a_lost_card(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        run(InstantGateway(ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "lost_card")))
        subscription.refresh_from_db()
        assert (subscription.next_step, subscription.next_bill_at) == ("hold", LATER + timedelta(days=14))

    def test_asks_for_a_card_where_there_is_none(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        PaymentMethod.objects.all().update(is_default=False, removed_at=NOW)
        gateway = InstantGateway()
        assert run(gateway) == ["declined"]
        subscription.refresh_from_db()
        assert (subscription.status, subscription.next_step) == ("past_due", "hold")
        assert gateway.charges == {}
        assert events() == ["InvoicePaymentFailed"]


@pytest.mark.rule("4.5")
@pytest.mark.django_db
class TestCancelBeforeRenewal:
    @pytest.mark.rule("4.23")
    def test_wins_at_the_same_instant(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        canceled = subscriptions.cancel(
            account_id=subscription.account_id, gateway=InstantGateway(), now=NOW - timedelta(days=3), by="test"
        )
        assert (canceled.status, canceled.cancel_at) == ("active", NOW)
        gateway = InstantGateway()
        assert run(gateway, now=NOW) == ["canceled"]
        subscription.refresh_from_db()
        assert (subscription.status, subscription.ended_at, subscription.next_bill_at) == ("canceled", NOW, None)
        assert gateway.charges == {}
        assert Period.objects.count() == 1
        assert events() == ["SubscriptionLapsed"]

    def test_is_taken_back_without_a_trace_on_the_bill(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        before = NOW - timedelta(days=3)
        subscriptions.cancel(account_id=subscription.account_id, gateway=InstantGateway(), now=before, by="test")
        subscriptions.undo_cancel(account_id=subscription.account_id, now=before, by="test")
        assert run(InstantGateway(), now=NOW) == ["succeeded"]
        assert [row.reason for row in SubscriptionTransition.objects.order_by("pk")] == [
            "cancel_requested",
            "cancel_undone",
        ]

    def test_ends_an_unpaid_subscription_at_once(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        run(InstantGateway(DECLINED))
        subscriptions.cancel(account_id=subscription.account_id, gateway=InstantGateway(), now=LATER, by="test")
        subscription.refresh_from_db()
        assert (subscription.status, subscription.next_bill_at) == ("canceled", None)
        assert Invoice.objects.get().status == "void"
        gateway = InstantGateway()
        assert run(gateway, now=LATER + timedelta(days=40)) == []
        assert gateway.charges == {}


@pytest.mark.rule("4.22")
@pytest.mark.django_db
class TestBounds:
    def test_park_instead_of_a_second_charge_in_a_day(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        Subscription.objects.update(last_charged_at=LATER - timedelta(hours=19))
        gateway = InstantGateway()
        assert run(gateway) == ["parked"]
        subscription.refresh_from_db()
        assert subscription.parked_reason == "second_charge_within_20_hours"
        assert gateway.charges == {}
        assert Invoice.objects.count() == 0
        assert run(gateway) == []

    def test_let_staff_put_it_back(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        Subscription.objects.update(last_charged_at=LATER - timedelta(hours=19))
        run(InstantGateway())
        later = LATER + timedelta(hours=2)
        parking.put_back(subscription_id=subscription.pk, now=later, by="staff:1")
        assert run(InstantGateway(), now=later) == ["succeeded"]
        note = SubscriptionTransition.objects.get()
        assert (note.by, note.reason) == ("staff:1", "unparked: second_charge_within_20_hours")

    def test_park_the_one_that_the_database_refuses_and_bill_the_others(self) -> None:
        price = PriceFactory.create()
        good, bad, other = make_due(3, price=price, due_at=NOW)
        Period.objects.create(subscription=bad, cycle=0, index=9, start=NOW, end=NOW + timedelta(days=1))
        gateway = InstantGateway()
        assert sorted(run(gateway)) == ["parked", "succeeded", "succeeded"]
        bad.refresh_from_db()
        assert bad.parked_reason == "period_no_overlap"
        assert {params["customer"] for params in gateway.charges.values()} == {
            f"cus_{good.account_id}",
            f"cus_{other.account_id}",
        }
        assert list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2]

    def test_park_when_the_gateway_refuses_the_request_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        run(InstantGateway(ChargeOutcome(OutcomeKind.REJECTED, code="parameter_invalid_integer")))
        subscription.refresh_from_db()
        assert (subscription.status, subscription.parked_reason) == (
            "active",
            "gateway_refused_parameter_invalid_integer",
        )
        assert events() == []
        # No one is charged until somebody has looked, who has to hear of it.
        said = [record.levelname for record in caplog.records if "A subscription was parked." in record.getMessage()]
        assert said == ["ERROR"]


@pytest.mark.rule("4.16")
@pytest.mark.django_db
class TestUnknownOutcome:
    @pytest.mark.story("slow success taken for a failure, paid again")
    def test_is_never_taken_for_a_failure_and_settles_by_the_same_key(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway(ChargeOutcome(OutcomeKind.UNKNOWN, code="no_answer"))
        assert run(gateway) == ["unknown"]
        subscription.refresh_from_db()
        assert (subscription.status, subscription.paid_through) == ("active", NOW)
        assert PaymentAttempt.objects.get().state == "sent"
        assert run(gateway, now=LATER + timedelta(minutes=5)) == []
        gateway.outcome = None
        assert payments.sweep(gateway=gateway, now=LATER + timedelta(seconds=59)).replayed == 0
        assert payments.sweep(gateway=gateway, now=LATER + timedelta(seconds=60)).replayed == 1
        assert payments.sweep(gateway=gateway, now=LATER + timedelta(hours=9)).replayed == 0
        subscription.refresh_from_db()
        assert (subscription.status, subscription.period_index) == ("active", 2)
        assert list(gateway.calls.values()) == [2]
        assert len(gateway.charges) == 1

    def test_keeps_the_subscription_from_being_billed_again_when_its_claim_runs_out(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway(ChargeOutcome(OutcomeKind.UNKNOWN, code="no_answer"))
        run(gateway)
        assert run(gateway, now=LATER + timedelta(hours=1)) == ["wait"]
        assert Invoice.objects.count() == 1
        assert PaymentAttempt.objects.count() == 1


@pytest.mark.rule("4.21")
@pytest.mark.django_db
class TestPreview:
    def test_shows_what_a_run_would_do_and_changes_nothing(self) -> None:
        make_due(2, price=PriceFactory.create(), due_at=NOW)
        with CaptureQueriesContext(connection) as queries:
            shown = renewals.preview(now=LATER, limit=10)
        assert [(entry.outcome, entry.amount, entry.period_start) for entry in shown] == [("due", 1549, NOW)] * 2
        assert all(query["sql"].startswith("SELECT") for query in queries)
        assert not any("FOR UPDATE" in query["sql"] for query in queries)


@pytest.mark.rule("4.20")
@pytest.mark.django_db(transaction=True)
class TestTwoWorkers:
    @pytest.mark.rule("4.19", "4.23")
    @pytest.mark.story("job enqueued twice")
    @pytest.mark.story("invoice number given twice")
    def test_charge_each_subscription_once_and_number_without_gaps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "BATCH", 7)
        make_due(60, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        outcomes = at_once(*[lambda: run(gateway)] * 3)
        assert sum(len(each) for each in outcomes) == 60
        assert len(gateway.charges) == 60
        assert {params["customer"] for params in gateway.charges.values()} == {
            f"cus_{account}" for account in Subscription.objects.values_list("account_id", flat=True)
        }
        assert list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)) == list(range(1, 61))
        assert NumberSeries.objects.get().last == 60
        assert Subscription.objects.filter(status="active", period_index=2).count() == 60

    @pytest.mark.rule("4.19")
    def test_leave_no_gap_where_a_transaction_failed(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        with transaction.atomic():
            claiming.claim(now=LATER, size=5)
            transaction.set_rollback(True)
        run(InstantGateway())
        assert Invoice.objects.get().sequence == 1

    @pytest.mark.rule("4.5")
    def test_decide_between_cancelling_and_renewing_under_one_lock(self) -> None:
        for _ in range(5):
            (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
            gateway = InstantGateway()
            account = subscription.account_id
            at_once(
                lambda: run(gateway),  # noqa: B023 - called before the loop goes on
                lambda: subscriptions.cancel(account_id=account, gateway=InstantGateway(), now=LATER, by="test"),  # noqa: B023
            )
            subscription.refresh_from_db()
            if gateway.charges:
                end = datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
                assert (subscription.status, subscription.cancel_at, subscription.paid_through) == ("active", end, end)
            else:
                assert (subscription.status, subscription.paid_through) == ("canceled", NOW)
