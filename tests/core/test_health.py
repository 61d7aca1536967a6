"""core.health: what an orchestrator is told, with the real servers up, down and slow."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

OK = {"status": "ok", "checks": {"database": "ok", "cache": "ok", "migrations": "ok"}}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Answer a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class TestLive:
    def test_checks_nothing(self, client: Client) -> None:
        # No database access: pytest-django would refuse it here.
        answer = client.get("/health/live")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {}})

    def test_is_never_cached_and_carries_its_request_id(self, client: Client) -> None:
        answer = client.get("/health/live")
        assert answer["Cache-Control"] == "no-store"
        assert len(answer["X-Request-ID"]) == 36

    def test_answers_whatever_the_host_is_called(self, client: Client) -> None:
        # Kubernetes calls by the pod's address.
        assert client.get("/health/live", HTTP_HOST="10.1.2.3:8000").status_code == 200
        assert client.get("/", HTTP_HOST="10.1.2.3:8000").status_code == 400

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
    def test_can_only_be_read(self, client: Client, method: str) -> None:
        assert client.generic(method, "/health/live").status_code == 405

    def test_has_no_neighbours(self, client: Client) -> None:
        assert client.get("/health/").status_code == 404
        assert client.get("/health/live/more").status_code == 404


@pytest.mark.django_db
class TestReady:
    def test_says_that_each_check_passes(self, client: Client) -> None:
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (200, OK)

    def test_needs_the_database(self, client: Client, monkeypatch: pytest.MonkeyPatch, silent_port: int) -> None:
        assert client.get("/health/ready").status_code == 200
        monkeypatch.setitem(connection.settings_dict, "PORT", silent_port)
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json() == {
            "status": "failed",
            "checks": {"database": "failed", "cache": "ok", "migrations": "ok"},
        }

    def test_needs_the_cache(self, client: Client, settings: Settings, silent_port: int) -> None:
        settings.REDIS_URL = f"redis://:hidden@127.0.0.1:{silent_port}/0"
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"database": "ok", "cache": "failed", "migrations": "ok"}
        assert b"hidden" not in answer.content

    def test_needs_every_migration(self, client: Client) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'accounts'")
        for probe in ("/health/ready", "/health/startup"):
            answer = client.get(probe)
            assert (answer.status_code, answer.json()["checks"]["migrations"]) == (503, "failed")


@pytest.mark.django_db
class TestStartup:
    def test_is_true_once_the_database_is_migrated(self, client: Client) -> None:
        answer = client.get("/health/startup")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {"migrations": "ok"}})

    def test_asks_the_database_no_more_afterwards(self, client: Client, django_assert_num_queries: object) -> None:
        client.get("/health/startup")
        with django_assert_num_queries(0):  # type: ignore[operator]
            assert client.get("/health/startup").status_code == 200
