"""Gifts: bought, delivered, redeemed once, safe against guessing, given back, ended."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import translation
from pytest_django import Settings

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import stripe_gateway
from billing.models import CreditGrant, Gift, Invoice, JournalLine, PaymentAttempt, Refund
from billing.services import crediting, gift_codes, gifts, payments, refunds, webhooks
from core.clock import now
from core.models import IdempotencyKey
from tests.billing.customers import Customer
from tests.billing.threads import at_once
from tests.factories.accounts import AccountFactory
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.9"), pytest.mark.usefixtures("forgotten_codes")]

WANTED = {"amount": 2500, "currency": "USD", "recipient_email": "ben@example.com", "recipient_name": "Ben"}


@pytest.fixture
def forgotten_codes() -> None:
    cache.clear()


def balances() -> dict[str, int]:
    found: Counter[str] = Counter()
    for account, amount in JournalLine.objects.values_list("account", "amount"):
        found[account] += amount
    return {account: amount for account, amount in found.items() if amount}


def buyer(standin: Standin, card: str = "4242424242424242", **fields: Any) -> Customer:
    PriceFactory.create()
    customer = Customer(standin, **fields)
    customer.save_card(card)
    return customer


def buy(customer: Customer, *, key: str | None = None, **changes: Any) -> Any:
    return customer.post("gifts", WANTED | changes, key=key or str(uuid4()))


def bought(standin: Standin, **changes: Any) -> Gift:
    answer = buy(buyer(standin), **changes)
    assert (answer.status_code, answer.json()["payment"]["status"]) == (201, "succeeded"), answer.content
    return Gift.objects.get()


def redeem(customer: Customer, code: str, *, key: str | None = None) -> Any:
    return customer.post("gifts/redeem", {"code": code}, key=key or str(uuid4()))


def give_back(customer: Customer, gift: Gift, *, key: str | None = None) -> Any:
    return customer.post(f"gifts/{gift.pk}/refund", key=key or str(uuid4()))


def forget_answers() -> None:
    """Be as after a crash between the commit and the keeping of the answer: the claim's lease is over."""
    IdempotencyKey.objects.update(status=None, headers=None, body=None, leased_until=now() - timedelta(minutes=1))


class TestBuying:
    def test_charges_the_card_and_owes_the_gift(self, standin: Standin) -> None:
        gift = bought(standin)
        assert (gift.state, gift.amount, gift.expires_on) == ("paid", 2500, None)
        invoice = Invoice.objects.get()
        assert (invoice.kind, invoice.status, invoice.subscription, invoice.total) == ("one_off", "paid", None, 2500)
        assert [charge["amount"] for charge in standin.control.charges()] == [2500]
        assert balances() == {"cash:stripe_clearing": 2500, "gift_liability": -2500}

    def test_charges_once_a_key(self, standin: Standin) -> None:
        customer = buyer(standin)
        # The address to print from is signed with the time.
        with time_machine.travel(now(), tick=False):
            assert buy(customer, key="k").json() == buy(customer, key="k").json()
        assert (len(standin.control.charges()), Gift.objects.count()) == (1, 1)

    def test_that_is_declined_sells_nothing(self, standin: Standin) -> None:
        refused = buy(buyer(standin, "4000000000000341"))
        assert (refused.status_code, refused.json()["code"]) == (402, "payment_failed")
        assert (Gift.objects.get().state, Invoice.objects.get().status, balances()) == ("void", "void", {})

    def test_that_waits_for_the_bank_sells_when_it_agrees(self, standin: Standin) -> None:
        answer = buy(buyer(standin, "4000002760003184")).json()
        assert (answer["payment"]["status"], answer["gift"]["state"]) == ("requires_action", "unpaid")
        assert answer["gift"]["print_url"] == ""
        attempt = PaymentAttempt.objects.get()
        standin.control.authenticate("payment_intent", attempt.gateway_id)
        webhooks.fill_holes(gateway=stripe_gateway.connect(), livemode=False, now=now())
        webhooks.process_due(gateway=stripe_gateway.connect(), now=now() + timedelta(seconds=1))
        assert (Gift.objects.get().state, balances()["gift_liability"]) == ("paid", -2500)

    def test_that_nobody_confirms_is_withdrawn_after_a_day(self, standin: Standin) -> None:
        buy(buyer(standin, "4000002760003184"))
        report = payments.sweep(gateway=stripe_gateway.connect(), now=now() + timedelta(hours=24))
        assert (report.abandoned, Gift.objects.get().state) == (1, "void")

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"amount": 499}, "Choose an amount from $5.00 to $500.00."),
            ({"amount": 50001}, "Choose an amount from $5.00 to $500.00."),
            ({"currency": "JPY"}, "Gifts can be bought in these currencies: KWD, USD."),
            ({"currency": "KWD", "amount": 5001}, "Choose an amount whose last digit is zero."),
        ],
    )
    def test_takes_only_what_is_offered_and_says_what_is(
        self, standin: Standin, wrong: dict[str, Any], said: str
    ) -> None:
        PriceFactory.create(currency="KWD", amount=5000)
        refused = buy(buyer(standin), **wrong)
        assert (refused.status_code, refused.json()["code"]) == (409, "gift_amount_not_offered")
        assert refused.json()["detail"] == said
        assert not Gift.objects.exists()

    def test_needs_a_card(self, standin: Standin) -> None:
        PriceFactory.create()
        assert buy(Customer(standin)).json()["code"] == "payment_method_required"

    def test_is_not_paid_from_credit(self, standin: Standin) -> None:
        customer = buyer(standin)
        crediting.request_goodwill(
            account_id=customer.account.pk, amount=5000, currency="USD", reason="", by="staff:a", now=now()
        )
        buy(customer)
        assert len(standin.control.charges()) == 1

    @pytest.mark.parametrize(("country", "day"), [("DE", date(2030, 1, 1)), ("AT", date(2057, 1, 1)), ("US", None)])
    def test_ends_where_the_law_says_so(self, country: str, day: date | None) -> None:
        assert gifts.ends_on(date(2026, 2, 28), country=country) == day


