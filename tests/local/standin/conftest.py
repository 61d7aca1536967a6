"""One stand-in for all tests here; what they ask is not recorded, since much of it is wrong on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import standin as standins
from tests.local.standin.kit import Direct, Shop
from tests.standin import Standin


@pytest.fixture(scope="session")
def process() -> Iterator[Standin]:
    """Run one stand-in for all tests of this process."""
    with standins.running(record=False) as running:
        yield running


@pytest.fixture
def standin(process: Standin) -> Standin:
    """Answer the stand-in with nothing in it."""
    process.control.reset()
    return process


@pytest.fixture
def shop(standin: Standin) -> Shop:
    """Answer a shop on the empty stand-in."""
    return Shop(standin)


@pytest.fixture
def direct() -> Direct:
    """Answer the API of an empty stand-in, without HTTP."""
    return Direct()
