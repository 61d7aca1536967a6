"""The demo's documents can be read, are asked for, and leave an operator's own alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.models import Consent, PolicyDocument, User
from accounts.services import consents
from local.demo import households, people, policies

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def test_are_read_where_they_say_in_two_languages(settings: Any) -> None:
    policies.publish(now=NOW)
    addresses = dict(PolicyDocument.objects.values_list("kind", "url"))
    assert sorted(addresses) == sorted(PolicyDocument.REQUIRED)
    for address in addresses.values():
        with default_storage.open(address.removeprefix(f"{settings.PUBLIC_URL}/media/")) as file:
            text = file.read().decode()
        assert "of the demo</h1>" in text
        assert '<article lang="de">' in text


def test_are_agreed_to_by_the_demos_households() -> None:
    policies.publish(now=NOW)
    households.invite(people.VIEWERS[0], now=NOW)
    account = User.objects.get()
    assert consents.missing(account_id=account.pk, now=NOW) == []
    assert Consent.objects.count() == 2


def test_follow_the_platform_to_another_port(settings: Any) -> None:
    policies.publish(now=NOW)
    settings.PUBLIC_URL = "http://localhost:9000"
    policies.publish(now=NOW)
    addresses = PolicyDocument.objects.values_list("url", flat=True)
    assert [url.startswith("http://localhost:9000/media/policies/") for url in addresses] == [True, True]


def test_make_room_for_an_operators_own() -> None:
    PolicyDocument.objects.create(
        kind="terms", version="2026-01", url="https://tv.example/terms", effective_at=NOW, created_at=NOW
    )
    policies.publish(now=NOW)
    assert set(PolicyDocument.objects.values_list("kind", "version")) == {("terms", "2026-01"), ("privacy", "demo-1")}