class TestCode:
    def test_has_80_bits_and_lies_nowhere(self, standin: Standin) -> None:
        gift = bought(standin)
        code = gift_codes.code_of(gift)
        assert len(code.replace("-", "")) * 5 == 80
        with connection.cursor() as cursor:
            cursor.execute("SELECT g::text FROM billing_gift g")
            row = cursor.fetchone()[0]
        assert code not in row
        assert code.replace("-", "") not in row

    def test_is_the_same_when_the_key_changes(self, standin: Standin, settings: Settings) -> None:
        gift = bought(standin)
        code, old = gift_codes.code_of(gift), settings.SECRET_KEY
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [old]
        assert gift_codes.code_of(gift) == code
        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(LookupError):
            gift_codes.code_of(gift)

    @pytest.mark.parametrize("written", ["abcd-efgh", "ABCDEFGH", " abcd efgh "])
    def test_is_read_as_people_write_it(self, written: str) -> None:
        assert gift_codes.hash_of(written) == gift_codes.hash_of("ABCD-EFGH")


class TestDelivering:
    @pytest.mark.parametrize(
        ("language", "subject"), [("en", "Anna has sent you a gift"), ("de", "Anna schenkt Ihnen etwas")]
    )
    def test_mails_it_once_in_its_language(self, standin: Standin, language: str, subject: str) -> None:
        gift = bought(standin, language=language, sender_name="Anna", message="Enjoy")
        assert [gifts.deliver_due(now=now()) for _ in range(2)] == [1, 0]
        mail = mails.render(OutgoingEmail.objects.get(address="ben@example.com"))
        assert mail.subject == subject
        for part in (gift_codes.code_of(gift), "Enjoy", gift_codes.card_url(gift)):
            assert part in mail.body

    def test_waits_for_its_day(self, standin: Standin) -> None:
        day = now() + timedelta(days=20)
        gift = bought(standin, deliver_at=day.isoformat())
        assert gifts.deliver_due(now=now()) == 0
        assert gifts.deliver_due(now=day) == 1
        gift.refresh_from_db()
        assert gift.delivered_at == day

    @pytest.mark.parametrize(("days", "when"), [(0, "now."), (20, "on the day you have chosen.")])
    def test_tells_the_buyer_when_it_is_sent(self, standin: Standin, days: int, when: str) -> None:
        bought(standin, deliver_at=(now() + timedelta(days=days)).isoformat())
        mail = mails.render(OutgoingEmail.objects.get(template="billing/email/gift_bought"))
        assert f"We send it to Ben {when}" in mail.body

    def test_tells_the_buyer_where_it_is_printed(self, standin: Standin) -> None:
        gift = bought(standin, recipient_email="", message="For <you>")
        assert gifts.deliver_due(now=now()) == 0
        mail = mails.render(OutgoingEmail.objects.get())
        assert gift_codes.card_url(gift) in mail.body
        page = Client().get(gift_codes.card_url(gift).removeprefix("http://localhost:8000"))
        assert page.status_code == 200
        assert gift_codes.code_of(gift) in page.content.decode()
        assert "For &lt;you&gt;" in page.content.decode()

    @pytest.mark.parametrize(
        ("state", "told"),
        [
            ("redeemed", "This gift has been redeemed."),
            ("expired", "This gift has expired: it could be redeemed until Dec 31, 2029."),
            ("unpaid", "This gift is not paid yet."),
            ("refunded", "This gift was given back or never paid"),
        ],
    )
    def test_page_says_why_there_is_nothing_to_redeem(self, standin: Standin, state: str, told: str) -> None:
        gift = bought(standin, language="de")
        spent = {"redeemed_by": gift.buyer, "redeemed_at": now()} if state == "redeemed" else {}
        Gift.objects.update(state=state, expires_on=date(2030, 1, 1), **spent)
        page = Client().get(gift_codes.card_url(gift).removeprefix("http://localhost:8000")).content.decode()
        assert told in page
        assert gift_codes.code_of(gift) not in page

    def test_page_opens_to_nobody_who_guesses(self, client: Client) -> None:
        assert client.get(f"/gift/{uuid4()}").status_code == 404


