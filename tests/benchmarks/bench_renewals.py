"""How many renewals a second: planned, invoiced, numbered, charged, settled and booked.

The gateway answers at once, inside this process, in which WORKERS workers run as threads. The floor is the same rows
written by batched SQL alone, with the same constraints, triggers and indexes. Durability is off in both, so this
measures the work and not the disk; on a machine that does other things besides, compare `renewals_per_cpu_second`,
the renewals for each second that this process computed.

Then over HTTP, against the stand-in: the share of the allowed rate that one worker reaches while each call takes
300 ms, and what is charged twice or not at all while two workers are killed at random.

DUE (100000) says how many are due, IDLE (5000000) how many are not, CALLS (12) how many seconds of charges the rates
are measured with, KILLED (1000) how many are renewed by workers that die. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from local.throwaway import servers
from tests import standin as standins

DUE = int(os.environ.get("DUE", "100000"))
IDLE = int(os.environ.get("IDLE", "5000000"))
WORKERS = int(os.environ.get("WORKERS", "2"))
CALLS = int(os.environ.get("CALLS", "12"))
KILLED = int(os.environ.get("KILLED", "1000"))
RATES = (25, 100)
DUE_AT = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)
LATER = DUE_AT + timedelta(minutes=1)
ENTITLEMENTS = 5_000


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    from tests.factories.billing import PriceFactory

    call_command("migrate", verbosity=0)
    price = PriceFactory.create()
    figures: dict[str, float] = {"due": DUE, "idle": IDLE, "workers": WORKERS}
    _measure_work(price, figures)
    _measure_gateway(price, figures)
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


def _measure_work(price: object, figures: dict[str, float]) -> None:
    from django.db.models import Count, Max

    from billing.models import Invoice, Subscription
    from tests.benchmarks.renewal_fill import Filler

    filler = Filler(price)  # type: ignore[arg-type]
    filler.fill(min(DUE, 2_000), due_at=DUE_AT)
    _renewals_per_second(min(DUE, 2_000))
    filler.fill(DUE // 2, due_at=DUE_AT)
    alone, _ = _renewals_per_second(DUE // 2)
    print(f"{DUE // 2:,} due, nothing else: {alone:,.0f} renewals/s")
    filler.fill(IDLE, due_at=DUE_AT + timedelta(days=20))
    filler.fill(DUE, due_at=DUE_AT)
    beside, computed = _renewals_per_second(DUE)
    print(f"{DUE:,} due beside {IDLE:,} idle: {beside:,.0f} renewals/s")
    numbers = Invoice.objects.aggregate(count=Count("sequence"), last=Max("sequence"))
    floor = _floor_per_second(min(DUE, 20_000))
    print(f"floor, the same rows by SQL alone: {floor:,.0f} renewals/s")
    p99 = _entitlement_p99_ms()
    print(f"entitlement among {IDLE + DUE:,} accounts, warm, 99th percentile: {p99:.2f} ms")
    figures |= {
        "per_second": round(beside),
        "renewals_per_cpu_second": round(computed),
        "floor_per_second": round(floor),
        "floor_ratio": beside / floor,
        "idle_ratio": alone / beside,
        "entitlement_p99_ms": p99,
        "left_due": Subscription.objects.due(LATER).count(),
        "number_gaps": numbers["last"] - numbers["count"],
    }


def _renewals_per_second(count: int) -> tuple[float, float]:
    """Renew; answers renewals a second of the clock, and a second that this process computed."""
    from django.db import connections

    from billing.services import renewals
    from tests.billing.instant import InstantGateway

    gateway = InstantGateway()

    def work(_: int) -> list[str]:
        try:
            handled = renewals.run(gateway=gateway, clock=lambda: LATER, limit=count)
        finally:
            connections.close_all()
        return [each.outcome for each in handled]

    began, computed = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = [outcome for done in pool.map(work, range(WORKERS)) for outcome in done]
    took, computed = time.perf_counter() - began, time.process_time() - computed
    assert outcomes == ["succeeded"] * count
    assert len(gateway.charges) == count
    assert max(gateway.calls.values()) == 1
    return count / took, count / computed


def _floor_per_second(count: int) -> float:
    """Write again, as copies, the rows of `count` renewals in batches; answers renewals a second."""
    from django.db import connection, transaction

    from billing.services.renewals.running import BATCH
    from tests.benchmarks.renewal_rows import copy_batch

    with connection.cursor() as cursor:
        cursor.execute("SELECT min(sequence) FROM billing_invoice WHERE status = 'paid'")
        (first,) = cursor.fetchone()
    began = time.perf_counter()
    for start in range(first, first + count, BATCH):
        with transaction.atomic():
            copy_batch(start, min(start + BATCH, first + count))
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


def _measure_gateway(price: object, figures: dict[str, float]) -> None:
    from django.conf import settings

    from tests.benchmarks import renewal_gateway as gateways

    with standins.running(record=False) as standin:
        settings.STRIPE_API_BASE = os.environ["STRIPE_API_BASE"] = standin.url
        os.environ["STRIPE_CHARGES_PER_SECOND"] = "50"
        for day, rate in enumerate(RATES, 2):
            known = gateways.customers(standin, rate * CALLS)
            standin.control.fault("latency", seconds=gateways.LATENCY, path="/v1/payment_intents", times=0)
            share = gateways.efficiency(known, rate, price=price, due_at=DUE_AT.replace(day=day))
            standin.control.clear()
            print(f"{rate} charges/s allowed, {gateways.LATENCY * 1000:.0f} ms each: {share:.3f} of it reached")
            figures[f"gateway_efficiency_{rate}"] = share
        figures["gateway_efficiency"] = min(figures[f"gateway_efficiency_{rate}"] for rate in RATES)
        told = gateways.renewed_while_killed(standin, KILLED, price=price, due_at=DUE_AT.replace(day=9))
        print(f"workers killed {told['kills']} times: {told['expected']} due, {told['charges']} charges")
        figures |= {"kills": told["kills"], "double_charges": told["double"], "missed": told["missed"]}


if __name__ == "__main__":
    with servers() as environment:
        os.environ.update(environment, DJANGO_SETTINGS_MODULE="config.settings")
        main()
