"""Saved cards after their saving: default, backup, removal, updates by the bank, and the warning before they end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import stripe_gateway
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import PaymentAttempt, PaymentMethod, Subscription, WebhookEvent
from billing.services import card_care, renewals, webhooks
from billing.services.renewals import claiming
from core.clock import now
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.billing.reading import read_as_a_whole
from tests.factories.billing import NOW, PaymentMethodFactory, PriceFactory, make_due
from tests.standin import Standin

pytestmark = pytest.mark.django_db

VISA, MASTERCARD, AMEX = "4242424242424242", "5555555555554444", "378282246310005"
SOFT = ChargeOutcome(OutcomeKind.DECLINED, "", "insufficient_funds")
HARD = ChargeOutcome(OutcomeKind.DECLINED, "", "lost_card")


@pytest.fixture
def customer(standin: Standin) -> Customer:
    """Answer somebody with three cards: amex is the default, mastercard and visa are older."""
    found = Customer(standin)
    for number in (VISA, MASTERCARD, AMEX):
        assert found.save_card(number).status_code == 201
    return found


def listed(customer: Customer) -> list[tuple[str, bool, bool]]:
    found = customer.get("payment-methods").json()
    return [(card["brand"], card["is_default"], card["is_backup"]) for card in found]


def card(customer: Customer, brand: str) -> PaymentMethod:
    return PaymentMethod.objects.get(account=customer.account, brand=brand)


class TestDefault:
    def test_is_the_one_that_was_chosen(self, customer: Customer) -> None:
        answer = customer.post(f"payment-methods/{card(customer, 'visa').pk}/default")
        assert (answer.status_code, answer.json()["is_default"]) == (200, True)
        assert listed(customer) == [("visa", True, False), ("amex", False, False), ("mastercard", False, False)]

    def test_is_no_strangers(self, customer: Customer, standin: Standin) -> None:
        for card_id in (card(customer, "visa").pk, uuid4()):
            answer = Customer(standin).post(f"payment-methods/{card_id}/default")
            assert (answer.status_code, answer.json()["code"]) == (404, "card_not_found")
        assert listed(customer)[0] == ("amex", True, False)

    def test_is_tried_at_once_for_an_unpaid_renewal_and_once(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        other = PaymentMethodFactory.create(account=subscription.account, is_default=False)
        renewals.run(gateway=InstantGateway(HARD), clock=lambda: NOW, limit=9)
        first = PaymentMethod.objects.get(account=subscription.account, is_default=True)
        card_care.make_default(account_id=subscription.account_id, card_id=other.pk, now=NOW)
        subscription.refresh_from_db()
        assert (subscription.next_step, subscription.next_bill_at) == ("retry", NOW)
        renewals.run(gateway=InstantGateway(HARD), clock=lambda: NOW, limit=9)
        card_care.make_default(account_id=subscription.account_id, card_id=first.pk, now=NOW)
        subscription.refresh_from_db()
        # That one was declined already: changing back and forth tries nothing again.
        assert subscription.next_step == "hold"
        assert PaymentAttempt.objects.count() == 2


@pytest.mark.rule("4.14")
class TestBackup:
    @pytest.fixture
    def subscription(self) -> Subscription:
        (found,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        PaymentMethodFactory.create(account=found.account, is_default=False, is_backup=True, brand="mastercard")
        return found

    def try_on(self, *days: int, outcome: ChargeOutcome | None = SOFT) -> list[str]:
        for day in days:
            at = NOW + timedelta(days=day)
            renewals.run(
                gateway=InstantGateway(outcome), clock=partial(datetime.fromtimestamp, at.timestamp(), UTC), limit=9
            )
        return list(PaymentAttempt.objects.order_by("pk").values_list("payment_method__brand", flat=True))

    def test_takes_turns_with_a_default_that_is_declined_softly(self, subscription: Subscription) -> None:
        # The days stay those of the schedule, and a day has one try.
        assert self.try_on(0, 1, 2, 3, 4, 5, 7, 10, 14) == ["visa", "mastercard"] * 3 + ["visa"]

    def test_pays_on_its_turn(self, subscription: Subscription) -> None:
        self.try_on(0)
        assert self.try_on(1, outcome=None) == ["visa", "mastercard"]
        subscription.refresh_from_db()
        assert subscription.status == "active"

    def test_is_not_asked_after_a_hard_decline_of_the_default(self, subscription: Subscription) -> None:
        assert self.try_on(0, outcome=HARD) == ["visa"]
        assert self.try_on(1, 3, 5) == ["visa"]

    def test_that_is_declined_for_good_stands_by_no_more(self, subscription: Subscription) -> None:
        self.try_on(0)
        self.try_on(1, outcome=HARD)
        assert not PaymentMethod.objects.filter(is_backup=True).exists()
        assert self.try_on(2, 3, 5) == ["visa", "mastercard", "visa", "visa"]

    def test_has_the_turn_of_a_default_that_its_network_forbids(self, subscription: Subscription) -> None:
        self.try_on(0, 1)
        visa = PaymentAttempt.objects.get(payment_method__brand="visa")
        PaymentAttempt.objects.bulk_create(
            PaymentAttempt(
                invoice=visa.invoice,
                n=100 + n,
                payment_method=visa.payment_method,
                state="failed",
                idempotency_key=f"k{n}",
                params={},
                created_at=NOW,
                sent_at=NOW,
                settled_at=NOW,
                claimed_until=NOW,
            )
            for n in range(19)
        )
        assert self.try_on(3)[-1] == "mastercard"

    def test_is_chosen_over_the_api(self, customer: Customer) -> None:
        path = f"payment-methods/{card(customer, 'visa').pk}/backup"
        assert customer.post(path).json()["is_backup"] is True
        assert listed(customer) == [("amex", True, False), ("visa", False, True), ("mastercard", False, False)]
        customer.post(f"payment-methods/{card(customer, 'mastercard').pk}/backup")
        assert [backup for _, _, backup in listed(customer)] == [False, True, False]
        assert customer.http.delete(f"/api/v1/{path}").json()["is_backup"] is False
        refused = customer.post(f"payment-methods/{card(customer, 'amex').pk}/backup")
        assert (refused.status_code, refused.json()["code"]) == (409, "default_card_cannot_stand_by")

    @pytest.mark.parametrize("change", [{"is_default": True}, {"removed_at": NOW}])
    def test_is_never_the_default_nor_removed(self, subscription: Subscription, change: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError, match="payment_method_"), transaction.atomic():
            PaymentMethod.objects.filter(is_backup=True).update(**change)


class TestRemoving:
    def remove(self, customer: Customer, brand: str) -> Any:
        return customer.http.delete(f"/api/v1/payment-methods/{card(customer, brand).pk}")

    def test_forgets_a_card_here_and_at_stripe(self, customer: Customer) -> None:
        gone = card(customer, "visa").gateway_id
        assert self.remove(customer, "visa").status_code == 204
        assert [brand for brand, _, _ in listed(customer)] == ["amex", "mastercard"]
        assert stripe_gateway.connect().card(gone).customer == ""
        assert self.remove(customer, "visa").status_code == 404

    def test_of_the_default_leaves_its_place_to_the_one_that_stands_by(self, customer: Customer) -> None:
        customer.post(f"payment-methods/{card(customer, 'visa').pk}/backup")
        self.remove(customer, "amex")
        assert listed(customer) == [("visa", True, False), ("mastercard", False, False)]
        self.remove(customer, "visa")
        assert listed(customer) == [("mastercard", True, False)]

    def test_is_refused_of_the_last_one_while_a_subscription_goes_on(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        refused = self.remove(customer, "visa")
        assert (refused.status_code, refused.json()["code"]) == (409, "last_card")
        assert listed(customer) == [("visa", True, False)]
        customer.post("subscription/cancel")
        assert self.remove(customer, "visa").status_code == 204

    def test_is_refused_while_a_charge_has_no_outcome(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card(MASTERCARD)
        customer.save_card()
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        customer.subscribe(PriceFactory.create())
        refused = self.remove(customer, "visa")
        assert (refused.status_code, refused.json()["code"]) == (409, "card_in_use")


@pytest.mark.rule("4.15")
class TestUpdateByTheBank:
    def apply(self) -> None:
        webhooks.fill_holes(gateway=stripe_gateway.connect(), livemode=False, now=now())
        webhooks.process_due(gateway=stripe_gateway.connect(), now=now() + timedelta(seconds=1))

    def test_shows_the_new_card_and_goes_on_counting_its_tries(self, customer: Customer, standin: Standin) -> None:
        before = card(customer, "amex")
        PaymentMethod.objects.filter(pk=before.pk).update(expiry_warned=203412)
        standin.control.change_card(before.gateway_id, last4="9999", exp_month=3, exp_year=2040)
        self.apply()
        after = card(customer, "amex")
        assert (after.last4, after.exp_month, after.exp_year) == ("9999", 3, 2040)
        assert (after.pk, after.fingerprint, after.is_default) == (before.pk, before.fingerprint, True)
        event = WebhookEvent.objects.get(type="payment_method.automatically_updated")
        assert event.status == "processed"
        # The warning that was sent was about another end.
        assert after.expiry_warned != after.exp_year * 100 + after.exp_month

    def test_of_a_card_that_is_not_ours_is_no_concern(self, customer: Customer, standin: Standin) -> None:
        known = card(customer, "visa")
        gateway_id = known.gateway_id
        PaymentMethod.objects.filter(pk=known.pk).update(removed_at=now())
        standin.control.change_card(gateway_id, last4="9999")
        self.apply()
        assert WebhookEvent.objects.get(type="payment_method.automatically_updated").status == "ignored"
        assert PaymentMethod.objects.get(pk=known.pk).last4 == "4242"


class TestWallet:
    def test_is_recorded_and_shown(self, standin: Standin) -> None:
        customer = Customer(standin)
        setup = customer.post("payment-methods/setup", key="k").json()
        method = standin.confirm_setup(setup["client_secret"]).json()["payment_method"]
        standin.control.change_card(method, wallet="apple_pay")
        saved = customer.post("payment-methods", {"setup_intent": setup["setup_intent"]}).json()
        assert (saved["wallet"], saved["brand"]) == ("apple_pay", "visa")
        assert customer.subscribe(PriceFactory.create()).status_code == 201


class TestExpiry:
    @pytest.mark.parametrize(
        ("month", "today", "warned"),
        [
            (12, datetime(2029, 12, 1, tzinfo=UTC), 0),
            (12, datetime(2029, 12, 2, tzinfo=UTC), 1),
            (12, datetime(2030, 2, 1, tzinfo=UTC), 1),
            (1, datetime(2029, 12, 31, tzinfo=UTC), 1),
        ],
    )
    def test_is_told_once_within_thirty_days(self, month: int, today: datetime, warned: int) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        PaymentMethod.objects.update(exp_month=month, exp_year=2029)
        assert [card_care.warn_of_expiry(now=today) for _ in range(2)] == [warned, 0]
        assert OutgoingEmail.objects.count() == warned
        if warned:
            mail = mails.render(OutgoingEmail.objects.get(address=subscription.account.email))
            assert f"Visa ending in 4242, is valid until {month:02d}/2029" in mail.body

    def test_is_found_without_reading_all_cards(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        assert read_as_a_whole(lambda: card_care.warn_of_expiry(now=NOW)) == set()

    def test_concerns_nobody_whose_subscription_ends_anyway(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        Subscription.objects.update(cancel_at=NOW)
        assert card_care.warn_of_expiry(now=datetime(2040, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.django_db(transaction=True)
class TestRemovingWhileARenewalIsClaimed:
    def test_sees_the_charge_that_has_chosen_the_card(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        chosen = PaymentMethod.objects.get(account=subscription.account_id)
        PaymentMethodFactory.create(account=subscription.account, is_default=False)

        def remove() -> str:
            try:
                card_care.remove(
                    account_id=subscription.account_id, card_id=chosen.pk, gateway=InstantGateway(), now=NOW
                )
            except card_care.CardInUse as refused:
                return refused.code
            finally:
                connections.close_all()
            return "removed"

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                claiming.claim(now=NOW, size=1)
                other = pool.submit(remove)
                deadline = time.monotonic() + 60
                while not self.somebody_waits() and not other.done():
                    assert time.monotonic() < deadline, "nobody waits"
                    time.sleep(0.01)
            assert other.result(60) == "card_in_use"
        chosen.refresh_from_db()
        assert (chosen.is_default, chosen.removed_at) == (True, None)

    def somebody_waits(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
            return cursor.fetchone() is not None
