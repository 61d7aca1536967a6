"""The pages of billing's staff in a browser, wide and narrow: each is drawn whole, and nothing on it fails.

With SCREENSHOTS naming a folder, they show months of a simulated platform (ACCOUNTS, 60, and MONTHS, 8), and leave
their pictures there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import time_machine
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from billing.models import Dispute, Invoice
from billing.services import figures
from core import clock
from local.simulation.run import Simulation
from tests.billing.test_admin_pages import OF_PERSONS, make_customers
from tests.factories.accounts import AccountFactory, sign_in
from tests.pages.conftest import SCREENSHOTS, ErrorsOnPage
from tests.standin import Standin

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNTS = int(os.environ.get("ACCOUNTS", "60"))
MONTHS = int(os.environ.get("MONTHS", "8"))
WIDE, NARROW = {"width": 1440, "height": 1000}, {"width": 390, "height": 900}
LISTS = [*OF_PERSONS, "tieout", "journalentry", "webhookevent", "recurringrevenueday"]


@pytest.fixture
def clerk(page: Page, live_server: LiveServer, request: pytest.FixtureRequest) -> Iterator[User]:
    """Somebody of billing's staff, signed in, on a platform where everything has happened."""
    if SCREENSHOTS:
        standin: Standin = request.getfixturevalue("standin")
        with closing(Simulation(standin.control, accounts=ACCOUNTS, months=MONTHS, seed=7)) as simulation:
            simulation.run()
            assert [finding for finding in simulation.findings() if finding.broken] == []
        with time_machine.travel(simulation.world.now):
            yield _sign_in(page, live_server)
        return
    staff = _sign_in(page, live_server)
    make_customers(2, staff=staff)
    figures.record_due(now=clock.now())
    yield staff


def _sign_in(page: Page, live_server: LiveServer) -> User:
    staff = AccountFactory.create(email="clerk@example.org", is_staff=True, is_superuser=True)
    page.context.add_cookies([{"name": "sessionid", "value": sign_in(staff), "url": live_server.url}])
    return staff


class TestPages:
    def test_of_everything_that_billing_keeps(
        self, page: Page, live_server: LiveServer, errors: ErrorsOnPage, clerk: User
    ) -> None:
        for model in LISTS:
            page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a size
            page.goto(f"{live_server.url}/admin/billing/{model}/")
            self.look_at(page, model)
            rows = page.locator("#result_list a[href*='/change/']")
            if rows.count():
                page.goto(live_server.url + str(self.telling(model) or rows.first.get_attribute("href")))
                self.look_at(page, f"{model}-page")
        assert errors == []

    @staticmethod
    def telling(model: str) -> str:
        """Answer the page of a row that tells more than the newest one, if there is one."""
        told = {
            "invoice": Invoice.objects.filter(kind="change", refunds__isnull=False),
            "dispute": Dispute.objects.exclude(due_by=None),
        }.get(model)
        row = told.first() if told is not None else None
        return f"/admin/billing/{model}/{row.pk}/change/" if row else ""

    @staticmethod
    def look_at(page: Page, name: str) -> None:
        """See that nothing but tables is wider than a telephone, and leave pictures."""
        if SCREENSHOTS:
            page.wait_for_load_state("networkidle")
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": WIDE["width"], "height": max(WIDE["height"], height)})
            page.screenshot(path=Path(SCREENSHOTS) / f"billing-{name}.png")
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a size
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / f"billing-{name}-narrow.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], name
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a size
