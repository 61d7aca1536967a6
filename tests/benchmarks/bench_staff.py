"""How long the billing dashboard and the lists that staff open take, with a million subscriptions and a month of payments.

SUBSCRIPTIONS (1000000) says how many there are; one in twenty is past due or on hold, one in a thousand parked.
Each was invoiced and charged once in the last 30 days, and one charge in twelve was declined. `cold` is the first
answer after the fill, `warm` the median of five. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from local.throwaway import servers

SUBSCRIPTIONS = int(os.environ.get("SUBSCRIPTIONS", "1000000"))
ROUNDS = 5
PLANS = os.environ.get("PLANS", "")
"""Anything: print how PostgreSQL goes about each statement of the dashboard."""
LISTS = ("subscription", "parkedsubscription", "invoice", "paymentattempt", "paymentmethod", "refund", "dispute")
EMPTY = {"refund", "dispute"}


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse

    from billing.models import Invoice
    from billing.selectors import figures as found
    from core.clock import now
    from tests.factories.accounts import StaffFactory

    call_command("migrate", verbosity=0)
    _fill()
    client = Client()
    client.force_login(StaffFactory.create(is_superuser=True))

    def page(name: str, **asked: str) -> Callable[[], None]:
        def ask() -> None:
            answer = client.get(reverse(f"admin:billing_{name}_changelist"), asked)
            assert answer.status_code == 200
            assert b"/change/" in answer.content or name in EMPTY

        return ask

    asked: dict[str, Callable[[], object]] = {"dashboard": lambda: found.figures(now=now())}
    asked |= {name: page(name) for name in LISTS}
    asked["invoice_by_address"] = page("invoice", q="500@example.com")
    asked["invoice_by_number"] = page("invoice", q=str(Invoice.objects.get(sequence=500).number))
    asked["subscriptions_on_hold"] = page("subscription", status__exact="on_hold")
    figures: dict[str, float] = {"subscriptions": SUBSCRIPTIONS}
    for name, ask in asked.items():
        took = [_seconds(ask) for _ in range(1 + ROUNDS)]
        figures |= {f"{name}_cold_ms": took[0] * 1000, f"{name}_warm_ms": statistics.median(took[1:]) * 1000}
        print(f"{name:<24} cold {took[0] * 1000:>8,.0f} ms, warm {statistics.median(took[1:]) * 1000:>8,.0f} ms")
    if PLANS:
        _explain()
    print(json.dumps({name: round(figure) for name, figure in figures.items()}))


def _seconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _fill() -> None:
    from django.db import connection, transaction

    from billing.models import Invoice, PaymentAttempt
    from billing.services import renewals
    from core.clock import now
    from tests.benchmarks.renewal_fill import Filler
    from tests.billing.instant import InstantGateway
    from tests.factories.billing import PriceFactory, make_due

    due = now() - timedelta(days=1)
    price = PriceFactory.create()
    make_due(1, price=price, due_at=due)
    renewals.run(gateway=InstantGateway(), clock=lambda: due, limit=1)
    invoice, attempt = Invoice.objects.get(), PaymentAttempt.objects.get()
    filler = Filler(price)
    filler.fill(SUBSCRIPTIONS, due_at=now() + timedelta(days=1))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name, pattern, values in (
            ("billing_invoice", invoice.pk, _INVOICE),
            ("billing_paymentattempt", attempt.pk, _ATTEMPT),
        ):
            columns = [str(field.column) for field in (Invoice if "invoice" in name else PaymentAttempt)._meta.fields]
            chosen = ", ".join(values.get(column, f'"{column}"') for column in columns)
            cursor.execute(
                f"INSERT INTO {name} ({', '.join(columns)}) "  # noqa: S608 - names are our own
                f"SELECT {chosen} FROM {name}, generate_series(1, %s) AS i WHERE id = %s",
                [SUBSCRIPTIONS, pattern],
            )
        cursor.execute(_STATES)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


_KEY = "('01990000-0000-7{kind}00-8000-' || lpad(to_hex(i), 12, '0'))::uuid"
_AT = "(now() - i * interval '30 days' / {count})"
# Keys in the order of time, as ours are.
_SORTED = "(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7{kind}00a000' || lpad(to_hex(i), 12, '0'))::uuid"
_WHEN = _AT.format(count=SUBSCRIPTIONS)
_INVOICE = {
    "id": _SORTED.format(at=_WHEN, kind=4),
    "account_id": _KEY.format(kind=1),
    "subscription_id": _KEY.format(kind=3),
    "period_id": "-i",
    "sequence": "i + 1",
    "number": "left(number, 9) || lpad((i + 1)::text, 7, '0')",
    "created_at": _WHEN,
    "finalised_at": _WHEN,
    "paid_at": _WHEN,
}
_ATTEMPT = {
    "id": _SORTED.format(at=_WHEN, kind=5),
    "invoice_id": _SORTED.format(at=_WHEN, kind=4),
    "payment_method_id": _KEY.format(kind=2),
    "idempotency_key": "'att_b' || i",
    "gateway_id": "'pi_b' || i",
    "state": "CASE WHEN i %% 12 = 0 THEN 'failed' ELSE 'succeeded' END",
    "decline_code": "CASE WHEN i %% 12 = 0 THEN (ARRAY['insufficient_funds', 'generic_decline', 'expired_card'])[1 + i / 12 %% 3] ELSE '' END",
    "created_at": _WHEN,
    "sent_at": _WHEN,
    "settled_at": _WHEN,
}
_STATES = """
UPDATE billing_subscription SET
    status = CASE WHEN hashtext(id::text) % 40 = 0 THEN 'past_due' ELSE 'on_hold' END,
    first_failed_at = now() - abs(hashtext(id::text)) % 14 * interval '1 day'
WHERE hashtext(id::text) % 20 = 0;
UPDATE billing_subscription SET parked_at = now(), parked_reason = 'dispute_open' WHERE hashtext(id::text) % 1000 = 1;
"""


def _explain() -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from billing.selectors import figures as found
    from core.clock import now

    with CaptureQueriesContext(connection) as queries:
        found.figures(now=now())
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            cursor.execute("EXPLAIN (ANALYZE, BUFFERS) " + query["sql"])
            print(query["sql"], *(line for (line,) in cursor.fetchall()), sep="\n", end="\n\n")


if __name__ == "__main__":
    with servers() as environment:
        os.environ.update(environment, DJANGO_SETTINGS_MODULE="config.settings")
        main()
