"""The stand-in for Stripe, empty for each test, with the settings that lead to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from core.proxies import TrustedProxies
from tests import standin as standins
from tests.billing.customers import SEEN_FROM
from tests.standin import Standin


@pytest.fixture(scope="session")
def standin_process() -> Iterator[Standin]:
    """Run one stand-in for all tests of this process."""
    with standins.running() as running:
        yield running


@pytest.fixture
def standin(standin_process: Standin, settings: Settings) -> Standin:
    """Answer the stand-in with nothing in it, as the gateway of this test."""
    standin_process.control.reset()
    standin_process.control.set_clock(None)
    settings.STRIPE_API_BASE = standin_process.url
    settings.STRIPE_SECRET_KEY = standins.SECRET_KEY
    settings.STRIPE_PUBLISHABLE_KEY = standins.PUBLISHABLE_KEY
    settings.STRIPE_WEBHOOK_SECRETS = [standins.WEBHOOK_SECRET]
    settings.CDN_COUNTRY_HEADER = SEEN_FROM
    settings.TRUSTED_PROXIES = TrustedProxies.parse("127.0.0.1")
    return standin_process
