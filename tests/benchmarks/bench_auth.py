"""What it costs to know who asks: requests a second over HTTP of one bare endpoint under gunicorn.

The same view answers everybody, so that an anonymous request passes the same middleware as one with a session
token. Warm: the principal is in Valkey. Cold: every request is the first of its session. The three take turns,
and the median of the rounds counts, since this machine may have other work. Then the accounts become a
million, and all of it is measured again. The last line is one JSON object:

ratio         warm to anonymous, in requests a second
cold_ratio    cold to anonymous
growth_ratio  what a request with a token costs beside an anonymous one, with a million accounts to with a
              thousand; the greater of warm and cold
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import paths
from local.throwaway import free_port, servers

FEW, MANY = 1_000, 1_000_000
ROUNDS = 7
REQUESTS = 1_000
CONNECTIONS = 4
KINDS = ("anonymous", "warm", "cold")


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    tokens = sign_up(FEW)
    with gunicorn() as port:
        few = measure(port, tokens)
        report(FEW, few)
        print(f"Adding accounts up to {MANY:,} ...")
        fill_up(MANY - FEW)
        many = measure(port, tokens)
        report(MANY, many)

    def cost(rates: dict[str, float], kind: str) -> float:
        return rates["anonymous"] / rates[kind]

    figures = {
        "anonymous_per_second": round(many["anonymous"]),
        "warm_per_second": round(many["warm"]),
        "cold_per_second": round(many["cold"]),
        "ratio": round(many["warm"] / many["anonymous"], 2),
        "cold_ratio": round(many["cold"] / many["anonymous"], 2),
        "growth_ratio": round(max(cost(many, kind) / cost(few, kind) for kind in ("warm", "cold")), 2),
    }
    print(json.dumps(figures))


def sign_up(count: int) -> list[str]:
    """Answer the tokens of new accounts, each with a profile and a device."""
    from accounts.models import Profile
    from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in

    profiles: list[Profile] = [ProfileFactory.create(account=AccountFactory.create()) for _ in range(count)]
    return [sign_in(profile.account, profile=profile) for profile in profiles]


def fill_up(count: int) -> None:
    """Add accounts that are signed in, with profiles and devices, and do nothing."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TEMP TABLE more AS SELECT gen_random_uuid() AS account, gen_random_uuid() AS profile,
                gen_random_uuid() AS device, md5(n::text) AS key, n FROM generate_series(1, %s) AS n
            """,
            [count],
        )
        cursor.execute(
            """
            INSERT INTO accounts_user (id, password, is_superuser, email, country, language, is_staff, is_active,
                suspension_reason, created_at)
            SELECT account, '', false, 'more' || n || '@example.com', 'DE', 'en', false, true, '', now() FROM more
            """
        )
        cursor.execute(
            """
            INSERT INTO django_session (session_key, session_data, expire_date)
            SELECT key, repeat('x', 300), now() + interval '30 days' FROM more
            """
        )
        cursor.execute(
            """
            INSERT INTO usersessions_usersession (created_at, ip, last_seen_at, session_key, user_agent, data, user_id)
            SELECT now(), '192.0.2.1', now(), key, 'more', '{}', account FROM more
            """
        )
        cursor.execute(
            """
            INSERT INTO accounts_device (id, kind, name, place, created_at, last_seen_at, account_id, session_id)
            SELECT device, 'phone', '', '', now(), now(), account, id
            FROM more JOIN usersessions_usersession ON session_key = key
            """
        )
        cursor.execute(_copy_profiles())
        cursor.execute(
            """
            INSERT INTO accounts_sessionprofile (session_id, profile_id, entered_at)
            SELECT id, profile, now() FROM more JOIN usersessions_usersession ON session_key = key
            """
        )
        cursor.execute("VACUUM ANALYZE")


def _copy_profiles() -> str:
    """Answer what makes a profile for each new account, like one that is there, whatever columns it has."""
    from accounts.models import Profile

    own = {"id": "more.profile", "account_id": "more.account"}
    columns = [str(field.column) for field in Profile._meta.concrete_fields]
    values = ", ".join(own.get(column, f"like_this.{column}") for column in columns)
    return (
        f"INSERT INTO accounts_profile ({', '.join(columns)}) "  # noqa: S608 - names of our own columns
        f"SELECT {values} FROM more, (SELECT * FROM accounts_profile LIMIT 1) AS like_this"
    )


@contextmanager
def gunicorn() -> Iterator[int]:
    """Run one worker as production does, and yield its port."""
    port = free_port()
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("gunicorn"),
            *("--bind", f"127.0.0.1:{port}", "--workers", "1", "--max-requests", "0", "--log-level", "warning"),
            "tests.benchmarks.auth_server:application",
        ],
        cwd=paths.ROOT,
        env=os.environ | {"LOG_LEVEL": "WARNING", "PYTHONPATH": f"{paths.ROOT}{os.pathsep}{paths.ROOT / 'platform'}"},
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "gunicorn ended"
                assert time.monotonic() < deadline, "gunicorn did not come up"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def measure(port: int, tokens: Sequence[str]) -> dict[str, float]:
    """Answer requests a second of each kind: the median of the rounds."""
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(ROUNDS + 1):
        for kind in KINDS:
            rate = _rate(port, kind, tokens)
            if number:  # the first round warms up
                rates[kind].append(rate)
    return {kind: statistics.median(found) for kind, found in rates.items()}


def report(accounts: int, rates: dict[str, float]) -> None:
    """Print what was measured."""
    print(f"{accounts:>9,} accounts: " + ", ".join(f"{kind} {rate:,.0f}/s" for kind, rate in rates.items()))


def _rate(port: int, kind: str, tokens: Sequence[str]) -> float:
    expected = b'{"is_signed_in":false}' if kind == "anonymous" else b'{"is_signed_in":true}'
    if kind == "cold":
        _forget()
    asked = [_request(None if kind == "anonymous" else tokens[n % len(tokens)]) for n in range(REQUESTS)]
    if kind == "warm":
        # One session each connection, as an app asks again and again.
        asked = [_request(tokens[n % CONNECTIONS]) for n in range(REQUESTS)]
        _send(port, asked[:CONNECTIONS], expected)
    parts = [asked[n::CONNECTIONS] for n in range(CONNECTIONS)]
    threads = [threading.Thread(target=_send, args=[port, part, expected]) for part in parts]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return REQUESTS / (time.perf_counter() - began)


def _request(token: str | None) -> bytes:
    header = f"X-Session-Token: {token}\r\n" if token else ""
    return f"GET /bare HTTP/1.1\r\nHost: localhost\r\n{header}\r\n".encode()


def _send(port: int, requests: Sequence[bytes], expected: bytes) -> None:
    # A bare socket: a real client would cost as much as the server, and hide the difference.
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for request in requests:
            connection.sendall(request)
            answer = b""
            while not answer.endswith(expected):
                more = connection.recv(65_536)
                if not more or (b"}" in more and not (answer + more).endswith(expected)):
                    raise AssertionError(f"unexpected answer: {(answer + more)[-200:]!r}")
                answer += more


def _forget() -> None:
    import redis
    from django.conf import settings

    client = redis.Redis.from_url(settings.REDIS_URL)
    if keys := client.keys("principal:*"):
        client.delete(*keys)


if __name__ == "__main__":
    with servers() as environment:
        os.environ.update(environment, DJANGO_SETTINGS_MODULE="config.settings")
        main()
