"""Refunds and disputes: money that goes back, never more than came."""

from __future__ import annotations

import pytest
import stripe

from local.standin.resources import disputes
from tests.local.standin.kit import Direct, Shop, error_of, eventually

FEE = 75
"""Of a charge of 1549: 2.9 % and 30."""


class TestARefund:
    def test_gives_back_parts_and_then_the_rest(self, shop: Shop) -> None:
        paid = shop.charge()
        part = shop.v1.refunds.create({"payment_intent": paid.id, "amount": 500, "reason": "requested_by_customer"})
        assert (part.status, part.amount, part.charge) == ("succeeded", 500, paid.latest_charge)
        charge = shop.v1.charges.retrieve(str(paid.latest_charge))
        assert (charge.amount_refunded, charge.refunded) == (500, False)
        rest = shop.v1.refunds.create({"charge": charge.id})
        assert rest.amount == 1049
        charge = shop.v1.charges.retrieve(charge.id)
        assert (charge.amount_refunded, charge.refunded) == (1549, True)
        assert shop.control.net() == {"usd": -FEE}
        assert [refund.id for refund in shop.v1.refunds.list({"payment_intent": paid.id}).data] == [rest.id, part.id]

    def test_is_never_more_than_is_left(self, shop: Shop) -> None:
        paid = shop.charge()
        shop.v1.refunds.create({"payment_intent": paid.id, "amount": 500})
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            shop.v1.refunds.create({"payment_intent": paid.id, "amount": 1050})
        assert refusal.value.param == "amount"
        shop.v1.refunds.create({"payment_intent": paid.id})
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            shop.v1.refunds.create({"payment_intent": paid.id})
        assert refusal.value.code == "charge_already_refunded"
        assert shop.control.net() == {"usd": -FEE}

    def test_needs_a_charge_that_was_paid(self, shop: Shop) -> None:
        with pytest.raises(stripe.CardError) as declined:
            shop.charge("pm_card_chargeDeclined")
        error = error_of(declined.value)
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            shop.v1.refunds.create({"charge": error["charge"]})
        assert refusal.value.param == "charge"
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            shop.v1.refunds.create({"payment_intent": error["payment_intent"]["id"]})
        assert refusal.value.param == "payment_intent"
        with pytest.raises(stripe.InvalidRequestError, match="One of the following"):
            shop.v1.refunds.create({"amount": 5})

    @pytest.mark.parametrize(
        ("name", "status", "event", "net", "refunded"),
        [
            ("pm_card_pendingRefund", "succeeded", "refund.updated", -FEE, 1549),
            ("pm_card_refundFail", "failed", "refund.failed", 1549 - FEE, 0),
        ],
    )
    def test_may_be_pending_first(
        self, shop: Shop, name: str, status: str, event: str, net: int, refunded: int
    ) -> None:
        paid = shop.charge(name)
        pending = shop.v1.refunds.create({"payment_intent": paid.id})
        assert pending.status == "pending"
        eventually(lambda: shop.v1.refunds.retrieve(pending.id).status, status)
        assert shop.control.net() == {"usd": net}
        assert shop.v1.charges.retrieve(str(paid.latest_charge)).amount_refunded == refunded
        assert shop.types()[-1] == event

    def test_that_failed_can_be_tried_again(self, shop: Shop) -> None:
        paid = shop.charge("pm_card_refundFail")
        failed = shop.v1.refunds.create({"payment_intent": paid.id})
        eventually(lambda: shop.v1.refunds.retrieve(failed.id).status, "failed")
        assert shop.v1.refunds.retrieve(failed.id).failure_reason == "expired_or_canceled_card"
        assert shop.v1.refunds.create({"payment_intent": paid.id}).amount == 1549


def the_dispute(shop: Shop) -> stripe.Dispute:
    """Answer the only dispute, once it is there."""
    eventually(lambda: len(shop.v1.disputes.list().data), 1)
    return shop.v1.disputes.list().data[0]


