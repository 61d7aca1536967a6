"""What docs/operations.md and docs/billing.md say of jobs, reasons and accounts is all there is."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from billing.models import JournalLine
from billing.rules import Status
from billing.services import parking

DOCS = Path(__file__).resolve().parents[1] / "docs"


def named_in(document: str, heading: str) -> list[str]:
    """Answer what the first column of the table under a heading names, as code."""
    text = (DOCS / document).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


class TestOperations:
    def test_names_each_job_once(self) -> None:
        assert sorted(named_in("operations.md", "What runs by itself")) == sorted(settings.CELERY_BEAT_SCHEDULE)


class TestBilling:
    def test_names_each_status(self) -> None:
        assert sorted(named_in("billing.md", "Where a subscription stands")) == sorted(Status)

    def test_names_each_reason_to_park(self) -> None:
        reasons = [*parking.WAYS, *(f"{beginning}..." for beginning in parking.BEGINNINGS)]
        assert named_in("billing.md", "What stands still")[1:] == reasons

    def test_names_each_account_of_the_ledger(self) -> None:
        assert named_in("billing.md", "The books") == list(JournalLine.Account)
