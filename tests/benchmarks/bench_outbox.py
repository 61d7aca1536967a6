"""How many events a relay delivers in a second, beside what the database alone would allow.

The table holds a million delivered deliveries. The handler writes one row. The floor is the least that
delivers once: one transaction an event with that row and the receipt, in plain psycopg. Durability is off
in both, so this measures the work and not the disk. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import time

from local.throwaway import servers

DELIVERED = 1_000_000
PENDING = 10_000
LANES = 1_000


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    import psycopg
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from core import outbox
    from tests.core.outbox import backlog, probe

    print("Preparing a million delivered deliveries ...")
    call_command("migrate", verbosity=0)
    with probe.table():
        backlog.fill(delivered=DELIVERED, pending=0, lanes=LANES)

        began = time.perf_counter()
        for number in range(1_000):
            probe.publish(str(number), [number])
        published = 1_000 / (time.perf_counter() - began)
        outbox.relay(clock=lambda: probe.NOW)

        backlog.fill(delivered=0, pending=PENDING, lanes=LANES)
        began = time.perf_counter()
        report = outbox.relay(clock=lambda: probe.NOW)
        relayed = PENDING / (time.perf_counter() - began)
        assert (report.delivered, report.failed) == (PENDING, 0)

        began = time.perf_counter()
        outbox.relay(clock=lambda: probe.NOW)
        idle = time.perf_counter() - began

        backlog.fill(delivered=0, pending=PENDING, lanes=LANES)
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, occurred_at FROM core_outboxdelivery WHERE settled_at IS NULL")
            waiting = cursor.fetchall()
        address = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(settings.DATABASES["default"])
        with psycopg.connect(address, autocommit=True) as raw:
            began = time.perf_counter()
            for delivery_id, occurred_at in waiting:
                with raw.transaction():
                    raw.execute("INSERT INTO probe_effect (handler, lane, number) VALUES ('floor', 'a', 1)")
                    raw.execute(
                        "UPDATE core_outboxdelivery SET state = 'delivered', settled_at = now()"
                        " WHERE id = %s AND occurred_at = %s",
                        [delivery_id, occurred_at],
                    )
            floor = PENDING / (time.perf_counter() - began)

    print(f"publishing, one event of two handlers a transaction: {published:,.0f} events/s")
    print(f"one relay, {PENDING:,} events in {LANES:,} lanes:          {relayed:,.0f} events/s")
    print(f"floor, the same writes in plain psycopg:             {floor:,.0f} events/s")
    print(f"a relay that finds nothing among {DELIVERED:,}:      {idle * 1000:.1f} ms")
    figures = {
        "published_per_second": round(published),
        "relayed_per_second": round(relayed),
        "floor_per_second": round(floor),
        "share_of_floor": round(relayed / floor, 2),
        "idle_run_ms": round(idle * 1000, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    with servers() as environment:
        os.environ.update(environment, DJANGO_SETTINGS_MODULE="config.settings")
        main()
