"""Fixtures that every test may use."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the API was tried (tests/test_api_schema.py)."""
    # Reports of the teardown, by when a test's cases are counted, stand in the category without a name.
    tried = [
        told
        for report in terminalreporter.stats.get("", [])
        for name, told in report.user_properties
        if name == "api" and report.when == "teardown"
    ]
    if tried:
        operations = {operation for operation, _ in tried}
        cases = sum(cases for _, cases in tried)
        terminalreporter.write_line(f"API operations covered: {len(operations)}, cases run: {cases}")