class TestRedeeming:
    def test_becomes_credit_of_the_receiver(self, standin: Standin) -> None:
        gift = bought(standin)
        receiver = Customer(standin)
        answer = redeem(receiver, gift_codes.code_of(gift).lower())
        assert (answer.status_code, answer.json()["remaining"], answer.json()["kind"]) == (201, 2500, "gift")
        gift.refresh_from_db()
        assert (gift.state, gift.redeemed_by) == ("redeemed", receiver.account)
        # Still owed, now to somebody.
        assert balances() == {"cash:stripe_clearing": 2500, "gift_liability": -2500}
        assert receiver.get("credit/balance").json() == [{"currency": "USD", "remaining": 2500}]
        assert receiver.subscribe(PriceFactory.create(), quoted_due=0).status_code == 201
        assert receiver.get("credit/balance").json() == [{"currency": "USD", "remaining": 951}]

    def test_once_a_key(self, standin: Standin) -> None:
        code, receiver = gift_codes.code_of(bought(standin)), Customer(standin)
        assert receiver.post("gifts/redeem", {"code": code}).json()["code"] == "idempotency_key_missing"
        first = redeem(receiver, code, key="k")
        assert [redeem(receiver, code, key="k").json() for _ in range(2)] == [first.json()] * 2
        forget_answers()
        again = redeem(receiver, code, key="k")
        assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
        assert redeem(receiver, code, key="another").json()["code"] == "gift_not_valid"
        # Of somebody else the same key is another one.
        assert redeem(Customer(standin), code, key="k").json()["code"] == "gift_not_valid"
        assert CreditGrant.objects.count() == 1

    def test_answers_the_same_whatever_is_wrong(self, standin: Standin) -> None:
        customer = buyer(standin)
        for _ in range(4):
            buy(customer)
        used, ended, returned, unpaid = Gift.objects.order_by("pk")
        receiver = Customer(standin)
        redeem(receiver, gift_codes.code_of(used))
        Gift.objects.filter(pk=ended.pk).update(expires_on=now().date())
        gifts.give_back(gift_id=returned.pk, by="staff:a", now=now())
        Gift.objects.filter(pk=unpaid.pk).update(state="unpaid")
        codes = [gift_codes.code_of(gift) for gift in (used, ended, returned, unpaid)]
        answers = [redeem(receiver, code) for code in [*codes, "ABCD-EFGH-IJKL-MNOP"]]
        seen = {(answer.status_code, answer.json()["code"], answer.json()["title"]) for answer in answers}
        assert seen == {(409, "gift_not_valid", "This gift code cannot be redeemed.")}
        assert CreditGrant.objects.count() == 1

    def test_is_locked_after_ten_wrong_codes(self, standin: Standin) -> None:
        gift = bought(standin)
        receiver = Customer(standin)
        assert {redeem(receiver, f"WRONG{n}").json()["code"] for n in range(10)} == {"gift_not_valid"}
        locked = redeem(receiver, gift_codes.code_of(gift))
        assert (locked.status_code, locked.json()["code"]) == (429, "too_many_wrong_codes")
        gift.refresh_from_db()
        assert gift.state == "paid"
        assert redeem(Customer(standin), gift_codes.code_of(gift)).status_code == 201

    def test_refuses_what_could_pay_nothing(self, standin: Standin) -> None:
        gift = bought(standin)
        receiver = Customer(standin, country="DE")
        receiver.save_card()
        receiver.subscribe(PriceFactory.create(currency="EUR", country="DE"))
        refused = redeem(receiver, gift_codes.code_of(gift))
        assert refused.json()["code"] == "gift_of_another_currency"
        gift.refresh_from_db()
        assert gift.state == "paid"


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_redeem_one_gift_once(self, standin: Standin) -> None:
        code = gift_codes.code_of(bought(standin))

        def attempt(account: Any) -> bool:
            try:
                gifts.redeem(account_id=account.pk, code=code, now=now())
            except gifts.GiftNotValid:
                return False
            return True

        anna, ben = AccountFactory.create(), AccountFactory.create()
        assert sorted(at_once(lambda: attempt(anna), lambda: attempt(ben))) == [False, True]
        assert CreditGrant.objects.get().amount == 2500

    def test_give_back_or_redeem(self, standin: Standin) -> None:
        gift = bought(standin)
        code, account = gift_codes.code_of(gift), AccountFactory.create()

        def attempt(act: Any) -> bool:
            try:
                act()
            except (gifts.GiftNotValid, gifts.GiftNotRefundable):
                return False
            return True

        done = at_once(
            lambda: attempt(lambda: gifts.redeem(account_id=account.pk, code=code, now=now())),
            lambda: attempt(lambda: gifts.give_back(gift_id=gift.pk, by="staff:a", now=now())),
        )
        assert sorted(done) == [False, True]
        assert CreditGrant.objects.count() + Refund.objects.count() == 1


