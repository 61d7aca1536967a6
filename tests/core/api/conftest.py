"""The tests' API, its tables, and an account that calls it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.core.api import sample
from tests.factories.accounts import AccountFactory, sign_in


@pytest.fixture(autouse=True)
def _sample_addresses(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.core.api.sample"


@pytest.fixture
def tables(db: None) -> Iterator[None]:
    """The tables of payments, gone with the test's transaction."""
    with sample.tables():
        yield


@pytest.fixture
def tables_for_real(transactional_db: None) -> Iterator[None]:
    """The tables of payments, seen by other connections."""
    with sample.tables():
        yield


@pytest.fixture
def account(db: None) -> User:
    """Somebody."""
    return AccountFactory.create()


@pytest.fixture
def client(account: User) -> APIClient:
    """A client of somebody who is signed in."""
    client = APIClient()
    client.credentials(HTTP_X_SESSION_TOKEN=sign_in(account))
    return client


@pytest.fixture
def anybody() -> APIClient:
    """A client that nobody signed in with; errors reach it as answers."""
    return APIClient(raise_request_exception=False)
