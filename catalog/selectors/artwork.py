"""Which images are still to come."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from catalog.models import Artwork


@dataclass(frozen=True)
class Awaited:
    """An image that a feed announced. `source` is its address, or its name in the operator's artwork storage."""

    title_id: UUID
    kind: str
    language: str
    source: str


def awaited(*, provider_code: str) -> list[Awaited]:
    """Answer the images that a provider has announced and that have not arrived."""
    rows = Artwork.objects.filter(file="", title__source_records__provider__code=provider_code).exclude(source="")
    return [Awaited(*row) for row in rows.order_by("pk").values_list("title_id", "kind", "language", "source")]
