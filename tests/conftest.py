"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connections
from django.utils import translation
from hypothesis import is_hypothesis_test
from pytest_django.plugin import DjangoDbBlocker

from tests import migrated


@pytest.fixture(autouse=True)
def speaks_as_configured() -> Iterator[None]:
    """Let no test speak the language in which the one before has asked for a page: the thread keeps it."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the database, as pytest-django does, and see to it that what its migrations put there stays there."""
    with django_db_blocker.unblock():
        migrated.keep()
    yield
    # The database was perhaps made while a browser was open, over another connection: see tests/pages.
    connections.close_all()


@pytest.fixture
def round_number(request: pytest.FixtureRequest) -> int:
    """Answer which of its rounds a test is in."""
    number: int = request.param
    return number


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test so often as ROUNDS says (`make faults`): what races or is killed does so otherwise each time.

    What waits for minutes does so in the long form alone, and once. A property has examples instead of rounds.
    """
    rounds = int(os.environ.get("ROUNDS", "1"))
    waits = metafunc.definition.get_closest_marker("minutes") is not None
    if rounds > 1 and not waits and not is_hypothesis_test(metafunc.function):
        metafunc.fixturenames.append("round_number")
        metafunc.parametrize("round_number", range(rounds), indirect=True, ids=lambda number: f"round{number}")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "minutes: waits for real minutes, so it is left to the long form")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what waits for minutes to the long form."""
    if "ROUNDS" not in os.environ:
        for item in items:
            if item.get_closest_marker("minutes"):
                item.add_marker(pytest.mark.skip(reason="waits for minutes: make faults"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the API was tried (tests/test_api_schema.py), and as whom (tests/permissions)."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    told = [
        (name, value)
        for report in reports
        # Those of the teardown, by when a test's cases are counted, have all that the test told.
        if getattr(report, "when", None) == "teardown"
        for name, value in report.user_properties
    ]
    if tried := [value for name, value in told if name == "api"]:
        operations = {operation for operation, _ in tried}
        cases = sum(cases for _, cases in tried)
        terminalreporter.write_line(f"API operations covered: {len(operations)}, cases run: {cases}")
    if asked := [value for name, value in told if name == "matrix"]:
        roles = {role for role, _ in asked if not role.startswith("admin ")}
        endpoints = max(count for _, count in asked)
        pages = max((count for role, count in asked if role.startswith("admin ")), default=0)
        requests = sum(count for _, count in asked)
        terminalreporter.write_line(
            f"Permission matrix: {endpoints} endpoints x {len(roles)} roles, "
            f"{pages} pages of the admin, {requests} requests"
        )
