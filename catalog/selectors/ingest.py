"""Reports of deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db.models import Count, QuerySet

from catalog.models import IngestProblem, IngestRun

PROBLEM_COLUMNS = ("row", "id", "field", "code", "severity", "message")


def run_by_id(run_id: UUID) -> IngestRun:
    """Answer a run with its provider; raises IngestRun.DoesNotExist."""
    return IngestRun.objects.select_related("provider").get(pk=run_id)


def problems_of(run_id: UUID) -> QuerySet[IngestProblem]:
    """Answer a run's problems in the order of the delivery."""
    return IngestProblem.objects.filter(run_id=run_id).order_by("row_number", "pk")


def problem_rows(run_id: UUID) -> Iterator[dict[str, str | int]]:
    """Yield a run's problems as rows of PROBLEM_COLUMNS, in constant memory."""
    problems = problems_of(run_id).values_list("row_number", "external_id", "field", "code", "severity", "message")
    for values in problems.iterator(chunk_size=2000):
        yield dict(zip(PROBLEM_COLUMNS, values, strict=True))


def problem_summary(run_id: UUID) -> list[tuple[str, str, str, int]]:
    """Answer how often each problem came up: severity, code, field, number; the most serious and frequent first."""
    counted = (
        IngestProblem.objects.filter(run_id=run_id)
        .values_list("severity", "code", "field")
        .annotate(number=Count("pk"))
    )
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(counted, key=lambda row: (order[row[0]], -row[3], row[1], row[2]))
