"""The invariants of a simulation: each holds on what billing makes, and each sees what breaks it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from billing.models import PaymentAttempt, TieOut
from billing.services import recognition, renewals, subscriptions
from core.idempotency import RequestKey
from local.simulation.invariants import Invariants
from tests.billing.instant import InstantGateway
from tests.factories.billing import PaymentCustomerFactory, PaymentMethodFactory, PriceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.23")]

BOUGHT = datetime(2025, 12, 31, 10, 30, tzinfo=UTC)
DUE = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)
NOW = DUE + timedelta(days=30)

# What breaks an invariant, in SQL, and its words. Constraints and triggers would refuse most of it.
BREAKS = (
    (
        "UPDATE billing_period SET start = start + interval '1 hour' WHERE index = 1",
        "periods begin and end where the anchor says",
    ),
    ("UPDATE billing_period SET start = start + interval '1 day' WHERE index = 2", "without gap or overlap"),
    ("UPDATE billing_period SET cycle = 7 WHERE index = 1", "without gap or overlap"),
    ("UPDATE billing_invoiceline SET amount = amount + 1", "lines make the total"),
    (
        "UPDATE billing_invoice SET status = 'void', paid_at = NULL, kind = 'change', period_id = NULL",
        "one invoice that is not void",
    ),
    ("UPDATE billing_invoice SET credit_applied = 1", "an invoice is charged once, and what is due of it"),
    ("UPDATE billing_paymentattempt SET state = 'sent', settled_at = NULL", "an attempt has its outcome"),
    ("UPDATE billing_paymentattempt SET state = 'failed'", "is in the gateway's books"),
    ("UPDATE billing_subscription SET paid_through = now() - interval '1 year'", "nothing that was due is missed"),
    ("UPDATE billing_subscription SET next_bill_at = '2026-01-01'", "nothing that was due is missed"),
    ("UPDATE billing_subscription SET parked_at = now(), parked_reason = 'x'", "nobody is parked"),
    (
        "UPDATE billing_subscription SET status = 'canceled', ended_at = '2026-01-02', next_bill_at = NULL",
        "no period begins after the end",
    ),
    ("UPDATE billing_subscription SET cancel_at = '2026-01-31 10:30+00'", "no period begins after the end"),
    (
        "UPDATE billing_subscription SET status = 'past_due', first_failed_at = '2026-01-31'",
        "grace and hold end in time",
    ),
    (
        (
            "INSERT INTO billing_subscriptiontransition (subscription_id, from_status, to_status, at, by, reason)"
            " SELECT id, '', 'canceled', now(), 'x', 'x' FROM billing_subscription UNION ALL"
            " SELECT id, 'canceled', 'active', now(), 'x', 'x' FROM billing_subscription"
        ),
        "states follow the state machine",
    ),
    (
        (
            "INSERT INTO billing_trial (account_id, subscription_id, card_digest, started_at, ends_at)"
            " SELECT account_id, id, '', created_at, '2026-02-15' FROM billing_subscription"
        ),
        "a trial ends when it was to end, and nothing of it is billed",
    ),
    ("UPDATE billing_numberseries SET last = last + 1", "numbers are contiguous"),
    ("UPDATE billing_invoice SET sequence = sequence + 100", "numbers are contiguous"),
    ("UPDATE billing_journalline SET amount = amount + 1", "entries sum to zero"),
    ("DELETE FROM billing_journalline WHERE account = 'receivable:user'", "entries sum to zero"),
    ("DELETE FROM billing_journalentry WHERE kind = 'payment'", "receivables are the open invoices"),
    ("UPDATE billing_revenueschedule SET amount = amount + 100", "deferred revenue is the unserved days"),
    (
        (
            "INSERT INTO billing_creditgrant (id, account_id, kind, state, currency, amount, remaining, source_key,"
            " reason, requested_by, approved_by, created_at)"
            " SELECT id, id, 'goodwill', 'granted', 'USD', 5, 5, id, '', 'x', '', now() FROM accounts_user"
        ),
        "gifts and credit owed are the balances",
    ),
    (
        (
            "INSERT INTO billing_webhookevent (event_id, type, payload, livemode, status, tries, note, received_at,"
            " next_try_at) VALUES ('e', 't', '{}', false, 'parked', 1, '', now(), now())"
        ),
        "every event is applied",
    ),
)


@pytest.fixture
def charges() -> list[dict[str, Any]]:
    """Sell two subscriptions and renew them twice; answers the gateway's books."""
    price, gateway = PriceFactory.create(), InstantGateway()
    for _ in range(2):
        account = PaymentCustomerFactory.create().account
        PaymentMethodFactory.create(account=account)
        subscriptions.subscribe(
            account_id=account.pk,
            price_id=price.pk,
            quoted_amount=price.amount,
            country="US",
            billing_tz="UTC",
            request_key=RequestKey.of(account_id=account.pk, operation="buy", key="1", body=None),
            gateway=gateway,
            now=BOUGHT,
            by="x",
        )
    for months in (0, 1):
        now = DUE + timedelta(days=28 * months)
        renewals.run(gateway=gateway, clock=lambda now=now: now, limit=9)  # type: ignore[misc] # bound now
    recognition.recognise_due(now=NOW)
    return [
        {
            "id": key,
            "amount": params["amount"],
            "currency": params["currency"],
            "metadata": params["metadata"],
            "created": int(PaymentAttempt.objects.get(idempotency_key=key).created_at.timestamp()),
            "amount_refunded": 0,
        }
        for key, params in gateway.charges.items()
    ]


def broken(charges: list[dict[str, Any]], *reports: TieOut) -> set[str]:
    checked = Invariants(now=NOW, charges=charges, reports=reports, named=(0, ()), entitlements=(0, ())).findings()
    assert len(checked) == 27
    return {finding.name for finding in checked if finding.broken}


class TestInvariants:
    def test_hold_on_what_billing_makes(self, charges: list[dict[str, Any]]) -> None:
        assert broken(charges) == set()

    @pytest.mark.parametrize(("statement", "name"), BREAKS)
    def test_see_what_breaks_them(self, charges: list[dict[str, Any]], statement: str, name: str) -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
                cursor.execute(statement)
            found = broken(charges)
            transaction.set_rollback(True)
        assert any(name in each for each in found), found

    def test_see_what_the_gateway_did(self, charges: list[dict[str, Any]]) -> None:
        first, *others = charges
        assert "an invoice is charged once, and what is due of it" in broken([*charges, first])
        assert "a payment that succeeded is in the gateway's books" in broken(others)
        assert "a subscription is charged once a day" in broken([each | {"created": 0} for each in charges])
        assert "refunds are not above what was captured" in broken([first | {"amount_refunded": 10**6}, *others])

    def test_see_books_that_do_not_tie_out(self, charges: list[dict[str, Any]]) -> None:
        named = [{"what": "not in our books", "amount": 7}, {"what": "not at the gateway", "amount": 6}]
        for day, net, details, ties_out in (
            (NOW.date(), 0, [], True),
            (NOW.date(), 1, [], False),
            (NOW.date(), 1, named, False),
            (DUE.date(), 1, named, True),
            (DUE.date(), 2, named, False),
        ):
            report = TieOut(day=day, currency="USD", gateway_net=net, ledger_net=0, details=details, made_at=NOW)
            last = TieOut(day=NOW.date(), currency="JPY", gateway_net=0, ledger_net=0, details=[], made_at=NOW)
            found = broken(charges, report, last)
            assert ("clearing ties out with the gateway every day" not in found) is ties_out, (day, net, details)