@pytest.mark.rule("4.12")
class TestGivingBack:
    def test_returns_the_money_and_ends_the_gift(self, standin: Standin) -> None:
        gift = bought(standin)
        customer = Customer(standin, gift.buyer)
        assert give_back(customer, gift).status_code == 200
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        gift.refresh_from_db()
        assert (gift.state, balances()) == ("refunded", {})
        again = give_back(customer, gift)
        assert (again.status_code, again.json()["code"]) == (409, "gift_not_refundable")

    def test_once_a_key(self, standin: Standin) -> None:
        gift = bought(standin)
        customer = Customer(standin, gift.buyer)
        first = give_back(customer, gift, key="k")
        assert [give_back(customer, gift, key="k").json() for _ in range(2)] == [first.json()] * 2
        forget_answers()
        again = give_back(customer, gift, key="k")
        assert (again.status_code, again.json(), Refund.objects.count()) == (200, first.json(), 1)
        assert give_back(customer, gift, key="another").json()["code"] == "gift_not_refundable"

    def test_is_refused_once_redeemed(self, standin: Standin) -> None:
        gift = bought(standin)
        redeem(Customer(standin), gift_codes.code_of(gift))
        with pytest.raises(gifts.GiftNotRefundable):
            gifts.give_back(gift_id=gift.pk, by="staff:a", now=now())
        assert not Refund.objects.exists()

    def test_is_the_buyers_right_for_two_weeks_and_nobody_elses(self, standin: Standin) -> None:
        gift = bought(standin)
        late = gift.created_at + timedelta(days=14)
        with pytest.raises(gifts.GiftNotRefundable):
            gifts.give_back(gift_id=gift.pk, account_id=gift.buyer_id, by="", now=late)
        assert give_back(Customer(standin), gift).status_code == 404
        assert gifts.give_back(gift_id=gift.pk, by="staff:a", now=late).state == "approved"

    def test_that_fails_at_the_bank_lets_it_be_redeemed_again(self, standin: Standin) -> None:
        buy(buyer(standin, "4000000000005126"))
        gift = Gift.objects.get()
        asked = gifts.give_back(gift_id=gift.pk, by="staff:a", now=now())
        refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())
        standin.control.wait_for_webhooks()
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        gift.refresh_from_db()
        assert (gift.state, balances()) == ("paid", {"cash:stripe_clearing": 2500, "gift_liability": -2500})


