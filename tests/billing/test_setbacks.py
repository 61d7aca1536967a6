"""Sweeps of billing: one row that cannot be handled is set aside, is seen, and keeps none of the others from its turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from accounts.models import OutgoingEmail, User
from billing import rules
from billing.admin import dashboard
from billing.gateway import ChargeOutcome, OutcomeKind, RefundKind, RefundOutcome
from billing.models import (
    Gift,
    Invoice,
    PaymentAttempt,
    PaymentMethod,
    Price,
    Refund,
    Setback,
    Subscription,
    WebhookEvent,
)
from billing.services import (
    card_care,
    documents,
    gift_codes,
    gifts,
    notices,
    payments,
    plans,
    refunds,
    renewals,
    setbacks,
    webhooks,
)
from core.clock import now as clock_now
from core.ids import new_id
from tests.billing.instant import InstantGateway
from tests.billing.threads import await_older_transactions
from tests.factories.accounts import StaffFactory
from tests.factories.billing import NOW, PriceFactory, make_due

pytestmark = pytest.mark.django_db

Sweep = Setback.Sweep
MINUTE = timedelta(minutes=1)


def poison(table: str, before: str, when: str) -> None:
    """Have the database refuse one row's change with an error that is no constraint's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'poisoned'; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER poison BEFORE {before} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION poison()"
        )


