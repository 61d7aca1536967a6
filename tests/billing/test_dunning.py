"""Unpaid renewals: what is tried, what is not, and what customers are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import rules, stripe_gateway
from billing.api import pages
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import Invoice, PaymentAttempt, PaymentMethod, Subscription
from billing.services import dunning, payments, renewals, webhooks
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.factories.billing import NOW, PriceFactory, make_due
from tests.standin import Standin

pytestmark = pytest.mark.django_db

SOFT = ChargeOutcome(OutcomeKind.DECLINED, code="insufficient_funds")


def run(gateway: InstantGateway, at: datetime) -> list[str]:
    return [handled.outcome for handled in renewals.run(gateway=gateway, clock=lambda: at, limit=100)]


def told() -> list[str]:
    return [name.rpartition("/")[2] for name in OutgoingEmail.objects.order_by("pk").values_list("template", flat=True)]


@pytest.mark.rule("4.14")
class TestMails:
    def test_are_written_at_each_step(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway(SOFT)
        for day in (*rules.RETRY_DAYS, 14, 30):
            run(gateway, NOW + timedelta(days=day, minutes=1))
        assert told() == ["payment_failed"] * 6 + ["on_hold", "ended_unpaid"]

    @pytest.mark.parametrize(("language", "amount"), [("en", "$15.49 for invoice"), ("de", "15,49\xa0$ für Rechnung")])
    def test_of_the_hold_and_of_the_end_name_what_is_owed(self, language: str, amount: str) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        type(subscription.account).objects.update(language=language)
        gateway = InstantGateway(SOFT)
        for day in (*rules.RETRY_DAYS, 14, 30):
            run(gateway, NOW + timedelta(days=day, minutes=1))
        hold, end = list(OutgoingEmail.objects.order_by("pk"))[-2:]
        for row in (hold, end):
            assert f"{amount} {Invoice.objects.get().number}" in mails.render(row).body

    @pytest.mark.parametrize(("code", "step"), [("lost_card", "card_needed"), ("insufficient_funds", "payment_failed")])
    def test_say_what_to_do(self, code: str, step: str) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        run(InstantGateway(ChargeOutcome(OutcomeKind.DECLINED, code=code)), NOW)
        assert told() == [step]

    @pytest.mark.parametrize(
        ("language", "subject", "amount", "day"),
        [
            ("en", "Your payment did not go through", "$15.49", "Feb 1, 2026"),
            ("de", "Ihre Zahlung ist fehlgeschlagen", "15,49\xa0$", "01.02.2026"),
        ],
    )
    def test_are_in_the_customers_language(self, language: str, subject: str, amount: str, day: str) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        type(subscription.account).objects.update(language=language)
        run(InstantGateway(SOFT), NOW)
        mail = mails.render(OutgoingEmail.objects.get())
        assert mail.subject == subject
        assert amount in mail.body
        assert day in mail.body

    @pytest.mark.parametrize("language", ["en", "de"])
    @pytest.mark.parametrize("step", dunning.Step)
    def test_can_be_written(self, step: dunning.Step, language: str) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        type(subscription.account).objects.update(language=language)
        dunning.write_mails([dunning.Notice(step, subscription)], now=NOW)
        mail = mails.render(OutgoingEmail.objects.get())
        assert mail.subject
        assert str(mail.alternatives[0][0]).startswith("<!doctype html>")

    @pytest.mark.parametrize(
        ("code", "says"),
        [
            ("insufficient_funds", "We will try again on Feb 1, 2026. You can watch as soon as it is paid."),
            (
                "lost_card",
                "Save another card by Mar 2, 2026, and we try it at once. You can watch as soon as it is paid.",
            ),
            ("authentication_required", "Confirm by Mar 2, 2026. You can watch as soon as it is paid."),
        ],
    )
    def test_promise_no_watching_where_nothing_was_paid_yet(self, code: str, says: str) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        Subscription.objects.update(status="trialing")
        kind = OutcomeKind.REQUIRES_ACTION if code == "authentication_required" else OutcomeKind.DECLINED
        run(InstantGateway(ChargeOutcome(kind, "pi_1", code=code)), NOW)
        subscription.refresh_from_db()
        assert subscription.status == "on_hold"
        assert says in mails.render(OutgoingEmail.objects.get()).body

    def test_speak_of_no_declined_card_where_none_is_saved(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        PaymentMethod.objects.update(is_default=False, removed_at=NOW)
        run(InstantGateway(), NOW)
        body = mails.render(OutgoingEmail.objects.get()).body
        assert "because no card is saved" in body
        assert "declined" not in body

    def test_none_is_written_for_a_success(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        run(InstantGateway(), NOW)
        assert told() == []


@pytest.mark.rule("4.14")
class TestNetworkLimits:
    @pytest.mark.parametrize(
        ("brand", "declines", "within", "exhausted"),
        [
            ("visa", 19, timedelta(days=29), False),
            ("visa", 20, timedelta(days=29), True),
            ("visa", 20, timedelta(days=31), False),
            ("mastercard", 9, timedelta(hours=23), False),
            ("mastercard", 10, timedelta(hours=23), True),
            ("mastercard", 34, timedelta(days=29), False),
            ("mastercard", 35, timedelta(days=29), True),
            ("elo", 20, timedelta(days=29), True),
        ],
    )
    def test_are_the_networks(self, brand: str, declines: int, within: timedelta, *, exhausted: bool) -> None:
        assert rules.card_exhausted(brand=brand, declined_at=[NOW - within] * declines, now=NOW) is exhausted

    def test_hold_back_a_retry_and_not_the_hold(self) -> None:
        subscriptions = make_due(20, price=PriceFactory.create(), due_at=NOW)
        # One card under twenty accounts: the network counts the card.
        PaymentMethod.objects.update(fingerprint="same")
        gateway = InstantGateway(SOFT)
        assert run(gateway, NOW) == ["declined"] * 20
        assert run(gateway, NOW + timedelta(days=1)) == ["skip"] * 20
        assert sum(gateway.calls.values()) == 20
        first = Subscription.objects.get(pk=subscriptions[0].pk)
        assert (first.next_step, first.next_bill_at) == ("retry", NOW + timedelta(days=2))
        for day in range(2, 15):
            run(gateway, NOW + timedelta(days=day))
        assert set(Subscription.objects.values_list("status", flat=True)) == {"on_hold"}
        assert sum(gateway.calls.values()) == 20

    @pytest.mark.parametrize(
        ("advice", "network_advice", "network_decline", "final"),
        [
            ("do_not_try_again", "", "", True),
            ("", "03", "", True),
            ("", "21", "", True),
            ("", "02", "51", False),
            ("", "", "14", True),
            ("try_again_later", "", "65", False),
        ],
    )
    def test_never_again_means_never(
        self, advice: str, network_advice: str, network_decline: str, *, final: bool
    ) -> None:
        said = rules.never_again(advice=advice, network_advice=network_advice, network_decline=network_decline)
        assert said is final

    def test_a_final_decline_is_not_tried_again(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway(ChargeOutcome(OutcomeKind.DECLINED, code="generic_decline", final=True))
        run(gateway, NOW)
        assert (PaymentAttempt.objects.get().decline_class, told()) == ("hard", ["card_needed"])
        assert Subscription.objects.get().next_step == "hold"


@pytest.mark.rule("4.15")
class TestPayPage:
    def waiting(self, standin: Standin) -> tuple[Customer, str]:
        customer = Customer(standin)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        customer.save_card("4000002760003184")
        due = Subscription.objects.get().next_bill_at
        assert due is not None
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: due, limit=9)
        link = OutgoingEmail.objects.get(template="billing/email/authentication_needed").context["pay_url"]
        return customer, "/pay/" + link.rpartition("/")[2]

    def test_lets_the_customer_confirm_the_same_payment(self, standin: Standin) -> None:
        customer, path = self.waiting(standin)
        page = Client().get(path)
        assert page.status_code == 200
        secret = page.context["client"]["client_secret"]
        attempt = PaymentAttempt.objects.get(state="requires_action")
        assert secret.startswith(attempt.gateway_id)
        standin.confirm_payment(secret, "4000002760003184")
        standin.control.authenticate("payment_intent", attempt.gateway_id)
        assert "Thank you" in Client().get(path).content.decode()
        assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 2

    def test_says_after_a_refusal_of_the_bank_what_comes_next(self, standin: Standin) -> None:
        _, path = self.waiting(standin)
        secret = Client().get(path).context["client"]["client_secret"]
        attempt = PaymentAttempt.objects.get(state="requires_action")
        standin.confirm_payment(secret, "4000002760003184")
        standin.control.authenticate("payment_intent", attempt.gateway_id, passed=False)
        shown = Client().get(path).content.decode()
        assert "your bank did not confirm it" in shown
        assert "If you save another card in your account, it is charged at once." in shown
        assert 'id="confirm"' not in shown

    def test_is_not_found_by_guessing(self) -> None:
        answer = Client().get("/pay/guessed")
        assert answer.status_code == 404
        assert "the newest mail has a good one" in answer.content.decode()

    def test_tells_when_nothing_waits(self, standin: Standin) -> None:
        customer, path = self.waiting(standin)
        customer.post("subscription/cancel")
        assert "Nothing is to be paid here any more" in Client().get(path).content.decode()


NEXT_TRY = datetime(2026, 2, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "at", "told"),
    [
        ({}, NEXT_TRY - timedelta(days=1), "February 3, 2026"),
        # Its time has come: a worker may be at it.
        ({}, NEXT_TRY, ""),
        ({}, NEXT_TRY + timedelta(days=1), ""),
        ({"parked_at": NEXT_TRY, "parked_reason": "dispute_open"}, NEXT_TRY - timedelta(days=1), ""),
        ({"cancel_at": NEXT_TRY}, NEXT_TRY - timedelta(days=1), ""),
        ({"next_step": "hold"}, NEXT_TRY - timedelta(days=1), ""),
    ],
)
def test_the_next_try_that_a_customer_is_told_of_is_one_that_comes(
    changed: dict[str, Any], at: datetime, told: str
) -> None:
    subscription = Subscription(next_step="retry", next_bill_at=NEXT_TRY, billing_tz="UTC")
    for name, value in changed.items():
        setattr(subscription, name, value)
    invoice = Invoice(subscription=subscription, currency="USD")
    assert pages._next_try(invoice, now=at) == told


@pytest.mark.rule("4.14", "4.16")
class TestCanceledByHand:
    """Somebody cancels a renewal's PaymentIntent in Stripe's dashboard, and its answer was lost."""

    def test_is_tried_again_on_the_next_day_for_it(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card()
        assert customer.subscribe(PriceFactory.create()).status_code == 201
        card, due = PaymentMethod.objects.get().gateway_id, Subscription.objects.get().next_bill_at
        assert due is not None
        gateway = stripe_gateway.connect()

        def renew(at: datetime) -> None:
            standin.control.set_clock(int(at.timestamp()))
            renewals.run(gateway=gateway, clock=lambda: at, limit=9)

        standin.control.change_card(card, behaves_like="4000002760003184")
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        renew(due)
        attempt = PaymentAttempt.objects.latest("pk")
        assert attempt.state == "sent"
        at_stripe = gateway.find_charge(customer=attempt.params["customer"], attempt_id=str(attempt.pk), since=due)
        gateway.cancel_charge(at_stripe.payment_intent, idempotency_key="by hand")
        webhooks.fill_holes(gateway=gateway, livemode=False, now=due)
        webhooks.process_due(gateway=gateway, now=due + timedelta(seconds=1))
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.next_step, subscription.parked_reason) == ("past_due", "retry", "")
        assert subscription.next_bill_at == due + timedelta(days=1, seconds=1)
        renew(due + timedelta(hours=2))
        assert list(PaymentAttempt.objects.order_by("pk").values_list("state", flat=True)) == ["succeeded", "canceled"]
        standin.control.change_card(card, behaves_like="4242424242424242")
        renew(due + timedelta(days=1, minutes=1))
        subscription.refresh_from_db()
        assert (subscription.status, subscription.next_step, subscription.parked_reason) == ("active", "renew", "")
        assert len(standin.control.charges()) == 2

    def test_ends_what_was_canceled_meanwhile(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        attempts = renewals.claiming.claim(now=NOW, size=1).attempts.keys()
        # Its customer does not want the period that is being billed.
        Subscription.objects.update(cancel_at=NOW + timedelta(days=31))
        by_hand = InstantGateway(ChargeOutcome(OutcomeKind.CANCELED, "pi_1", code="canceled"))
        payments.send(attempts, gateway=by_hand, now=NOW)
        assert (Subscription.objects.get().status, Invoice.objects.get().status) == ("canceled", "void")
