"""What the catalogue tells the apps above it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogBatchApplied:
    """A batch of an ingest run is in the catalogue. `run_id` is the run; counts are of this batch."""

    run_id: str
    provider: str
    created: int
    updated: int
    retired: int


@dataclass(frozen=True)
class TitlePublished:
    """An editor made a title public."""

    title_id: str
    revision: int


@dataclass(frozen=True)
class TitleWithdrawn:
    """An editor took a title back."""

    title_id: str
    revision: int


@dataclass(frozen=True)
class MediaReady:
    """A title can be played, or is played from another package now."""

    title_id: str
    package_id: str
    duration_milliseconds: int