def cure(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER poison ON {table}")


def poison_mail(account: User) -> None:
    poison("accounts_outgoingemail", "INSERT", f"NEW.address = '{account.email}'")


def mailed() -> set[str]:
    return set(OutgoingEmail.objects.values_list("address", flat=True))


def set_aside() -> list[tuple[str, UUID, int]]:
    return list(Setback.objects.order_by("pk").values_list("sweep", "row", "failures"))


def paid_gifts(count: int, **said: Any) -> list[Gift]:
    """Make gifts that were paid, to be mailed."""
    made = []
    for subscription in make_due(count, price=PriceFactory.create(), due_at=NOW):
        invoice = Invoice.objects.create(
            account=subscription.account,
            kind="one_off",
            status="draft",
            currency="USD",
            total=2500,
            line_count=1,
            created_at=NOW,
        )
        fields: dict[str, Any] = {
            "state": "paid", "recipient_email": subscription.account.email, "language": "en", "deliver_at": NOW,
        }  # fmt: skip
        gift_id = new_id()
        made.append(
            Gift.objects.create(
                id=gift_id, buyer=subscription.account, request_key=uuid4(), invoice=invoice, amount=2500, currency="USD",
                code_hash=gift_codes.new_hash(gift_id), created_at=NOW, **(fields | said),
            )
        )  # fmt: skip
    return made


class TestRenewals:
    def test_go_on_beside_one_that_fails_and_come_back_to_it(self) -> None:
        bad, *good = make_due(3, price=PriceFactory.create(), due_at=NOW)
        poison("billing_invoice", "INSERT", f"NEW.account_id = '{bad.account_id}'")
        gateway = InstantGateway()

        def renew(after: timedelta = timedelta(0)) -> set[UUID]:
            handled = renewals.run(gateway=gateway, clock=lambda: NOW + after, limit=100)
            return {each.subscription_id for each in handled if each.outcome == "succeeded"}

        assert renew() == {each.pk for each in good}
        assert set_aside() == [(Sweep.RENEWALS, bad.pk, 1)]
        assert Setback.objects.get().error == "ProgrammingError: poisoned"
        bad.refresh_from_db()
        # Nobody was charged for it, nothing was given up, and it is out of the scan for as long.
        assert (bad.parked_at, bad.next_bill_at, bad.claimed_until) == (None, NOW, NOW + MINUTE)
        assert renew(MINUTE / 2) == set()
        assert set_aside() == [(Sweep.RENEWALS, bad.pk, 1)]
        assert renew(MINUTE) == set()
        assert set_aside() == [(Sweep.RENEWALS, bad.pk, 2)]
        cure("billing_invoice")
        assert renew(2 * MINUTE) == set()
        assert renew(3 * MINUTE) == {bad.pk}
        assert len(gateway.charges) == 3

    def test_go_on_beside_one_that_takes_no_change_at_all(self) -> None:
        bad, *good = make_due(3, price=PriceFactory.create(), due_at=NOW)
        poison("billing_subscription", "UPDATE", f"OLD.id = '{bad.pk}'")
        for after, failures in ((timedelta(0), 1), (MINUTE / 2, 1), (MINUTE, 2)):
            renewals.run(gateway=InstantGateway(), clock=lambda now=NOW + after: now, limit=100)  # type: ignore[misc]
            assert set_aside() == [(Sweep.RENEWALS, bad.pk, failures)]
        paid = set(Invoice.objects.filter(status="paid").values_list("account", flat=True))
        assert paid == {each.account_id for each in good}

    def test_are_settled_beside_one_whose_outcome_cannot_be_recorded(self) -> None:
        bad, *good = make_due(3, price=PriceFactory.create(), due_at=NOW)
        poison("billing_invoice", "UPDATE", f"NEW.status = 'paid' AND NEW.account_id = '{bad.account_id}'")
        gateway = InstantGateway()
        renewals.run(gateway=gateway, clock=lambda: NOW, limit=100)
        attempt = PaymentAttempt.objects.get(invoice__account=bad.account_id)
        assert set(Invoice.objects.filter(status="paid").values_list("account", flat=True)) == {
            each.account_id for each in good
        }
        assert (attempt.state, set_aside()) == ("sent", [(Sweep.PAYMENTS, attempt.pk, 1)])
        cure("billing_invoice")
        report = payments.sweep(gateway=gateway, now=NOW + timedelta(minutes=5))
        assert (report.replayed, Setback.objects.count()) == (1, 0)
        # Its card was charged once.
        assert (Invoice.objects.filter(status="paid").count(), len(gateway.charges)) == (3, 3)

    def test_go_on_beside_a_call_that_raises(self) -> None:
        bad, *_ = make_due(3, price=PriceFactory.create(), due_at=NOW)
        customer = f"cus_{bad.account_id}"

        class Raising(InstantGateway):
            def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome:
                if params["customer"] == customer:
                    raise ValueError("no such currency")
                return super().charge(params=params, idempotency_key=idempotency_key)

        renewals.run(gateway=Raising(), clock=lambda: NOW, limit=100)
        assert Invoice.objects.filter(status="paid").count() == 2
        # No error is an outcome: it may have been charged, so it is asked for again.
        assert PaymentAttempt.objects.get(invoice__account=bad.account_id).state == "sent"
        gateway = InstantGateway()
        payments.sweep(gateway=gateway, now=NOW + timedelta(minutes=5))
        assert (Invoice.objects.filter(status="paid").count(), len(gateway.charges)) == (3, 1)


class TestPayments:
    def test_are_swept_beside_one_that_cannot_be_settled(self) -> None:
        subscriptions = make_due(3, price=PriceFactory.create(), due_at=NOW)
        renewals.run(gateway=InstantGateway(ChargeOutcome(OutcomeKind.UNKNOWN)), clock=lambda: NOW, limit=100)
        bad = PaymentAttempt.objects.get(invoice__account=subscriptions[0].account_id)
        poison("billing_paymentattempt", "UPDATE", f"NEW.state = 'succeeded' AND NEW.id = '{bad.pk}'")
        gateway, later = InstantGateway(), NOW + timedelta(minutes=5)
        payments.sweep(gateway=gateway, now=later)
        assert Invoice.objects.filter(status="paid").count() == 2
        assert set_aside() == [(Sweep.PAYMENTS, bad.pk, 1)]
        # It stands in the way of nobody until its time has come.
        assert payments.sweep(gateway=gateway, now=later + MINUTE / 2).replayed == 0
        # The last one of all is handled apart as well.
        assert payments.sweep(gateway=gateway, now=later + 2 * MINUTE).replayed == 1
        assert set_aside() == [(Sweep.PAYMENTS, bad.pk, 2)]
        bad.refresh_from_db()
        assert (bad.state, gateway.calls[bad.idempotency_key]) == ("sent", 2)


class TestWebhooks:
    @staticmethod
    def events() -> tuple[WebhookEvent, WebhookEvent]:
        bad, good = (
            WebhookEvent.objects.create(
                event_id=f"evt_{n}", type=kind, payload=payload, livemode=False, received_at=NOW,
                next_try_at=NOW + n * timedelta(seconds=1),
            )
            for n, (kind, payload) in enumerate([("refund.updated", {"data": None}), ("customer.created", {})])
        )  # fmt: skip
        return bad, good

    def test_are_applied_beside_one_that_raises(self) -> None:
        bad, good = self.events()
        assert webhooks.process_due(gateway=InstantGateway(), now=NOW + MINUTE) == 2
        for event in (bad, good):
            event.refresh_from_db()
        assert (good.status, bad.status, bad.tries) == ("ignored", "parked", 1)
        assert bad.note == "AttributeError: 'NoneType' object has no attribute 'get'"
        assert bad.next_try_at == NOW + 2 * MINUTE

    def test_are_given_up_after_twelve_tries_and_tried_again_for_staff(self) -> None:
        bad, _ = self.events()
        moment, tries = NOW + MINUTE, 0
        while WebhookEvent.objects.exclude(next_try_at=None).exists():
            tries += 1
            webhooks.process_due(gateway=InstantGateway(), now=moment)
            moment += timedelta(days=2)
        bad.refresh_from_db()
        assert (tries, bad.status, bad.tries) == (12, "failed", 12)
        staff = StaffFactory.create(is_superuser=True)
        client = Client()
        client.force_login(staff)
        cache.delete(dashboard.KEY)  # another test may have left its figures
        shown = client.get(reverse("admin:billing_recurringrevenueday_changelist")).content.decode()
        assert "given up" in shown
        client.post(
            reverse("admin:billing_webhookevent_changelist"),
            {"action": "try_again", "_selected_action": [str(bad.pk)]},
        )
        bad.refresh_from_db()
        assert (bad.status, bad.tries, bad.note) == ("parked", 0, f"tried again by staff:{staff.pk}")

    def test_that_were_applied_are_not_tried_again(self) -> None:
        _, good = self.events()
        webhooks.process_due(gateway=InstantGateway(), now=NOW + MINUTE)
        with pytest.raises(webhooks.NothingToTry):
            webhooks.try_again(event_id=good.event_id, by="staff:1", now=NOW)
        good.refresh_from_db()
        assert good.status == "ignored"


class TestMails:
    """Of whatever is told by mail: who cannot be told is told later, and everybody else now."""

    def check(
        self, sweep: Sweep, tell: Callable[[datetime], int], accounts: list[User], rows: list[UUID], at: datetime
    ) -> None:
        poison_mail(accounts[0])
        told = {account.email for account in accounts[1:]}
        assert (tell(at), mailed()) == (len(told), told), set(Setback.objects.values_list("error"))
        assert set_aside() == [(sweep, rows[0], 1)]
        assert (tell(at), mailed()) == (0, told)
        cure("accounts_outgoingemail")
        assert (tell(at + MINUTE), mailed()) == (1, {account.email for account in accounts})
        assert OutgoingEmail.objects.count() == len(accounts)

    def test_of_gifts(self) -> None:
        made = paid_gifts(3)
        self.check(
            Sweep.GIFT_MAILS, lambda now: gifts.deliver_due(now=now), [gift.buyer for gift in made],
            [gift.pk for gift in made], NOW,
        )  # fmt: skip

    def test_of_cards_that_end(self) -> None:
        made = make_due(3, price=PriceFactory.create(), due_at=NOW)
        cards = [PaymentMethod.objects.get(account=each.account_id).pk for each in made]
        self.check(
            Sweep.CARD_WARNINGS, lambda now: card_care.warn_of_expiry(now=now), [each.account for each in made], cards,
            datetime(2030, 12, 30, tzinfo=UTC),
        )  # fmt: skip

    def test_of_new_prices(self) -> None:
        price = PriceFactory.create()
        made = make_due(3, price=price, due_at=NOW)
        plans.set_price(
            plan_id=price.plan_id, currency="USD", country="", interval=rules.Interval.MONTH, amount=1699,
            tax_behavior=Price.TaxBehavior(price.tax_behavior), now=NOW,
            terms=plans.Terms(applies_to_existing_from=date(2026, 3, 1)),
        )  # fmt: skip
        self.check(
            Sweep.PRICE_NOTICES, lambda now: notices.announce_prices(now=now, limit=100),
            [each.account for each in made], [each.pk for each in made], NOW,
        )  # fmt: skip

    def test_of_what_is_about_to_be_charged(self) -> None:
        made = make_due(3, price=PriceFactory.create(interval="year"), due_at=NOW + timedelta(days=7))
        Subscription.objects.update(country="DE")
        self.check(
            Sweep.REMINDERS, lambda now: notices.remind(now=now, limit=100),
            [each.account for each in made], [each.pk for each in made], NOW,
        )  # fmt: skip

    def test_is_not_met_again_while_another_run_holds_it(self) -> None:
        make_due(2, price=PriceFactory.create(), due_at=NOW)
        asked: list[int] = []

        def tell(waiting: QuerySet[Subscription]) -> int:
            asked.append(len(waiting))
            if len(waiting) > 1:
                raise ValueError("not together")
            return 0

        waiting = Subscription.objects.order_by("pk")
        assert notices._in_batches(Sweep.REMINDERS, waiting, tell, 100, now=NOW) == 0
        assert asked == [2, 1, 1]


@pytest.mark.django_db(transaction=True)
class TestReceipts:
    def test_are_mailed_beside_one_that_fails_and_that_one_later(self) -> None:
        documents.send_receipts(now=NOW)
        bad, good = make_due(2, price=PriceFactory.create(), due_at=NOW)
        renewals.run(gateway=InstantGateway(), clock=lambda: NOW, limit=100)
        await_older_transactions()
        poison_mail(bad.account)
        try:
            assert (documents.send_receipts(now=NOW), mailed()) == (1, {good.account.email})
        finally:
            cure("accounts_outgoingemail")
        assert set_aside() == [(Sweep.RECEIPTS, Invoice.objects.get(account=bad.account_id).pk, 1)]
        # The mark has passed it, and it is not forgotten, however long no worker has run.
        later = NOW + timedelta(days=1)
        assert setbacks.prune(now=later) == 0
        assert [documents.send_receipts(now=moment) for moment in (NOW, later, later)] == [0, 1, 0]
        assert mailed() == {bad.account.email, good.account.email}
        assert not Setback.objects.exists()

    def test_that_are_asked_for_no_more_are_forgotten(self, settings: Any) -> None:
        setbacks.note(Sweep.RECEIPTS, uuid4(), ValueError("x"), now=NOW)
        settings.RECEIPT_MAILS = False
        assert documents.send_receipts(now=NOW) == 0
        assert not Setback.objects.exists()


class TestGiftEnds:
    def test_come_beside_one_that_fails(self) -> None:
        bad, good = paid_gifts(2, expires_on=NOW.date(), delivered_at=NOW)
        poison("billing_gift", "UPDATE", f"OLD.id = '{bad.pk}'")
        assert gifts.expire_due(now=NOW) == 1
        assert Gift.objects.get(state="expired") == good
        assert set_aside() == [(Sweep.GIFT_ENDS, bad.pk, 1)]


class TestRefunds:
    @staticmethod
    def approved(count: int) -> list[Refund]:
        make_due(count, price=PriceFactory.create(), due_at=NOW)
        renewals.run(gateway=InstantGateway(), clock=lambda: NOW, limit=100)
        return [
            Refund.objects.create(
                invoice=attempt.invoice, attempt=attempt, amount=500, net=500, tax=0, currency="USD", reason="x",
                state="approved", requested_by="staff:1", requested_at=NOW,
            )
            for attempt in PaymentAttempt.objects.order_by("pk")
        ]  # fmt: skip

    def test_have_their_turn_beside_those_that_a_bank_takes_days_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waiting = self.approved(3)
        asked: list[str] = []

        class Slow(InstantGateway):
            def find_refund(self, *, payment_intent: str, refund_id: str) -> Any:
                return RefundOutcome(RefundKind.PENDING, id=f"re_{refund_id}")

            def refund_status(self, gateway_id: str) -> RefundOutcome:
                asked.append(gateway_id)
                return RefundOutcome(RefundKind.PENDING, id=gateway_id)

        monkeypatch.setattr("billing.services.refunds.sending.SWEEP_SIZE", 1)
        for _ in waiting:
            refunds.sweep(gateway=Slow(), now=NOW)
        # None waited to be sent until an older one had arrived.
        assert not Refund.objects.filter(state="approved").exists()
        for _ in range(100):
            refunds.sweep(gateway=Slow(), now=NOW)
        assert set(asked) == {f"re_{refund.pk}" for refund in waiting}

    def test_are_sent_beside_one_that_fails(self) -> None:
        bad, good = self.approved(2)

        class Refunding(InstantGateway):
            def find_refund(self, *, payment_intent: str, refund_id: str) -> Any:
                if refund_id == str(bad.pk):
                    raise ValueError("poisoned")
                return RefundOutcome(RefundKind.SUCCEEDED, id=f"re_{refund_id}")

        assert refunds.sweep(gateway=Refunding(), now=NOW) == 1
        for refund in (bad, good):
            refund.refresh_from_db()
        assert (good.state, bad.state) == ("succeeded", "approved")
        assert set_aside() == [(Sweep.REFUNDS, bad.pk, 1)]


class TestSetback:
    def fail(self, times: int) -> list[timedelta]:
        """Fail so often, each time when it is due again; answers the waits."""
        waits, moment, row = [], NOW, uuid4()

        def raise_it(key: UUID) -> None:
            raise ValueError("poisoned")

        for _ in range(times):
            setbacks.each(Sweep.REFUNDS, [row], raise_it, now=moment)
            due = Setback.objects.get().next_try_at
            waits.append(due - moment)
            moment = due
        return waits

    def test_waits_twice_as_long_each_time_and_six_hours_at_most(self, caplog: pytest.LogCaptureFixture) -> None:
        waits = self.fail(12)
        assert waits[:4] == [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
        assert waits[8:] == [256 * MINUTE, 360 * MINUTE, 360 * MINUTE, 360 * MINUTE]
        assert [each.message for each in caplog.records].count("A row fails again and again.") == 1

    def test_is_forgotten_when_nobody_has_asked_for_its_row_any_more(self) -> None:
        self.fail(1)
        due = Setback.objects.get().next_try_at
        assert setbacks.prune(now=due + timedelta(hours=3)) == 0
        assert setbacks.prune(now=due + timedelta(hours=3, seconds=1)) == 1

    def test_is_tried_again_at_once_for_staff(self) -> None:
        (bad,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        poison("billing_invoice", "INSERT", f"NEW.account_id = '{bad.account_id}'")
        at = clock_now()
        renewals.run(gateway=InstantGateway(), clock=lambda: at, limit=100)
        cure("billing_invoice")
        staff = StaffFactory.create(is_superuser=True)
        client = Client()
        client.force_login(staff)
        address = reverse("admin:billing_setback_changelist")
        shown = client.get(address).content.decode()
        assert "poisoned" in shown
        assert str(bad.pk) in shown
        client.post(address, {"action": "try_again", "_selected_action": [str(Setback.objects.get().pk)]})
        renewals.run(gateway=InstantGateway(), clock=lambda: at, limit=100)
        assert Invoice.objects.get().status == "paid"
