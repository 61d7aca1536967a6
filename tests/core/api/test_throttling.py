"""Limits of requests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.db import connections
from pytest_django import Settings
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from accounts.models import User
from core.api import throttling
from local.throwaway import free_port
from tests.core.api.test_problems import SAMPLE, problem
from tests.factories.accounts import AccountFactory, sign_in

pytestmark = pytest.mark.django_db

FREE = f"{SAMPLE}/versions/1"
LIMITED = f"{SAMPLE}/limited"


@pytest.fixture(autouse=True)
def _fresh_counts(settings: Settings) -> Iterator[None]:
    server = redis.Redis.from_url(settings.REDIS_URL)
    yield
    for key in server.scan_iter("throttle*"):
        server.delete(key)
    server.close()


@pytest.fixture
def limit(settings: Settings) -> Any:
    """Sets the rates: `limit(anon="2/minute")`."""

    def set_rates(**rates: str | None) -> None:
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}

    return set_rates


def statuses(client: APIClient, url: str, times: int, **extra: Any) -> list[int]:
    """Answer the statuses of requests one after the other."""
    return [client.get(url, **extra).status_code for _ in range(times)]


class TestLimit:
    def test_refuses_one_too_many_and_says_when_to_come_back(self, anybody: APIClient, limit: Any) -> None:
        limit(anon="3/minute")
        assert statuses(anybody, FREE, 3) == [200] * 3
        answer = anybody.get(FREE)
        members = problem(answer, 429, "throttled")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert members["retry_after"] == int(answer.headers["Retry-After"])

    def test_is_each_address_its_own_and_one_for_a_network_of_ipv6(self, anybody: APIClient, limit: Any) -> None:
        limit(anon="1/minute")
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
            assert statuses(anybody, FREE, 2, REMOTE_ADDR=address) == [200, 429], address
        assert statuses(anybody, FREE, 1, REMOTE_ADDR="2001:db8:0:1:ffff::2") == [429]

    def test_is_not_moved_by_what_clients_say_of_themselves(self, anybody: APIClient, limit: Any) -> None:
        limit(anon="1/minute")
        assert [
            anybody.get(FREE, headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code for number in range(3)
        ] == [200, 429, 429]

    def test_is_each_accounts_own_wherever_it_is(self, client: APIClient, limit: Any) -> None:
        limit(account="1/minute", anon="0/minute")
        assert client.get(FREE, REMOTE_ADDR="192.0.2.1").status_code == 200
        assert client.get(FREE, REMOTE_ADDR="192.0.2.2").status_code == 429
        other = APIClient()
        other.credentials(HTTP_X_SESSION_TOKEN=sign_in(AccountFactory.create()))
        assert other.get(FREE, REMOTE_ADDR="192.0.2.1").status_code == 200

    def test_of_a_scope_is_beside_the_general_one(self, client: APIClient, limit: Any) -> None:
        limit(payments="1/minute", account="9/minute")
        assert statuses(client, LIMITED, 2) == [200, 429]
        assert statuses(client, FREE, 2) == [200, 200]

    def test_without_a_rate_is_none(self, client: APIClient, anybody: APIClient, limit: Any) -> None:
        limit(anon=None)
        assert statuses(anybody, LIMITED, 5) == statuses(client, LIMITED, 5) == [200] * 5

    @pytest.mark.django_db(transaction=True)
    def test_lets_exactly_as_many_through_when_all_come_at_once(self, account: User, limit: Any) -> None:
        limit(account="10/hour")

        def ask(_: int) -> int:
            client = APIClient()
            client.credentials(HTTP_X_SESSION_TOKEN=sign_in(account))
            try:
                return client.get(FREE).status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(40)))
        assert (answers.count(200), answers.count(429)) == (10, 30)


class TestWithoutValkey:
    def test_nothing_is_limited_and_a_line_says_so(self, anybody: APIClient, limit: Any, settings: Settings) -> None:
        limit(anon="1/minute")
        settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0?{uuid4()}"
        with capture_logs() as lines:
            assert statuses(anybody, FREE, 2) == [200, 200]
        assert [line["log_level"] for line in lines if line["event"] == "throttling_unavailable"] == ["warning"] * 2
        throttling._limiter.cache_clear()
