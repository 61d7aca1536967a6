"""Lists: newest first, filtered, in pages, and as quick in a full stand-in as in an empty one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.standin.kit import Direct, Shop

AT = 1_800_000_000


def ids(listed: dict[str, Any]) -> list[str]:
    return [entry["id"] for entry in listed["data"]]


@pytest.fixture
def customers(direct: Direct) -> list[str]:
    """Make seven customers, one a minute; answer them newest first."""
    made = []
    for n in range(7):
        direct.world.set_clock(AT + 60 * n)
        made.append(direct.post("customers", email=f"c{n % 2}@example.com")["id"])
    return made[::-1]


class TestAPage:
    def test_is_ten_long_unless_told_otherwise(self, direct: Direct) -> None:
        made = [direct.post("customers")["id"] for _ in range(11)][::-1]
        page = direct.get("customers")
        assert (page["object"], page["url"], page["has_more"], ids(page)) == ("list", "/v1/customers", True, made[:10])

    def test_follows_a_cursor_forwards_to_the_end(self, direct: Direct, customers: list[str]) -> None:
        first = direct.get("customers", limit=3)
        second = direct.get("customers", limit=3, starting_after=ids(first)[-1])
        third = direct.get("customers", limit=3, starting_after=ids(second)[-1])
        assert [*ids(first), *ids(second), *ids(third)] == customers
        assert [page["has_more"] for page in (first, second, third)] == [True, True, False]

    def test_follows_a_cursor_backwards_to_the_start(self, direct: Direct, customers: list[str]) -> None:
        before = direct.get("customers", limit=3, ending_before=customers[4])
        assert (ids(before), before["has_more"]) == (customers[1:4], True)
        start = direct.get("customers", limit=3, ending_before=customers[1])
        assert (ids(start), start["has_more"]) == (customers[:1], False)

    def test_has_no_more_when_it_ends_with_the_list(self, direct: Direct, customers: list[str]) -> None:
        page = direct.get("customers", limit=7)
        assert (ids(page), page["has_more"]) == (customers, False)

    @pytest.mark.parametrize("limit", [0, 101, -1, "x", ""])
    def test_has_1_to_100_entries(self, direct: Direct, limit: object) -> None:
        assert direct.get("customers", limit=limit)["error"]["param"] == "limit"

    def test_needs_a_cursor_that_exists(self, direct: Direct, customers: list[str]) -> None:
        error = direct.get("customers", starting_after="cus_unknown")["error"]
        assert (error["code"], error["param"]) == ("resource_missing", "starting_after")
        both = direct.get("customers", starting_after=customers[0], ending_before=customers[1])
        assert "only specify one" in both["error"]["message"]

    def test_is_by_time_of_creation_even_when_the_clock_was_set_back(self, direct: Direct) -> None:
        made = {}
        for at in (AT, AT - 100, AT + 100):
            direct.world.set_clock(at)
            made[at] = direct.post("customers")["id"]
        assert ids(direct.get("customers")) == [made[AT + 100], made[AT], made[AT - 100]]
        assert ids(direct.get("customers", starting_after=made[AT])) == [made[AT - 100]]

    def test_is_walked_by_the_library_in_both_directions(self, shop: Shop) -> None:
        made = [shop.customer() for _ in range(25)]
        assert [found.id for found in shop.v1.customers.list().auto_paging_iter()] == made[::-1]
        backwards = shop.v1.customers.list({"ending_before": made[0], "limit": 7}).auto_paging_iter()
        assert [found.id for found in backwards] == made[1:]


class TestFilters:
    @pytest.mark.parametrize(
        ("created", "found"),
        [
            ({"gt": AT + 60}, 5),
            ({"gte": AT + 60}, 6),
            ({"lt": AT + 60}, 1),
            ({"lte": AT + 60}, 2),
            ({"gte": AT + 60, "lt": AT + 180}, 2),
            (AT + 120, 1),
        ],
    )
    @pytest.mark.usefixtures("customers")
    def test_by_time(self, direct: Direct, created: object, found: int) -> None:
        assert len(direct.get("customers", created=created)["data"]) == found

    @pytest.mark.parametrize("created", [{"after": 1}, {"gt": "x"}, "yesterday", ["1"]])
    def test_by_a_time_that_is_none_are_refused(self, direct: Direct, created: object) -> None:
        assert direct.get("customers", created=created)["error"]["param"].startswith("created")

    def test_of_customers_by_address(self, direct: Direct, customers: list[str]) -> None:
        assert ids(direct.get("customers", email="c1@example.com")) == customers[1::2]
        direct.post(f"customers/{customers[1]}", email="new@example.com")
        assert ids(direct.get("customers", email="new@example.com")) == [customers[1]]
        assert customers[1] not in ids(direct.get("customers", email="c1@example.com"))

    def test_of_intents_by_customer_and_time(self, direct: Direct) -> None:
        mine, other = (direct.post("customers")["id"] for _ in range(2))
        direct.world.set_clock(AT)
        old = direct.charge(customer=mine)["id"]
        direct.world.set_clock(AT + 10)
        new, _ = direct.charge(customer=mine)["id"], direct.charge(customer=other)
        assert ids(direct.get("payment_intents", customer=mine)) == [new, old]
        assert ids(direct.get("payment_intents", customer=mine, created={"gt": AT})) == [new]
        assert len(direct.get("charges", customer=mine)["data"]) == 2
        assert len(direct.get("charges", payment_intent=new)["data"]) == 1

    def test_of_events_by_types(self, direct: Direct) -> None:
        intent = direct.charge()
        direct.post("refunds", payment_intent=intent["id"])
        by_type = {event["type"]: event["id"] for event in direct.get("events")["data"]}
        wanted = ["refund.created", "charge.succeeded"]
        assert ids(direct.get("events", types=wanted)) == [by_type[name] for name in wanted]
        assert ids(direct.get("events", type="charge.refunded")) == [by_type["charge.refunded"]]
        page = direct.get("events", types=wanted, limit=1)
        assert (ids(page), page["has_more"]) == ([by_type["refund.created"]], True)
        after = direct.get("events", types=wanted, limit=1, starting_after=ids(page)[0])
        assert (ids(after), after["has_more"]) == ([by_type["charge.succeeded"]], False)
        assert {entry["type"] for entry in direct.get("events", type="charge.*")["data"]} == {
            "charge.succeeded",
            "charge.refunded",
        }

    def test_of_balance_transactions(self, direct: Direct) -> None:
        direct.charge(currency="eur")
        intent = direct.charge()
        refund = direct.post("refunds", payment_intent=intent["id"])
        assert [entry["amount"] for entry in direct.get("balance_transactions", currency="eur")["data"]] == [1549]
        assert [entry["amount"] for entry in direct.get("balance_transactions", type="refund")["data"]] == [-1549]
        assert ids(direct.get("balance_transactions", source=refund["id"])) == [refund["balance_transaction"]]

    def test_of_setup_intents_by_card(self, direct: Direct) -> None:
        method = direct.post("payment_methods", type="card", card={"token": "tok_visa"})["id"]
        made = direct.post("setup_intents", payment_method=method)["id"]
        direct.post("setup_intents")
        assert ids(direct.get("setup_intents", payment_method=method)) == [made]

    def test_of_payment_methods_by_customer(self, direct: Direct) -> None:
        customer = direct.post("customers")["id"]
        method = direct.post("payment_methods/pm_card_visa/attach", customer=customer)["id"]
        direct.post("payment_methods", type="card", card={"token": "tok_visa"})
        for path in (f"customers/{customer}/payment_methods", "payment_methods"):
            assert ids(direct.get(path, **({} if "/" in path else {"customer": customer}), type="card")) == [method]
        assert direct.get(f"customers/{customer}/payment_methods", type="sepa_debit")["data"] == []


class TestQueries:
    """SQLite's own account of how it would answer: by an index whose order is the list's."""

    @pytest.mark.parametrize(
        ("filters", "index"),
        [
            ({}, "object_kind"),
            ({"created": {">=": AT}}, "object_kind"),
            ({"customer": "cus_1"}, "object_customer"),
            ({"customer": "cus_1", "created": {">=": AT}}, "object_customer"),
            ({"parents": ["pi_1"]}, "object_parent"),
            (
                {"parents": ["charge.refunded", "refund.failed"], "created": {">": AT}},
                "object_parent",
            ),
        ],
    )
    @pytest.mark.parametrize("cursor", [{}, {"after": "x_1"}, {"before": "x_1"}])
    def test_read_no_more_than_their_page(
        self, direct: Direct, filters: dict[str, Any], index: str, cursor: dict[str, Any]
    ) -> None:
        asked: list[str] = []
        direct.world.store.db.set_trace_callback(asked.append)
        direct.world.store.page("kind", limit=10, **filters, **cursor)
        direct.world.store.db.set_trace_callback(None)
        (query,) = asked
        plan = [row[3] for row in direct.world.store.db.execute(f"EXPLAIN QUERY PLAN {query}")]
        reads = [step for step in plan if step.startswith("SEARCH object") and "autoindex" not in step]
        assert len(reads) == max(1, len(filters.get("parents", [])))
        assert all(f"USING INDEX {index} " in step for step in reads)
        # What is sorted is the pages that were found, never the table.
        for position, step in enumerate(plan):
            assert not step.startswith("SCAN object")
            assert "TEMP B-TREE" not in step or plan[position - 1].startswith("SCAN (subquery")