class TestADispute:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("pm_card_createDispute", "fraudulent"),
            ("pm_card_createDisputeProductNotReceived", "product_not_received"),
        ],
    )
    def test_follows_a_charge_of_its_card(self, shop: Shop, name: str, reason: str) -> None:
        paid = shop.charge(name)
        dispute = the_dispute(shop)
        assert (dispute.reason, dispute.status, dispute.amount) == (reason, "needs_response", 1549)
        assert (dispute.charge, dispute.payment_intent) == (paid.latest_charge, paid.id)
        assert not dispute.is_charge_refundable
        assert shop.v1.charges.retrieve(str(paid.latest_charge)).disputed
        # the charge's fee, and 15.00 for the dispute
        assert shop.control.net() == {"usd": -FEE - 1500}
        assert shop.types()[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            shop.v1.refunds.create({"payment_intent": paid.id})
        assert refusal.value.code == "charge_disputed"

    def test_may_be_an_inquiry_that_moves_no_money(self, shop: Shop) -> None:
        paid = shop.charge("pm_card_createDisputeInquiry")
        inquiry = the_dispute(shop)
        assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
        assert shop.control.net() == {"usd": 1549 - FEE}
        assert shop.v1.refunds.create({"payment_intent": paid.id}).status == "succeeded"
        shop.control.decide(inquiry.id, won=True)
        assert shop.v1.disputes.retrieve(inquiry.id).status == "warning_closed"
        assert shop.control.net() == {"usd": -FEE}

    @pytest.mark.parametrize(
        ("words", "status", "net"),
        [("winning_evidence", "won", 1549 - FEE - 1500), ("losing_evidence", "lost", -FEE - 1500)],
    )
    def test_is_decided_by_the_words_of_the_evidence(self, shop: Shop, words: str, status: str, net: int) -> None:
        shop.charge("pm_card_createDispute")
        dispute = the_dispute(shop)
        answered = shop.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": words}})
        assert (answered.status, answered.evidence_details.submission_count) == ("under_review", 1)
        eventually(lambda: shop.v1.disputes.retrieve(dispute.id).status, status)
        assert shop.control.net() == {"usd": net}
        with pytest.raises(stripe.InvalidRequestError, match=f"already {status}"):
            shop.v1.disputes.close(dispute.id)

    def test_keeps_evidence_that_is_not_submitted(self, shop: Shop) -> None:
        shop.charge("pm_card_createDispute")
        dispute = the_dispute(shop)
        kept = shop.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "x"}, "submit": False})
        assert (kept.status, kept.evidence.uncategorized_text) == ("needs_response", "x")

    def test_is_lost_when_it_is_accepted(self, shop: Shop) -> None:
        shop.charge("pm_card_createDispute")
        assert shop.v1.disputes.close(the_dispute(shop).id).status == "lost"
        assert shop.types()[-1] == "charge.dispute.closed"

    def test_takes_what_was_not_refunded(self, shop: Shop) -> None:
        paid = shop.charge(amount=1399)
        shop.v1.refunds.create({"payment_intent": paid.id, "amount": 500})
        dispute = shop.control.dispute(str(paid.latest_charge), "duplicate")
        assert (dispute["amount"], dispute["reason"]) == (899, "duplicate")
        shop.control.decide(dispute["id"], won=True)
        assert shop.v1.refunds.create({"payment_intent": paid.id}).amount == 899

    def test_needs_something_to_take(self, shop: Shop) -> None:
        paid = shop.charge()
        charge = str(paid.latest_charge)
        with pytest.raises(ValueError, match="Invalid reason"):
            shop.control.dispute(charge, "boredom")
        shop.v1.refunds.create({"charge": charge})
        with pytest.raises(ValueError, match="holds nothing"):
            shop.control.dispute(charge)
        other = str(shop.charge().latest_charge)
        shop.control.dispute(other)
        with pytest.raises(ValueError, match="disputed already"):
            shop.control.dispute(other)
        assert len(shop.v1.disputes.list().data) == 1

    def test_lapses_when_another_was_quicker(self, direct: Direct) -> None:
        charges = [direct.charge()["latest_charge"] for _ in range(2)]
        disputes.open_on(direct.world, charges[0])
        for charge in charges:
            direct.world.later("dispute:fraudulent", charge)
        direct.api.work_off()
        assert [dispute["charge"] for dispute in direct.get("disputes")["data"]] == charges[::-1]


class TestAnEarlyFraudWarning:
    def test_follows_a_charge_of_its_card(self, shop: Shop) -> None:
        paid = shop.charge("pm_card_createIssuerFraudRecord")
        eventually(lambda: len(shop.v1.radar.early_fraud_warnings.list({"payment_intent": paid.id}).data), 1)
        assert shop.types()[-1] == "radar.early_fraud_warning.created"

    def test_is_made_at_will(self, shop: Shop) -> None:
        paid = shop.charge()
        warning = shop.control.warn_of_fraud(str(paid.latest_charge))
        found = shop.v1.radar.early_fraud_warnings.retrieve(warning["id"])
        assert (found.charge, found.actionable) == (paid.latest_charge, True)
