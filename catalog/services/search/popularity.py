"""Whose a score is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from catalog.models import Title

BATCH = 10_000


def by_answering(scores: Mapping[UUID, float]) -> dict[UUID, float]:
    """Answer the scores of the titles that answer by now for those named.

    What was watched under an old id was this film as well: scores of one title are added.
    """
    answers = _merged(scores)
    while further := _merged(set(answers.values())):
        answers = {pk: further.get(answering, answering) for pk, answering in answers.items()}
    added: defaultdict[UUID, float] = defaultdict(float)
    for pk, score in scores.items():
        added[answers.get(pk, pk)] += score
    return dict(added)


def _merged(ids: Collection[UUID]) -> dict[UUID, UUID]:
    found: dict[UUID, UUID] = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), BATCH):
        merged = Title.objects.filter(pk__in=ordered[start : start + BATCH], merged_into__isnull=False)
        found |= dict(merged.values_list("pk", "merged_into_id"))
    return found
