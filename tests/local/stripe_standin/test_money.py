"""Refunds, disputes and the balance: every movement of money is written down, and only once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stripe_standin.money import processing_fee
from tests.local.stripe_standin.shop import Shop, details, refused

DAY = 86_400


def entries(shop: Shop, **filters: str) -> list[dict[str, Any]]:
    """Answer balance transactions, oldest first."""
    found: list[dict[str, Any]] = shop.ask("GET", "/v1/balance_transactions", {"limit": "100", **filters}).json()[
        "data"
    ]
    return found[::-1]


class TestCharges:
    def test_bring_their_amount_less_a_fee(self, shop: Shop) -> None:
        charge = shop.paid(amount=1549)
        (entry,) = entries(shop)
        assert (entry["type"], entry["source"], entry["amount"]) == ("charge", charge, 1549)
        assert (entry["fee"], entry["net"]) == (75, 1474)
        assert [detail["amount"] for detail in entry["fee_details"]] == [75]

    @pytest.mark.parametrize(
        ("amount", "currency", "fee"), [(1549, "usd", 75), (1000, "eur", 59), (1590, "jpy", 46), (50, "usd", 31)]
    )
    def test_have_fees_rounded_half_up(self, amount: int, currency: str, fee: int) -> None:
        assert processing_fee(amount, currency) == fee

    def test_are_available_after_two_days(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        shop.paid(amount=1549)
        shop.control.advance(2 * DAY - 1)
        assert (entries(shop)[0]["status"], balance(shop, "pending"), balance(shop, "available")) == (
            "pending",
            1474,
            0,
        )
        shop.control.advance(1)
        assert (entries(shop)[0]["status"], balance(shop, "pending"), balance(shop, "available")) == (
            "available",
            0,
            1474,
        )

    def test_keep_a_balance_in_each_currency(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.charge(customer, card, 1000)
        shop.charge(customer, card, 1590, currency="jpy")
        assert shop.control.net() == {"usd": 941, "jpy": 1544}
        assert [entry["currency"] for entry in entries(shop, currency="jpy")] == ["jpy"]


def balance(shop: Shop, kind: str) -> int:
    found = shop.ask("GET", "/v1/balance").json()[kind]
    return sum(entry["amount"] for entry in found if entry["currency"] == "usd")


class TestRefund:
    def test_returns_everything_unless_told_otherwise(self, shop: Shop) -> None:
        charge = shop.paid()
        refund = shop.stripe.refunds.create({"charge": charge})
        assert (refund.amount, refund.status) == (1549, "succeeded")
        refunded = shop.stripe.charges.retrieve(charge)
        assert (refunded.amount_refunded, refunded.refunded) == (1549, True)
        assert shop.control.net() == {"usd": -75}
        entry = entries(shop, type="refund")
        assert [(found["amount"], found["fee"], found["source"]) for found in entry] == [(-1549, 0, refund.id)]
        assert refund.balance_transaction == entry[0]["id"]

    def test_is_never_above_what_is_left(self, shop: Shop) -> None:
        charge = shop.paid(amount=1399)
        shop.stripe.refunds.create({"charge": charge, "amount": 500})
        error = refused(lambda: shop.stripe.refunds.create({"charge": charge, "amount": 900}))
        assert (error.http_status, details(error)["param"]) == (400, "amount")
        assert "($8.99)" in details(error)["message"]
        assert shop.stripe.refunds.create({"charge": charge}).amount == 899
        assert (
            refused(lambda: shop.stripe.refunds.create({"charge": charge, "amount": 1})).code
            == "charge_already_refunded"
        )
        assert shop.stripe.charges.retrieve(charge).amount_refunded == 1399
        assert len(shop.stripe.refunds.list({"charge": charge}).data) == 2

    def test_finds_the_charge_of_an_intent(self, shop: Shop) -> None:
        intent = shop.charge(*shop.customer_with())
        refund = shop.stripe.refunds.create({"payment_intent": intent.id, "metadata": {"credit_note": "7"}})
        assert (refund.charge, refund.payment_intent) == (intent.latest_charge, intent.id)
        assert [found.id for found in shop.stripe.refunds.list({"payment_intent": intent.id}).data] == [refund.id]

    def test_of_an_unpaid_intent_is_refused(self, shop: Shop) -> None:
        intent = shop.stripe.payment_intents.create({"amount": 1549, "currency": "usd"})
        assert refused(lambda: shop.stripe.refunds.create({"payment_intent": intent.id})).http_status == 400

    def test_of_a_declined_charge_is_refused(self, shop: Shop) -> None:
        customer, card = shop.customer_with("4000000000000341")
        charge = details(refused(lambda: shop.charge(customer, card)))["charge"]
        assert refused(lambda: shop.stripe.refunds.create({"charge": charge})).http_status == 400
        assert shop.control.net() == {}

    def test_may_be_pending_first(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        charge = shop.paid("4000000000007726")
        refund = shop.stripe.refunds.create({"charge": charge})
        assert (refund.status, shop.control.run_jobs()) == ("pending", 0)
        shop.control.advance(300)
        assert shop.stripe.refunds.retrieve(refund.id).status == "succeeded"
        (event,) = shop.stripe.events.list({"type": "refund.updated"}).data
        assert event.created == 1_800_000_300
        assert shop.control.net() == {"usd": -75}

    def test_may_fail_later_and_be_made_again(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        charge = shop.paid("4000000000005126")
        refund = shop.stripe.refunds.create({"charge": charge})
        assert refund.status == "succeeded"
        shop.control.advance(300)
        failed = shop.stripe.refunds.retrieve(refund.id)
        assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
        assert shop.stripe.charges.retrieve(charge).amount_refunded == 0
        assert [event.type for event in shop.stripe.events.list({"type": "refund.failed"}).data] == ["refund.failed"]
        assert shop.control.net() == {"usd": 1474}
        assert shop.stripe.refunds.create({"charge": charge}).amount == 1549

    def test_to_a_card_cannot_be_canceled(self, shop: Shop) -> None:
        refund = shop.stripe.refunds.create({"charge": shop.paid("4000000000007726")})
        assert refused(lambda: shop.stripe.refunds.cancel(refund.id)).http_status == 400
        assert shop.stripe.refunds.retrieve(refund.id).status == "pending"


class TestDispute:
    def test_takes_the_money_and_a_fee(self, shop: Shop) -> None:
        charge = shop.paid("4000000000000259")
        shop.control.run_jobs()
        (dispute,) = shop.stripe.disputes.list({"charge": charge}).data
        assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 1549)
        assert shop.stripe.charges.retrieve(charge).disputed is True
        assert shop.control.net() == {"usd": 1474 - 1549 - 1500}
        assert [event.type for event in shop.stripe.events.list({"type": "charge.dispute.*"}).data] == [
            "charge.dispute.funds_withdrawn",
            "charge.dispute.created",
        ]

    def test_gives_its_reason(self, shop: Shop) -> None:
        shop.paid("4000000000002685")
        shop.control.run_jobs()
        assert [found.reason for found in shop.stripe.disputes.list().data] == ["product_not_received"]

    def test_blocks_refunds(self, shop: Shop) -> None:
        charge = shop.paid()
        dispute = shop.control.dispute(charge)
        assert refused(lambda: shop.stripe.refunds.create({"charge": charge})).code == "charge_disputed"
        shop.control.decide(dispute["id"], won=False)
        assert refused(lambda: shop.stripe.refunds.create({"charge": charge})).code == "charge_disputed"
        assert shop.stripe.refunds.list().data == []

    def test_takes_only_what_was_not_refunded(self, shop: Shop) -> None:
        charge = shop.paid(amount=1399)
        shop.stripe.refunds.create({"charge": charge, "amount": 500})
        assert shop.control.dispute(charge)["amount"] == 899
        with pytest.raises(ValueError, match="left to dispute"):
            shop.control.dispute(charge)

    def test_returns_everything_when_won(self, shop: Shop) -> None:
        charge = shop.paid()
        dispute = shop.control.dispute(charge)
        assert shop.control.decide(dispute["id"], won=True)["status"] == "won"
        assert shop.control.net() == {"usd": 1474}
        assert [event.type for event in shop.stripe.events.list({"limit": 2}).data] == [
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated",
        ]
        assert shop.stripe.refunds.create({"charge": charge}).amount == 1549

    def test_is_decided_once(self, shop: Shop) -> None:
        dispute = shop.control.dispute(shop.paid())["id"]
        shop.control.decide(dispute, won=True)
        assert shop.control.decide(dispute, won=False)["status"] == "won"
        assert shop.control.net() == {"usd": 1474}

    @pytest.mark.parametrize(
        ("evidence", "status", "net"), [("winning_evidence", "won", 1474), ("losing_evidence", "lost", -1575)]
    )
    def test_is_decided_by_magic_evidence(self, shop: Shop, evidence: str, status: str, net: int) -> None:
        dispute = shop.control.dispute(shop.paid())["id"]
        answered = shop.stripe.disputes.update(dispute, {"evidence": {"uncategorized_text": evidence}})
        assert (answered.status, answered.evidence_details.submission_count) == ("under_review", 1)
        assert refused(lambda: shop.stripe.disputes.close(dispute)).http_status == 400
        shop.control.advance(300)
        assert shop.stripe.disputes.retrieve(dispute).status == status
        assert shop.control.net() == {"usd": net}

    def test_can_be_prepared_before_it_is_answered(self, shop: Shop) -> None:
        dispute = shop.control.dispute(shop.paid())["id"]
        staged = shop.stripe.disputes.update(dispute, {"evidence": {"product_description": "Films"}, "submit": False})
        assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)

    def test_is_lost_by_silence(self, shop: Shop) -> None:
        dispute = shop.control.dispute(shop.paid())
        shop.control.set_clock(dispute["evidence_details"]["due_by"])
        assert shop.stripe.disputes.retrieve(dispute["id"]).status == "lost"

    def test_can_be_accepted(self, shop: Shop) -> None:
        dispute = shop.control.dispute(shop.paid())["id"]
        assert shop.stripe.disputes.close(dispute).status == "lost"
        assert shop.control.net() == {"usd": -1575}


class TestInquiry:
    def test_moves_no_money_and_allows_refunds(self, shop: Shop) -> None:
        charge = shop.paid("4000000000001976")
        shop.control.run_jobs()
        (inquiry,) = shop.stripe.disputes.list().data
        assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
        assert shop.control.net() == {"usd": 1474}
        assert shop.stripe.refunds.create({"charge": charge}).amount == 1549

    def test_can_become_a_dispute(self, shop: Shop) -> None:
        inquiry = shop.control.dispute(shop.paid(), inquiry=True)["id"]
        assert shop.control.decide(inquiry, won=False)["status"] == "needs_response"
        assert shop.control.net() == {"usd": -1575}

    def test_closes_by_itself(self, shop: Shop) -> None:
        inquiry = shop.control.dispute(shop.paid(), inquiry=True)
        shop.control.set_clock(inquiry["evidence_details"]["due_by"])
        assert shop.stripe.disputes.retrieve(inquiry["id"]).status == "warning_closed"
        assert shop.control.net() == {"usd": 1474}


class TestEarlyFraudWarning:
    def test_names_the_charge_until_it_is_refunded(self, shop: Shop) -> None:
        charge = shop.paid("4000000000005423")
        shop.control.run_jobs()
        (warning,) = shop.stripe.radar.early_fraud_warnings.list({"charge": charge}).data
        assert warning.actionable is True
        shop.stripe.refunds.create({"charge": charge})
        assert shop.stripe.radar.early_fraud_warnings.retrieve(warning.id).actionable is False

    def test_can_be_made(self, shop: Shop) -> None:
        charge = shop.paid()
        assert shop.control.warn_of_fraud(charge)["charge"] == charge


NUMBERS = [
    "4242424242424242",
    "4000000000000341",
    "4000000000000259",
    "4000000000001976",
    "4000000000007726",
    "4000000000005126",
]
steps = st.lists(
    st.tuples(
        st.sampled_from(["charge", "refund", "dispute", "win", "lose", "wait"]),
        st.integers(0, 5),
        st.integers(50, 5000),
    ),
    max_size=25,
)


class TestBooks:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=steps)
    def test_balance_whatever_happens(self, shop: Shop, steps: list[tuple[str, int, int]]) -> None:
        """The balance is what charges brought, less refunds that lasted, lost disputes and fees."""
        shop.control.reset()
        shop.control.set_clock(1_800_000_000)
        customer = shop.stripe.customers.create().id
        cards = [shop.save_card(customer, number) for number in NUMBERS]
        for step, which, amount in steps:
            charges, disputes = shop.control.charges(), shop.stripe.disputes.list({"limit": 100}).data
            match step:
                case "charge":
                    shop.ask("POST", "/v1/payment_intents", {
                        "amount": amount, "currency": "usd", "customer": customer, "payment_method": cards[which],
                        "confirm": "true", "off_session": "true", "automatic_payment_methods[enabled]": "true",
                        "automatic_payment_methods[allow_redirects]": "never",
                    })  # fmt: skip
                case "refund" if charges:
                    shop.ask("POST", "/v1/refunds", {"charge": charges[which % len(charges)]["id"], "amount": amount})
                case "dispute" if charges:
                    charge = charges[which % len(charges)]
                    if charge["amount_refunded"] < charge["amount"] and not charge["disputed"]:
                        shop.control.dispute(charge["id"], inquiry=amount % 3 == 0)
                case "win" | "lose" if disputes:
                    shop.control.decide(disputes[which % len(disputes)].id, won=step == "win")
                case "wait":
                    shop.control.advance(amount)
        charges = shop.control.charges()
        booked = list(shop.stripe.balance_transactions.list({"limit": 100}).auto_paging_iter())
        refunds = [entry for entry in shop.stripe.refunds.list({"limit": 100}).data if entry.status != "failed"]
        held = [
            entry
            for entry in shop.stripe.disputes.list({"limit": 100}).data
            if entry.status in {"needs_response", "lost"}
        ]
        fees = sum(processing_fee(charge["amount"], "usd") for charge in charges) + 1500 * len(held)
        expected = (
            sum(charge["amount"] for charge in charges)
            - sum(refund.amount for refund in refunds)
            - sum(dispute.amount for dispute in held)
            - fees
        )
        assert shop.control.net().get("usd", 0) == expected
        assert sum(entry.net for entry in booked) == expected
        assert all(entry.net == entry.amount - entry.fee for entry in booked)
        assert balance(shop, "available") + balance(shop, "pending") == expected
        for charge in charges:
            of_charge = [refund.amount for refund in refunds if refund.charge == charge["id"]]
            assert charge["amount_refunded"] == sum(of_charge) <= charge["amount_captured"]
