"""Any sequence of charges, refunds and disputes keeps the books true."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Named
from hypothesis.stateful import RuleBasedStateMachine, consumes, invariant, multiple, rule

from local.standin.resources import disputes
from local.standin.wire import StripeError
from tests.local.standin.kit import Direct

NAMES = ["pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail", "pm_card_createDispute",
         "pm_card_createDisputeInquiry", "pm_card_chargeDeclined"]  # fmt: skip


class Books(RuleBasedStateMachine):
    """Keeps its own account of what was asked and answered, and compares."""

    charges = Named("charges")
    disputes = Named("disputes")

    def __init__(self) -> None:
        super().__init__()
        self.direct = Direct()
        self.keys = 0

    @rule(target=charges, name=st.sampled_from(NAMES), amount=st.integers(50, 10_000))
    def charge(self, name: str, amount: int) -> Any:
        made = self.direct.charge(name, amount=amount)
        return multiple() if "error" in made else made["latest_charge"]

    @rule(charge=charges, amount=st.none() | st.integers(1, 10_000))
    def refund(self, charge: str, amount: int | None) -> None:
        self.direct.post("refunds", charge=charge, **({} if amount is None else {"amount": amount}))

    @rule(charge=charges, amount=st.integers(1, 10_000), times=st.integers(2, 3))
    def refund_again_with_one_key(self, charge: str, amount: int, times: int) -> None:
        self.keys += 1
        answers = [
            self.direct.send("POST", "/v1/refunds", {"charge": charge, "amount": amount}, key=f"k{self.keys}")
            for _ in range(times)
        ]
        assert len({answer.body for answer in answers if answer.status == 200}) <= 1

    @rule(target=disputes, charge=charges, reason=st.sampled_from(["fraudulent", "inquiry"]))
    def dispute(self, charge: str, reason: str) -> Any:
        try:
            return disputes.open_on(self.direct.world, charge, reason=reason)["id"]
        except StripeError:
            return multiple()

    @rule(dispute=consumes(disputes), won=st.booleans())
    def decide(self, dispute: str, won: bool) -> None:
        disputes.decide(self.direct.world, dispute, won=won)

    @invariant()
    def never_gives_back_more_than_was_taken(self) -> None:
        store = self.direct.world.store
        returned: Counter[str] = Counter()
        for refund in store.everything("refund"):
            if refund["status"] in {"pending", "succeeded"}:
                returned[refund["charge"]] += refund["amount"]
        withdrawn: Counter[str] = Counter()
        for dispute in store.everything("dispute"):
            if dispute["status"] in {"needs_response", "under_review", "lost"}:
                withdrawn[dispute["charge"]] += dispute["amount"]
        for charge in store.everything("charge"):
            assert charge["amount_refunded"] == returned[charge["id"]]
            assert returned[charge["id"]] + withdrawn[charge["id"]] <= charge["amount_captured"]

    @invariant()
    def balances(self) -> None:
        store = self.direct.world.store
        entries = store.everything("balance_transaction")
        taken = sum(charge["amount_captured"] for charge in store.everything("charge"))
        refunded = sum(refund["amount"] for refund in store.everything("refund") if refund["status"] != "failed")
        withdrawn = sum(
            dispute["amount"]
            for dispute in store.everything("dispute")
            if dispute["status"] in {"needs_response", "under_review", "lost"}
        )
        assert sum(entry["amount"] for entry in entries) == taken - refunded - withdrawn
        net = sum(entry["net"] for entry in entries)
        assert net == taken - refunded - withdrawn - sum(entry["fee"] for entry in entries)
        assert sum(entry["amount"] for entry in self.direct.get("balance")["pending"]) == net


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
