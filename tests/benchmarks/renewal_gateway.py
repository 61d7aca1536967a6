"""Renewals over HTTP against the stand-in: how much of the allowed rate one worker reaches, and workers killed.

`python -m tests.benchmarks.renewal_gateway INSTANT` is such a worker: it renews what is due at that time.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import django

from local import paths
from tests.standin import SECRET_KEY, Standin

LATENCY = 0.3
"""Seconds that the gateway takes for a call."""
KILL_EVERY = (2.5, 4.5)
"""Seconds between two kills; a worker takes more than one to start."""


def customers(standin: Standin, count: int) -> list[tuple[str, str]]:
    """Answer customers at the stand-in with their cards."""
    from tests.local.standin.kit import Shop

    shop = Shop(standin)

    def make(_: int) -> tuple[str, str]:
        customer = shop.customer()
        return customer, shop.attach(customer)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(make, range(count)))


def make_due_at_standin(known: list[tuple[str, str]], *, price: object, due_at: datetime) -> None:
    """Make due subscriptions whose customers and cards the stand-in knows."""
    from billing.models import PaymentCustomer, PaymentMethod
    from tests.factories.billing import make_due

    due = make_due(len(known), price=price, due_at=due_at)  # type: ignore[arg-type]
    for subscription, (customer, method) in zip(due, known, strict=True):
        PaymentCustomer.objects.filter(account=subscription.account_id).update(gateway_id=customer)
        PaymentMethod.objects.filter(account=subscription.account_id).update(gateway_id=method)


def efficiency(known: list[tuple[str, str]], rate: int, *, price: object, due_at: datetime) -> float:
    """Answer the share of an allowed rate that one run reaches, its beginning and its end included."""
    from django.conf import settings

    from billing import stripe_gateway
    from billing.services import renewals

    settings.STRIPE_CHARGES_PER_SECOND = float(rate)
    settings.STRIPE_REQUESTS_PER_SECOND = float(max(rate, 100))
    make_due_at_standin(known, price=price, due_at=due_at)
    began = time.perf_counter()
    handled = renewals.run(
        gateway=stripe_gateway.connect(), clock=lambda: due_at + timedelta(minutes=1), limit=len(known)
    )
    took = time.perf_counter() - began
    outcomes = Counter((each.outcome, each.reason) for each in handled)
    assert outcomes == {("succeeded", ""): len(known)}, outcomes
    return len(known) / took / rate


def renewed_while_killed(standin: Standin, count: int, *, price: object, due_at: datetime) -> Counter[str]:
    """Renew with two workers that are killed at random; answers what the stand-in's books say of it."""
    from billing import stripe_gateway
    from billing.models import Invoice, Subscription
    from billing.services import payments, renewals

    standin.control.reset()
    known = customers(standin, count)
    make_due_at_standin(known, price=price, due_at=due_at)
    now = due_at + timedelta(minutes=1)
    chance = random.Random(7)
    kills = 0
    workers = [_worker(now) for _ in range(2)]
    while Subscription.objects.due(now).exists():
        time.sleep(chance.uniform(*KILL_EVERY))
        victim = chance.randrange(2)
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].wait()
        workers[victim] = _worker(now)
        kills += 1
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    gateway = stripe_gateway.connect()
    for minutes in (2, 4, 6, 8):
        while payments.sweep(gateway=gateway, now=now + timedelta(minutes=minutes)).replayed:
            pass
    renewals.run(gateway=gateway, clock=lambda: now + timedelta(hours=2), limit=len(known))
    charged = Counter(charge["metadata"]["invoice"] for charge in standin.control.charges())
    wanted = {str(key) for key in Invoice.objects.filter(period__start=due_at).values_list("pk", flat=True)}
    return Counter(
        kills=kills,
        expected=len(known),
        charges=charged.total(),
        double=sum(count - 1 for count in charged.values()),
        missed=len(known) - len(wanted & charged.keys()),
    )


def _worker(now: datetime) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.renewal_gateway", now.isoformat()],
        cwd=paths.ROOT,
        env=os.environ | {"PYTHONPATH": "platform"},
        stderr=subprocess.DEVNULL,
    )


def main() -> None:
    """Renew until killed."""
    django.setup()
    from billing import stripe_gateway
    from billing.services import renewals

    now = datetime.fromisoformat(sys.argv[1])
    while True:
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: now, limit=100_000)
        time.sleep(0.1)


if __name__ == "__main__":
    assert os.environ["STRIPE_SECRET_KEY"] == SECRET_KEY
    main()
