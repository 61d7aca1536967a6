"""How many requests a second the stand-in for Stripe serves, empty and with many PaymentIntents in its file.

A renewal is one request: a PaymentIntent made and confirmed for a saved card, with an idempotency key.
The load comes from threads of this process and other programs run too, so the time that a processor spends
on a request (`..._cpu_ms`) says more surely than the rate whether the stand-in stays flat. The last line is
one JSON object.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import psutil

from tests.local.standin.kit import Shop
from tests.local.standin.receiver import receiving
from tests.standin import SECRET_KEY, Standin

INTENTS = 200_000
SECONDS = 5.0
THREADS = 16

Ask = tuple[str, str, str]
"""Method, path with query, body."""


def main() -> None:
    """Print the figures."""
    figures: dict[str, float] = {"intents": INTENTS}
    with tempfile.TemporaryDirectory() as folder, receiving() as receiver:
        state = Path(folder) / "stripe.sqlite3"
        standin = Standin(state=str(state), record=False)
        standin.start()
        shop = Shop(standin)
        customer = shop.customer()
        method = shop.attach(customer)
        _measure(standin, customer, method, figures, "empty")
        standin.stop()
        print(f"Filling it up to {INTENTS} PaymentIntents ...")
        _fill(state)
        standin.start()
        _measure(standin, customer, method, figures, "full")

        shop.control.fault("latency", seconds=0.3, times=0)
        figures["renewals_at_300_ms_with_200_in_flight"] = _rate(standin, _renewals(customer, method), threads=200)
        shop.control.clear()

        receiver.seconds = 0.3
        shop.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
        figures["renewals_while_webhooks_take_300_ms"] = _rate(standin, _renewals(customer, method))
        arrived, began = len(receiver.arrivals), time.monotonic()
        time.sleep(SECONDS)
        figures["webhooks_at_300_ms"] = (len(receiver.arrivals) - arrived) / (time.monotonic() - began)
        standin.close()
    print(json.dumps({name: round(figure, 2) for name, figure in figures.items()}))


def _measure(standin: Standin, customer: str, method: str, figures: dict[str, float], when: str) -> None:
    recent = urlencode({"customer": customer, "created[gte]": int(time.time()) - 60, "limit": 10})
    events = urlencode({"types[0]": "payment_intent.succeeded", "types[1]": "refund.failed", "limit": 10})
    asks: dict[str, Callable[[], Ask]] = {
        "renewals": _renewals(customer, method),
        "reads": lambda: ("GET", f"/v1/payment_methods/{method}", ""),
        "intents_of_a_customer": lambda: ("GET", f"/v1/payment_intents?{recent}", ""),
        "events_by_type": lambda: ("GET", f"/v1/events?{events}", ""),
    }
    for name, ask in asks.items():
        process = psutil.Process(standin.process.pid)
        before = process.cpu_times()
        began = time.monotonic()
        rate = _rate(standin, ask)
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        cpu_ms = 1000 * spent / (rate * (time.monotonic() - began))
        figures |= {f"{name}_{when}": rate, f"{name}_{when}_cpu_ms": cpu_ms}
        print(f"{name}, {when}: {rate:.0f} a second, {cpu_ms:.2f} ms of a processor each")


def _renewals(customer: str, method: str) -> Callable[[], Ask]:
    params = {
        "amount": 1549,
        "currency": "usd",
        "customer": customer,
        "payment_method": method,
        "confirm": "true",
        "off_session": "true",
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
    }
    numbers = count()
    return lambda: ("POST", "/v1/payment_intents", urlencode(params | {"metadata[attempt]": next(numbers)}))


def _rate(standin: Standin, ask: Callable[[], Ask], *, threads: int = THREADS) -> float:
    """Answer how many requests a second are answered with success."""
    over = threading.Event()
    keys = count()
    run = time.monotonic_ns()

    def send(_: int) -> int:
        connection = HTTPConnection("127.0.0.1", standin.port, timeout=60)
        done = 0
        while not over.is_set():
            method, path, body = ask()
            headers = {"Authorization": f"Bearer {SECRET_KEY}"}
            if method == "POST":
                headers |= {
                    "Idempotency-Key": f"{run}-{next(keys)}",
                    "Content-Type": "application/x-www-form-urlencoded",
                }
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, said
            done += 1
        connection.close()
        return done

    with ThreadPoolExecutor(threads) as pool:
        began = time.monotonic()
        counts = [pool.submit(send, number) for number in range(threads)]
        time.sleep(SECONDS)
        over.set()
        done = sum(counted.result() for counted in counts)
        return done / (time.monotonic() - began)


def _fill(state: Path) -> None:
    """Copy one renewal, all its objects and its idempotency key, under other ids and for other customers."""
    database = sqlite3.connect(state)
    (intent,) = database.execute("SELECT id FROM object WHERE kind = 'payment_intent' LIMIT 1").fetchone()
    (charge,) = database.execute("SELECT id FROM object WHERE parent = ?", (intent,)).fetchone()
    rows = database.execute(
        "SELECT id, kind, customer, parent, created, body FROM object WHERE id IN (?, ?) OR parent = ?"
        " OR (kind = 'event' AND json_extract(body, '$.data.object.id') IN (?, ?))",
        (intent, charge, charge, intent, charge),
    ).fetchall()
    ids = [row[0] for row in rows] + [rows[0][2]]
    template = json.dumps(rows)
    (key,) = database.execute("SELECT key FROM idempotency LIMIT 1").fetchone()
    with database:
        for number in range(INTENTS):
            copied = template
            for position, known in enumerate(ids):
                copied = copied.replace(known, f"{known.split('_')[0]}_{position:04x}{number:020x}")
            database.executemany(
                "INSERT INTO object (id, kind, customer, parent, created, body) VALUES (?, ?, ?, ?, ?, ?)",
                json.loads(copied),
            )
            database.execute(
                "INSERT INTO idempotency SELECT ?, route, fingerprint, status, body, at FROM idempotency WHERE key = ?",
                (f"copy-{number}", key),
            )
    database.close()


if __name__ == "__main__":
    main()
