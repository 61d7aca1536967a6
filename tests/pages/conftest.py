"""A real browser for the pages that people see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

from tests.billing.conftest import standin, standin_process

__all__ = ["standin", "standin_process"]

# Playwright's event loop stays in the thread that runs the tests; their queries are synchronous all the same.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
"""A folder to leave pictures in, for a person to look at."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them where no browser is."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; it speaks to this machine alone. It ends with its module: tests elsewhere run loops."""
    arguments = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()
        # While Playwright's loop runs, Django has connections for it alone, apart from those of the thread. Nobody would
        # find them later, and a database in which a session is open cannot be dropped.
        connections.close_all()


class ErrorsOnPage(list[str]):
    """What the browser's console and network reported as wrong."""


@pytest.fixture
def errors() -> ErrorsOnPage:
    """Collect what goes wrong in the page; a test asserts that it is empty."""
    return ErrorsOnPage()


@pytest.fixture
def page(browser: Browser, errors: ErrorsOnPage) -> Iterator[Page]:
    """Open a tab that reports script errors, refused content (CSP), and failed requests."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(f"{request.url}: {request.failure}"))
    yield page
    context.close()


@pytest.fixture
def keep_picture(page: Page, request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave a picture of the page as the test left it, when SCREENSHOTS names a folder."""
    yield
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{request.node.name}.png")
