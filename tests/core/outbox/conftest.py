"""The handlers' table, inside a test's transaction or beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.outbox import probe


@pytest.fixture
def probed(db: None) -> Iterator[None]:
    """The table of effects, gone with the test's transaction."""
    with probe.table():
        yield


@pytest.fixture
def probed_for_real(transactional_db: None) -> Iterator[None]:
    """The table of effects, seen by other connections."""
    with probe.table():
        yield
