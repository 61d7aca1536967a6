"""A stand-in that is killed: for each idempotency key either nothing has happened or all of it."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from local.standin.store import OtherVersion, Store
from tests.local.standin.kit import Shop
from tests.standin import Standin

SHOPPERS = 6


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Answer a shop on a stand-in that keeps its state in a file."""
    standin = Standin(state=str(tmp_path / "stripe.sqlite3"), record=False)
    standin.start()
    yield Shop(standin)
    standin.close()


def kill(shop: Shop) -> None:
    shop.standin.stop(signal.SIGKILL)
    shop.standin.start()


class TestKilled:
    def test_between_requests_it_loses_nothing(self, shop: Shop) -> None:
        customer = shop.customer(email="a@example.com")
        method = str(shop.set_up(customer, "4000002500003155").payment_method)
        paid = shop.renew(customer, method, key="k")
        events = shop.types()
        shop.control.set_clock(1_900_000_000)
        kill(shop)
        assert shop.types() == events
        assert shop.control.now() == 1_900_000_000
        shop.control.set_clock(None)
        assert shop.renew(customer, method, key="k").id == paid.id
        assert len(shop.control.charges()) == 1
        # Set up is what the card still is.
        assert shop.renew(customer, method).status == "succeeded"

    def test_before_what_follows_by_itself_it_still_follows(self, shop: Shop) -> None:
        paid = shop.charge("pm_card_refundFail")
        refund = shop.v1.refunds.create({"payment_intent": paid.id})
        kill(shop)
        until = time.monotonic() + 10
        while shop.v1.refunds.retrieve(refund.id).status == "pending":
            assert time.monotonic() < until
        assert shop.v1.refunds.retrieve(refund.id).status == "failed"

    def test_under_load_each_key_has_all_of_its_effect_or_none(self, shop: Shop) -> None:
        answered: dict[str, str] = {}
        sent: set[str] = set()
        over = threading.Event()

        def buy(shopper: int) -> None:
            n = 0
            while not over.is_set():
                key = f"k{shopper}-{n}"
                sent.add(key)
                try:
                    answered[key] = shop.charge(key=key, metadata={"key": key}).id
                    n += 1
                except stripe.StripeError:
                    # Killed: the same key again, until it is answered.
                    time.sleep(0.02)

        shoppers = [threading.Thread(target=buy, args=(n,)) for n in range(SHOPPERS)]
        for thread in shoppers:
            thread.start()
        for _ in range(4):
            time.sleep(0.4)
            kill(shop)
        over.set()
        for thread in shoppers:
            thread.join()

        self.expect_whole_effects(shop, sent)
        for key in sent:
            again = shop.charge(key=key, metadata={"key": key})
            assert again.id == answered.get(key, again.id)
        charges = shop.control.charges()
        assert Counter(charge["metadata"]["key"] for charge in charges) == Counter(sent)
        self.expect_whole_effects(shop, sent)

    def expect_whole_effects(self, shop: Shop, sent: set[str]) -> None:
        """Each charge has its intent, its place in the books and its three events, and none has one without it."""
        charges = {charge["id"]: charge for charge in shop.control.charges()}
        keys = [charge["metadata"]["key"] for charge in charges.values()]
        assert len(set(keys)) == len(keys)
        assert set(keys) <= sent
        intents = {found.latest_charge for found in shop.v1.payment_intents.list({"limit": 100}).auto_paging_iter()}
        assert intents == set(charges)
        assert shop.control.net() == {"usd": len(charges) * (1549 - 75)}
        booked = {entry.source for entry in shop.v1.balance_transactions.list({"limit": 100}).auto_paging_iter()}
        assert booked == set(charges)
        types = ("payment_intent.created", "charge.succeeded", "payment_intent.succeeded")
        assert Counter(shop.types()) == Counter(dict.fromkeys(types, len(charges)))


class TestAStateFile:
    def test_of_another_version_is_not_touched(self, tmp_path: Path) -> None:
        path = tmp_path / "stripe.sqlite3"
        store = Store(str(path))
        store.write_note("kept", "yes")
        store.db.execute("PRAGMA user_version = 1")
        store.db.close()
        before = path.read_bytes()
        with pytest.raises(OtherVersion, match="delete it to begin anew"):
            Store(str(path))
        assert path.read_bytes() == before

    def test_of_another_version_ends_the_program_with_a_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "stripe.sqlite3"
        store = Store(str(path))
        store.db.execute("PRAGMA user_version = 1")
        store.db.close()
        standin = Standin(state=str(path), record=False)
        with (tmp_path / "log").open("w") as file, pytest.raises(AssertionError, match="did not start"):
            standin.start(output=file)
        standin.control.close()
        assert (tmp_path / "log").read_text() == (
            f"{path} was written by another version of the stand-in; delete it to begin anew.\n"
        )