@pytest.mark.rule("4.13")
class TestDispute:
    @pytest.mark.parametrize("redeemed", [False, True])
    def test_blocks_the_gift_and_lost_ends_it(self, standin: Standin, *, redeemed: bool) -> None:
        gift = bought(standin)
        code = gift_codes.code_of(gift)
        if redeemed:
            redeem(Customer(standin), code)
        dispute = standin.control.dispute(standin.control.charges()[0]["id"])
        gateway = stripe_gateway.connect()
        for step in (lambda: None, lambda: standin.control.decide(dispute["id"], won=False)):
            step()
            webhooks.fill_holes(gateway=gateway, livemode=False, now=now())
            webhooks.process_due(gateway=gateway, now=now() + timedelta(seconds=1))
            assert redeem(Customer(standin), code).json()["code"] == "gift_not_valid"
        gift.refresh_from_db()
        assert gift.state == ("redeemed" if redeemed else "refunded")
        # What was redeemed is still owed to its receiver.
        assert balances() == ({"bad_debt": 2500, "gift_liability": -2500} if redeemed else {})


class TestEnding:
    def test_books_what_nobody_redeemed_as_revenue(self, standin: Standin) -> None:
        with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False):
            answer = buy(buyer(standin, country="DE"))
            assert answer.json()["gift"]["expires_on"] == "2030-01-01"
            gift = Gift.objects.get()
        last = datetime(2029, 12, 31, 23, tzinfo=UTC)
        assert gifts.expire_due(now=last) == 0
        assert [gifts.expire_due(now=last + timedelta(hours=1)) for _ in range(2)] == [1, 0]
        gift.refresh_from_db()
        assert (gift.state, balances()) == ("expired", {"cash:stripe_clearing": 2500, "revenue": -2500})


class TestLists:
    def test_are_the_buyers_own_and_cost_the_same_for_many(
        self, standin: Standin, django_assert_max_num_queries: Any
    ) -> None:
        customer = buyer(standin)
        for _ in range(3):
            buy(customer)
        with time_machine.travel(now(), tick=False):  # the link is signed with the second it is made in
            with django_assert_max_num_queries(3):
                listed = customer.get("gifts").json()
            assert len(listed["results"]) == 3
            gift = listed["results"][0]
            assert customer.get(f"gifts/{gift['id']}").json() == gift
        stranger = Customer(standin)
        assert stranger.get(f"gifts/{gift['id']}").status_code == stranger.get(f"gifts/{uuid4()}").status_code == 404
        assert stranger.get("gifts").json()["results"] == []
        with django_assert_max_num_queries(3):
            assert customer.get("credit").json()["results"] == []

    def test_explain_what_paid_an_invoice(self, standin: Standin) -> None:
        receiver = Customer(standin)
        redeem(receiver, gift_codes.code_of(bought(standin)))
        receiver.subscribe(PriceFactory.create(), quoted_due=0)
        invoice = receiver.get("invoices").json()["results"][0]["id"]
        with translation.override("en"):
            history = receiver.get(f"invoices/{invoice}/explain").json()["history"]
        assert [(step["code"], step["amount"]) for step in history] == [("finalised", 1549), ("credit", 1549)]
        paid_for = Invoice.objects.get(kind="one_off")
        explained = Customer(standin, paid_for.gift.buyer).get(f"invoices/{paid_for.pk}/explain").json()
        assert [reason["code"] for reason in explained["lines"][0]["reasons"]] == ["gift"]
