"""Credit as a means of payment: what invoices take of it, what comes back, and what the books say."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import OutgoingEmail, User
from accounts.services import mails
from billing import amounts, stripe_gateway
from billing.amounts import Tender
from billing.gateway import ChargeOutcome, DisputeState, OutcomeKind, RefundKind, RefundOutcome
from billing.models import (
    CreditGrant,
    CreditNote,
    CreditUse,
    Invoice,
    JournalEntry,
    JournalLine,
    PaymentAttempt,
    Refund,
    Subscription,
    TaxRate,
)
from billing.services import crediting, disputes, ledger, refunds, renewals, settlement, subscriptions
from billing.services.ledger import Account, Kind
from core.clock import now
from core.ids import new_id
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.billing.test_changes import APRIL, HALF, priced, subscribed, upgrade
from tests.factories.billing import NOW, PlanFactory, PriceFactory, make_due
from tests.standin import Standin

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.9")]

ANNA, BEN = "staff:anna", "staff:ben"
LATER = NOW + timedelta(minutes=1)


def balances() -> dict[str, int]:
    found: Counter[str] = Counter()
    for account, amount in JournalLine.objects.values_list("account", "amount"):
        found[account] += amount
    return {account: amount for account, amount in found.items() if amount}


def left() -> dict[str, int]:
    """Answer what the grants say, by the liability it is."""
    found: Counter[str] = Counter()
    for kind, remaining in CreditGrant.objects.values_list("kind", "remaining"):
        found["gift_liability" if kind == "gift" else "customer_credit"] -= remaining
    return {account: amount for account, amount in found.items() if amount}


def gift(account: User, amount: int, *, at: Any = NOW, currency: str = "USD") -> CreditGrant:
    """Give what a redeemed gift gives, with the liability that its purchase has booked."""
    key = new_id()
    ledger.book(
        source_key=f"sold:{key}",
        kind=Kind.CREDIT,
        currency=currency,
        lines={(Account.CLEARING, ""): amount, (Account.GIFTS, ""): -amount},
        now=at,
    )
    return crediting.grant_gift(
        account_id=account.pk, amount=amount, currency=currency, gift_id=key, by="account:x", now=at
    )


def renew(at: Any = LATER, outcome: ChargeOutcome | None = None) -> list[str]:
    return [each.outcome for each in renewals.run(gateway=InstantGateway(outcome), clock=lambda: at, limit=9)]


@pytest.fixture
def due() -> Subscription:
    """A subscription of 15.49 and 8.875 % tax, 16.86 a month, that is due."""
    TaxRate.objects.create(country="ZZ", starts=date(2020, 1, 1), rate="0.08875")
    (subscription,) = make_due(1, price=PriceFactory.create(amount=1549, tax_behavior="exclusive"), due_at=NOW)
    subscription.country = "ZZ"
    subscription.save(update_fields=["country"])
    return subscription


class TestTender:
    @pytest.mark.parametrize(
        ("total", "balances", "uses", "due", "carried"),
        [
            (1686, [2000], (1686,), 0, 0),
            (1686, [314], (314,), 1372, 0),
            (1686, [1000, 500, 500], (1000, 500, 186), 0, 0),
            (1686, [], (), 1686, 0),
            (1686, [-20], (-20,), 1706, 0),
            (1686, [-20, 2000], (-20, 1706), 0, 0),
            (1686, [1650], (1650,), 0, 36),
            (1686, [1636], (1636,), 50, 0),
            (0, [-20], (-20,), 0, 20),
        ],
    )
    def test_takes_the_oldest_first_and_carries_what_is_too_little(
        self, total: int, balances: list[int], uses: tuple[int, ...], due: int, carried: int
    ) -> None:
        assert amounts.tender(total, balances, currency="USD") == Tender(uses, due, carried)

    @given(st.integers(0, 10**7), st.lists(st.integers(-49, 10**6).filter(bool), max_size=6))
    def test_neither_makes_nor_loses_money(self, total: int, balances: list[int]) -> None:
        tender = amounts.tender(total, balances, currency="USD")
        assert tender.applied + tender.due == total
        assert not amounts.below_minimum(tender.due, "USD")
        for balance, use in zip(balances, tender.uses, strict=True):
            assert use == balance or 0 <= use < balance
        # A younger balance is touched only when all older ones are empty.
        spent = [balance - use for balance, use in zip(balances, tender.uses, strict=True) if balance > 0]
        assert spent == sorted(spent, key=bool) or not any(spent)


class TestInvoice:
    def test_is_paid_by_a_gift_without_a_charge_and_the_next_one_in_part(self, due: Subscription) -> None:
        gift(due.account, 2000)
        assert renew() == ["succeeded"]
        invoice = Invoice.objects.get()
        assert (invoice.status, invoice.total, invoice.credit_applied, invoice.due) == ("paid", 1686, 1686, 0)
        assert not PaymentAttempt.objects.exists()
        assert CreditGrant.objects.get().remaining == 314
        assert balances() == {
            "cash:stripe_clearing": 2000,
            "gift_liability": -314,
            "deferred_revenue": -1549,
            "tax_payable": -137,
        }
        due.refresh_from_db()
        assert (due.status, due.period_index, due.paid_through) == ("active", 2, due.next_bill_at)

        assert due.paid_through is not None
        assert renew(due.paid_through) == ["succeeded"]
        second = Invoice.objects.latest("pk")
        assert (second.credit_applied, second.due, second.status) == (314, 1372, "paid")
        assert PaymentAttempt.objects.get().params["amount"] == 1372
        assert CreditGrant.objects.get().remaining == 0
        assert dict(
            JournalLine.objects.filter(entry__invoice_id=second.pk).values_list("account").annotate(Sum("amount"))
        ) == {
            "receivable:user": 0,
            "gift_liability": 314,
            "cash:stripe_clearing": 1372,
            "deferred_revenue": -1549,
            "tax_payable": -137,
        }

    def test_takes_nothing_of_another_currency_or_of_somebody_else(self, due: Subscription) -> None:
        gift(due.account, 2000, currency="EUR")
        (other,) = make_due(1, price=due.price, due_at=NOW + timedelta(days=9))
        gift(other.account, 2000)
        renew()
        assert Invoice.objects.get().credit_applied == 0

    def test_takes_the_oldest_first_whatever_it_is(self, due: Subscription) -> None:
        young = gift(due.account, 1500, at=NOW - timedelta(days=1))
        old = crediting.request_goodwill(
            account_id=due.account_id, amount=500, currency="USD", reason="", by=ANNA, now=NOW - timedelta(days=2)
        )
        renew()
        assert list(CreditUse.objects.order_by("pk").values_list("grant", "amount")) == [
            (old.pk, 500),
            (young.pk, 1186),
        ]
        assert left() == {"gift_liability": -314}

    def test_carries_a_rest_that_cannot_be_charged_to_the_next(self, due: Subscription) -> None:
        gift(due.account, 1650)
        renew()
        first = Invoice.objects.get()
        assert (first.status, first.due, first.credit_applied) == ("paid", 0, 1686)
        assert balances()["customer_credit"] == 36
        due.refresh_from_db()
        assert due.paid_through is not None
        renew(due.paid_through)
        second = Invoice.objects.latest("pk")
        assert (second.total, second.credit_applied, second.due) == (1686, -36, 1722)
        assert PaymentAttempt.objects.get().params["amount"] == 1722
        assert left() == {}
        assert {name: balances().get(name, 0) for name in ("customer_credit", "receivable:user", "gift_liability")} == {
            "customer_credit": 0,
            "receivable:user": 0,
            "gift_liability": 0,
        }

    def test_that_is_void_gives_back_what_it_took(self, due: Subscription) -> None:
        gift(due.account, 314)
        renew(outcome=ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "insufficient_funds"))
        assert CreditGrant.objects.get().remaining == 0
        subscriptions.cancel(account_id=due.account_id, gateway=InstantGateway(), now=LATER, by="account:x")
        assert Invoice.objects.get().status == "void"
        assert CreditGrant.objects.get().remaining == 314
        assert balances() == {"cash:stripe_clearing": 314, "gift_liability": -314}

    def test_that_is_paid_after_all_takes_it_again_or_what_is_left(self, due: Subscription) -> None:
        given = gift(due.account, 314)
        renew(outcome=ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "lost_card"))
        for day in (14, 30):
            renewals.run(gateway=InstantGateway(), clock=lambda day=day: LATER + timedelta(days=day), limit=9)  # type: ignore[misc]
        assert Invoice.objects.get().status == "uncollectible"
        CreditGrant.objects.filter(pk=given.pk).update(remaining=300)
        outcome = ChargeOutcome(OutcomeKind.SUCCEEDED, "pi_1")
        settlement.settle({PaymentAttempt.objects.get().pk: outcome}, now=LATER + timedelta(days=31))
        assert Invoice.objects.get().status == "paid"
        assert CreditGrant.objects.get().remaining == 0
        assert (balances()["bad_debt"], balances().get("receivable:user")) == (14, None)

    def test_locks_what_it_takes(self, due: Subscription, django_assert_max_num_queries: Any) -> None:
        gift(due.account, 2000)
        with django_assert_max_num_queries(60) as queries:
            renew()
        locks = [
            each["sql"] for each in queries if "billing_creditgrant" in each["sql"] and "FOR UPDATE" in each["sql"]
        ]
        assert len(locks) == 1


class TestFirstInvoice:
    def test_needs_no_card_when_a_gift_pays_it(self, standin: Standin) -> None:
        customer = Customer(standin)
        gift(customer.account, 2000, at=now())
        price = PriceFactory.create()
        bought = customer.subscribe(price, key="k1", quoted_due=0)
        assert (bought.status_code, bought.json()["payment"]["status"]) == (201, "succeeded")
        assert (bought.json()["subscription"]["status"], standin.control.charges()) == ("active", [])
        assert customer.subscribe(price, key="k1", quoted_due=0).json() == bought.json()
        assert CreditGrant.objects.get().remaining == 451

    def test_needs_a_card_for_the_rest(self, standin: Standin) -> None:
        customer = Customer(standin)
        gift(customer.account, 1000, at=now())
        refused = customer.subscribe(PriceFactory.create(), quoted_due=549)
        assert (refused.status_code, refused.json()["code"]) == (409, "payment_method_required")
        assert (CreditGrant.objects.get().remaining, Invoice.objects.count()) == (1000, 0)

    def test_that_is_declined_leaves_the_credit_as_it_was(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card("4000000000000341")
        gift(customer.account, 1000, at=now())
        assert customer.subscribe(PriceFactory.create(), quoted_due=549).status_code == 402
        assert CreditGrant.objects.get().remaining == 1000
        assert balances() == {"cash:stripe_clearing": 1000, "gift_liability": -1000}


@pytest.mark.rule("4.4")
class TestChange:
    def test_that_costs_less_than_nothing_becomes_credit(self, standin: Standin) -> None:
        # 249.95 for May, 10.00 given back on the 2nd, then a switch to 9.95: Kill Bill's case.
        dear = priced(PlanFactory.create(name="Old"), 24995)
        cheap = priced(PlanFactory.create(name="New"), 995)
        with time_machine.travel("2026-05-01T12:00:00Z", tick=False):
            customer = Customer(standin)
            customer.save_card()
            customer.subscribe(dear, time_zone="UTC")
        with time_machine.travel("2026-05-02T12:00:00Z", tick=False):
            refunds.request(invoice_id=Invoice.objects.get().pk, amount=1000, reason="", by=ANNA, now=now())
            refunds.sweep(gateway=stripe_gateway.connect(), now=now())
            quote = customer.post("subscription/quotes", {"price": str(cheap.pk)}).json()
            assert ([line["amount"] for line in quote["lines"]], quote["total"]) == ([-23995, 963], -23032)
            changed = customer.post(f"subscription/quotes/{quote['id']}/accept", key=str(uuid4()))
        assert (changed.status_code, changed.json()["payment"]["status"]) == (200, "succeeded")
        assert Subscription.objects.get().price == cheap
        given = CreditGrant.objects.get()
        assert (given.kind, given.amount, given.remaining) == ("change", 23032, 23032)
        assert Invoice.objects.get(kind="change").status == "paid"
        assert (balances()["customer_credit"], balances().get("receivable:user")) == (-23032, None)
        # Nothing was given back to the card but what was asked for.
        assert [charge["amount_refunded"] for charge in standin.control.charges()] == [1000]

    def test_takes_credit_like_any_invoice(self, standin: Standin) -> None:
        low, high = priced(PlanFactory.create(), 1549), priced(PlanFactory.create(), 2299)
        customer = subscribed(standin, low)
        gift(customer.account, 400, at=APRIL)
        assert upgrade(customer, high, at=HALF).json()["payment"]["status"] == "succeeded"
        assert len(standin.control.charges()) == 1
        assert (CreditGrant.objects.get().remaining, Subscription.objects.get().price) == (25, high)


@pytest.mark.rule("4.12")
class TestRefund:
    def paid(self, due: Subscription, amount: int) -> Invoice:
        gift(due.account, amount)
        renew()
        return Invoice.objects.get()

    def test_of_what_a_gift_paid_is_a_gift_again(self, due: Subscription) -> None:
        invoice = self.paid(due, 2000)
        refund = refunds.request(invoice_id=invoice.pk, amount=500, reason="", by=ANNA, now=LATER)
        assert (refund.state, refund.attempt, refund.net, refund.tax) == ("succeeded", None, 459, 41)
        assert (CreditGrant.objects.get().remaining, CreditNote.objects.get().net) == (814, 459)
        assert balances()["gift_liability"] == -814
        assert "so it is your credit again" in mails.render(OutgoingEmail.objects.get()).body
        refunds.request(invoice_id=invoice.pk, amount=1186, reason="", by=ANNA, now=LATER)
        with pytest.raises(refunds.NotRefundable):
            refunds.request(invoice_id=invoice.pk, amount=1, reason="", by=ANNA, now=LATER)
        assert balances() == {"cash:stripe_clearing": 2000, "gift_liability": -2000}

    def test_goes_to_the_card_first(self, due: Subscription) -> None:
        invoice = self.paid(due, 314)
        to_card = refunds.request(invoice_id=invoice.pk, amount=1400, reason="", by=ANNA, now=LATER)
        assert (to_card.attempt, to_card.amount) == (PaymentAttempt.objects.get(), 1372)
        assert invoice.refunds.get(attempt=None).amount == 28
        assert (CreditGrant.objects.get().remaining, balances()["gift_liability"]) == (28, -28)

    def test_waits_for_a_second_person_as_a_whole(self, due: Subscription, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 1600
        invoice = self.paid(due, 314)
        refunds.request(invoice_id=invoice.pk, amount=1686, reason="", by=ANNA, now=LATER)
        assert set(invoice.refunds.values_list("state", flat=True)) == {"requested"}
        assert CreditGrant.objects.get().remaining == 0
        with pytest.raises(refunds.NotRefundable):
            refunds.request(invoice_id=invoice.pk, amount=1, reason="", by=ANNA, now=LATER)
        refunds.approve(refund_id=invoice.refunds.get(attempt=None).pk, by=BEN)
        refunds.sweep(gateway=stripe_gateway.connect(), now=LATER)
        assert CreditGrant.objects.get().remaining == 314

    def test_that_failed_goes_to_credit_with_the_credit_note_that_it_has(self, due: Subscription) -> None:
        """The card got all that it had paid meanwhile, so that the other try has credit alone to go to."""
        invoice = self.paid(due, 686)
        self.settle(first := self.ask(invoice, 400), RefundKind.SUCCEEDED)
        self.settle(first, RefundKind.FAILED)
        note = CreditNote.objects.get()
        self.settle(self.ask(invoice, 1000), RefundKind.SUCCEEDED)
        again = refunds.retry(refund_id=first.pk, by=ANNA, now=LATER)
        assert (again.state, again.attempt, again.amount) == ("succeeded", None, 400)
        assert list(Refund.objects.unanswered()) == []
        note.refresh_from_db()
        in_force = CreditNote.objects.filter(voided_at=None)
        assert (note.refund_id, sum(each.net + each.tax for each in in_force)) == (again.pk, 1400)
        assert (CreditGrant.objects.get().remaining, balances()["gift_liability"]) == (400, -400)

    def ask(self, invoice: Invoice, amount: int) -> Refund:
        return refunds.request(invoice_id=invoice.pk, amount=amount, reason="", by=ANNA, now=LATER)

    def settle(self, refund: Refund, kind: RefundKind) -> None:
        refunds.settle(refund_id=refund.pk, outcome=RefundOutcome(kind, f"re_{refund.pk}"), now=LATER)

    def test_of_what_was_charged_for_nothing_takes_the_credit_away(self, standin: Standin) -> None:
        attempt = self.charged_for_nothing(standin)
        assert (CreditGrant.objects.get().kind, left()) == ("overpaid", {"customer_credit": -1549})
        asked = refunds.request(invoice_id=attempt.invoice_id, amount=1549, reason="", by=ANNA, now=now())
        assert CreditGrant.objects.get().remaining == 0
        refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())
        assert (balances(), CreditNote.objects.count()) == ({}, 0)

    @pytest.mark.rule("4.13")
    @pytest.mark.parametrize("spent", [0, 600])
    def test_of_what_was_charged_for_nothing_by_the_bank_takes_the_credit_away(
        self, standin: Standin, spent: int
    ) -> None:
        attempt = self.charged_for_nothing(standin)
        (granted,) = CreditGrant.objects.all()
        granted.remaining -= spent
        granted.save()
        lost = DisputeState("dp_1", attempt.gateway_id, 1549, "USD", "fraudulent", "lost")
        disputes.record(found=lost, now=now())
        granted.refresh_from_db()
        assert granted.remaining == 0
        said = {account: amount for account, amount in {"bad_debt": spent, "customer_credit": -spent}.items() if amount}
        assert balances() == said

    def charged_for_nothing(self, standin: Standin) -> PaymentAttempt:
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        customer = Customer(standin)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        attempt = PaymentAttempt.objects.get()
        # The bank says no, then yes.
        settlement.settle({attempt.pk: ChargeOutcome(OutcomeKind.DECLINED, "", "lost_card")}, now=now())
        charged = ChargeOutcome(OutcomeKind.SUCCEEDED, standin.control.charges()[0]["payment_intent"])
        settlement.settle({attempt.pk: charged}, now=now())
        attempt.refresh_from_db()
        return attempt


class TestGoodwill:
    def ask(self, account: User, amount: int = 500) -> CreditGrant:
        return crediting.request_goodwill(
            account_id=account.pk, amount=amount, currency="USD", reason="long outage", by=ANNA, now=NOW
        )

    def test_counts_at_once_up_to_the_limit(self, due: Subscription) -> None:
        given = self.ask(due.account)
        assert (given.state, given.remaining, given.requested_by) == ("granted", 500, ANNA)
        assert balances() == {"promo": 500, "customer_credit": -500}

    def test_above_the_limit_counts_when_another_person_approves(self, due: Subscription) -> None:
        asked = self.ask(due.account, 5001)
        assert (asked.state, asked.remaining, balances()) == ("requested", 0, {})
        with pytest.raises(crediting.SecondPersonRequiredForCredit):
            crediting.approve(grant_id=asked.pk, by=ANNA, now=NOW)
        assert crediting.approve(grant_id=asked.pk, by=BEN, now=NOW).remaining == 5001
        with pytest.raises(crediting.CreditNotWaiting):
            crediting.refuse(grant_id=asked.pk)
        assert balances() == {"promo": 5001, "customer_credit": -5001}

    def test_that_is_refused_gives_nothing(self, due: Subscription) -> None:
        asked = self.ask(due.account, 5001)
        assert crediting.refuse(grant_id=asked.pk).state == "refused"
        assert (CreditGrant.objects.get().remaining, balances()) == (0, {})

    @pytest.mark.parametrize("amount", [0, -1])
    def test_is_a_positive_amount(self, due: Subscription, amount: int) -> None:
        with pytest.raises(crediting.CreditNotGrantable) as refusal:
            self.ask(due.account, amount)
        assert (refusal.value.code, CreditGrant.objects.count()) == ("credit_not_grantable", 0)

    def test_four_eyes_are_the_databases_rule_too(self, due: Subscription) -> None:
        asked = self.ask(due.account)
        with pytest.raises(IntegrityError, match="credit_grant_by_another"), transaction.atomic():
            CreditGrant.objects.filter(pk=asked.pk).update(approved_by=ANNA)


class TestBalance:
    @pytest.mark.parametrize("change", [{"remaining": -1}, {"remaining": 2001}, {"state": "refused"}])
    def test_cannot_be_spent_twice(self, due: Subscription, change: dict[str, Any]) -> None:
        given = gift(due.account, 2000)
        with pytest.raises(IntegrityError, match="credit_grant_"), transaction.atomic():
            CreditGrant.objects.filter(pk=given.pk).update(**change)

    def test_gives_nothing_twice_for_one_cause(self, due: Subscription) -> None:
        given = gift(due.account, 2000)
        with pytest.raises(IntegrityError, match="credit_grant_source_unique"), transaction.atomic():
            CreditGrant.objects.create(
                account=due.account,
                kind="gift",
                currency="USD",
                amount=1,
                remaining=1,
                source_key=given.source_key,
                requested_by="account:x",
                created_at=NOW,
            )


@pytest.mark.rule("4.18")
class TestBooks:
    @pytest.mark.parametrize("seed", range(6))
    def test_say_what_the_balances_say_whatever_happens(self, due: Subscription, seed: int) -> None:
        chance = random.Random(seed)
        outcomes = [None, ChargeOutcome(OutcomeKind.DECLINED, "", "insufficient_funds")]
        at = LATER
        for _ in range(12):
            match chance.randrange(4):
                case 0:
                    gift(due.account, chance.randrange(1, 3000), at=at)
                case 1:
                    crediting.request_goodwill(
                        account_id=due.account_id,
                        amount=chance.randrange(1, 900),
                        currency="USD",
                        reason="",
                        by=ANNA,
                        now=at,
                    )
                case 2:
                    invoice = Invoice.objects.filter(status="paid").order_by("?").first()
                    if invoice is not None and (back := crediting.returnable(invoice)) > 0 and not invoice.due:
                        refunds.request(invoice_id=invoice.pk, amount=min(back, 100), reason="", by=ANNA, now=at)
                case _:
                    due.refresh_from_db()
                    at = max(due.next_bill_at or at, at)
                    renew(at, chance.choice(outcomes))
            booked = balances()
            assert {name: booked.get(name, 0) for name in ("gift_liability", "customer_credit")} == {
                name: left().get(name, 0) for name in ("gift_liability", "customer_credit")
            }
            assert booked.get("gift_liability", 0) <= 0
            owed = sum(invoice.due for invoice in Invoice.objects.filter(status="open"))
            assert booked.get("receivable:user", 0) == owed
        assert not JournalEntry.objects.annotate(total=Sum("lines__amount")).exclude(total=0).exists()
