"""How many renewals a second: planned, invoiced, numbered, charged, settled and booked.

The gateway answers at once, inside this process. The floor is the same rows written by batched SQL alone, with
the same constraints, triggers and indexes. Durability is off in both, so this measures the work and not the
disk; on a machine that does other things besides, compare `renewals_per_cpu_second`, the renewals for each second
that this process computed. DUE says how many (20000), IDLE how many subscriptions are not due (100000). The last
line is one JSON object.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta

from local.throwaway import servers

DUE = int(os.environ.get("DUE", "20000"))
IDLE = int(os.environ.get("IDLE", "100000"))
DUE_AT = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)
LATER = DUE_AT + timedelta(minutes=1)
ENTITLEMENTS = 2_000


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    from billing.models import Invoice, Subscription
    from tests.factories.billing import PriceFactory

    call_command("migrate", verbosity=0)
    price = PriceFactory.create()

    alone, _ = _renewals_per_second(price, DUE // 2)
    print(f"{DUE // 2:,} due, nothing else:            {alone:,.0f} renewals/s")
    _fill(price, IDLE, due_at=DUE_AT + timedelta(days=20))
    beside, computed = _renewals_per_second(price, DUE)
    print(f"{DUE:,} due beside {IDLE:,} idle: {beside:,.0f} renewals/s")
    numbers = Invoice.objects.values_list("sequence", flat=True)
    missed = Subscription.objects.due(LATER).count()
    gaps = len(numbers) - len(set(numbers)) + max(n or 0 for n in numbers) - len(numbers)
    floor = _floor_per_second(DUE)
    print(f"floor, the same rows by SQL alone:    {floor:,.0f} renewals/s")
    p99 = _entitlement_p99_ms()
    print(f"entitlement, warm, 99th percentile:   {p99:.2f} ms")
    figures = {
        "per_second": round(beside),
        "renewals_per_cpu_second": round(computed),
        "floor_per_second": round(floor),
        "floor_ratio": round(beside / floor, 3),
        "idle_ratio": round(alone / beside, 2),
        "idle": IDLE,
        "entitlement_p99_ms": round(p99, 2),
        "missed": missed,
        "number_gaps": gaps,
    }
    print(json.dumps(figures))


def _fill(price: object, count: int, *, due_at: datetime) -> None:
    from django.db import connection

    from tests.factories.billing import make_due

    for start in range(0, count, 10_000):
        make_due(min(10_000, count - start), price=price, due_at=due_at)  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _renewals_per_second(price: object, count: int) -> tuple[float, float]:
    """Renew; answers renewals a second of the clock, and a second that this process computed."""
    from billing.services import renewals
    from tests.billing.instant import InstantGateway

    _fill(price, count, due_at=DUE_AT)
    gateway = InstantGateway()
    began, computed = time.perf_counter(), time.process_time()
    handled = renewals.run(gateway=gateway, clock=lambda: LATER, limit=count)
    took, computed = time.perf_counter() - began, time.process_time() - computed
    assert [each.outcome for each in handled] == ["succeeded"] * count
    assert len(gateway.charges) == count
    assert max(gateway.calls.values()) == 1
    return count / took, count / computed


def _floor_per_second(count: int) -> float:
    """Write again, as copies, the rows of `count` renewals in batches; answers renewals a second."""
    from django.db import connection, transaction

    from billing.services import renewals
    from tests.benchmarks.renewal_rows import copy_batch

    with connection.cursor() as cursor:
        cursor.execute("SELECT min(sequence) FROM billing_invoice WHERE status = 'paid'")
        (first,) = cursor.fetchone()
    began = time.perf_counter()
    for start in range(first, first + count, renewals.BATCH):
        with transaction.atomic():
            copy_batch(start, min(start + renewals.BATCH, first + count))
    return count / (time.perf_counter() - began)


def _entitlement_p99_ms() -> float:
    from billing import selectors
    from billing.models import Subscription

    accounts = list(Subscription.objects.values_list("account", flat=True)[:ENTITLEMENTS])
    times = []
    for account in [*accounts, *accounts]:
        began = time.perf_counter()
        selectors.entitlement(account_id=account, now=LATER)
        times.append(time.perf_counter() - began)
    warm = sorted(times[len(accounts) :])
    return warm[int(len(warm) * 0.99)] * 1000


if __name__ == "__main__":
    with servers() as environment:
        os.environ.update(environment, DJANGO_SETTINGS_MODULE="config.settings")
        main()
