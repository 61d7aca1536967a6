"""One stand-in for the tests of this process, empty for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.stripe_standin.app import build
from local.stripe_standin.server import Background
from tests.local.stripe_standin.shop import KEYS, SIGNING_SECRET, Receiver, Shop


@pytest.fixture(scope="session")
def _shop() -> Iterator[Shop]:
    with Background(build(keys=KEYS)) as server:
        shop = Shop(server.url)
        yield shop
        shop.close()


@pytest.fixture
def shop(_shop: Shop) -> Shop:
    _shop.control.reset()
    return _shop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture
def told_shop(receiver: Receiver) -> Iterator[Shop]:
    """A stand-in that tells the receiver what happens."""
    app = build(keys=KEYS, webhook_urls=[receiver.url], webhook_secrets=[SIGNING_SECRET])
    with Background(app) as server:
        shop = Shop(server.url)
        yield shop
        shop.close()
