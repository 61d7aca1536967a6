"""Providers, titles and what hangs on them; feeds as providers write them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO

import factory
import orjson
from factory.django import DjangoModelFactory
from PIL import Image

from catalog.models import AvailabilityWindow, ContentRating, Credit, IngestRun, Person, Provider, Title, TitleText
from catalog.models.titles import Kind, State
from catalog.services import ingestion

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


class ProviderFactory(DjangoModelFactory[Provider]):
    """A provider whose titles are public and licensed for the world."""

    class Meta:
        model = Provider

    code = factory.Sequence(lambda number: f"provider-{number}")
    name = factory.Sequence(lambda number: f"Provider {number}")
    publish = Provider.Publish.ON_INGEST
    has_default_licence = True


class TextFactory(DjangoModelFactory[TitleText]):
    class Meta:
        model = TitleText

    language = "en"
    name = "The Lighthouse"


class WindowFactory(DjangoModelFactory[AvailabilityWindow]):
    class Meta:
        model = AvailabilityWindow


class RatingFactory(DjangoModelFactory[ContentRating]):
    class Meta:
        model = ContentRating

    country = "US"
    system = "MPAA"
    value = "PG-13"
    minimum_age = 13


class TitleFactory(DjangoModelFactory[Title]):
    """A published film that everybody may watch everywhere."""

    class Meta:
        model = Title
        skip_postgeneration_save = True

    kind = Kind.MOVIE
    state = State.PUBLISHED
    published_at = NOW
    created_at = NOW
    updated_at = NOW

    @factory.post_generation
    def name(title: Title, create: bool, value: str | None, **_: Any) -> None:
        """Name it, in English."""
        if create:
            TextFactory.create(title=title, name=value or f"Title {title.pk}")

    @factory.post_generation
    def window(title: Title, create: bool, value: dict[str, Any] | bool | None, **_: Any) -> None:
        """Give what stands alone a licence for the world; `window={"territories": ["DE"]}` another, False none."""
        if create and value is not False and (value is not None or title.parent_id is None):
            WindowFactory.create(title=title, **(value if isinstance(value, dict) else {}))


class SeasonFactory(TitleFactory):
    kind = Kind.SEASON
    series = factory.SelfAttribute("parent")
    number = 1


class EpisodeFactory(TitleFactory):
    kind = Kind.EPISODE
    series = factory.SelfAttribute("parent.series")
    number = 1


class CreditFactory(DjangoModelFactory[Credit]):
    class Meta:
        model = Credit

    job = "actor"
    person = factory.LazyFunction(lambda: Person.objects.create(name="Ines Caldera"))


def feed(*lines: dict[str, Any] | bytes) -> bytes:
    """Write a feed; what is bytes already stands as it is."""
    return b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines) + b"\n"


def movie(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Answer a film as a provider describes it."""
    return {
        "id": f"m{number}",
        "kind": "movie",
        "titles": {"en": f"Film {number}"},
        "genres": ["Drama"],
        "people": [{"name": "Ines Caldera", "job": "director", "billing": 1}],
        "availability": [{"license_type": "SVOD"}],
        **changes,
    }


def header(delivery: str) -> dict[str, Any]:
    return {
        "kind": "feed", "version": 1, "provider": "Anybody", "delivery": delivery, "created_at": "2026-03-01T00:00:00Z",
    }  # fmt: skip


def ingest(
    content: bytes,
    provider: Provider,
    *,
    format: str = "jsonl",  # noqa: A002 - what it is called everywhere
    delivery: str = "",
    dry_run: bool = False,
    reprocess: bool = False,
    clock: Callable[[], datetime] = lambda: NOW,
) -> IngestRun:
    """Ingest a delivery in this process."""
    run = ingestion.open_run(
        provider=provider,
        format=format,
        source_name="feed",
        by="test",
        now=clock(),
        delivery=delivery,
        dry_run=dry_run,
        reprocess=reprocess,
    )
    stream: BinaryIO = io.BytesIO(content)
    done = ingestion.execute(run_id=run.pk, open_delivery=lambda _: stream, clock=clock)
    assert done is not None
    return done


def counts(run: IngestRun) -> dict[str, int]:
    """Answer a run's counts that are not zero."""
    names = ("read", "created", "updated", "unchanged", "rejected", "retired", "absent")
    return {name: number for name in names if (number := getattr(run, name))}


def picture(width: int = 40, height: int = 60, *, colour: str = "navy") -> bytes:
    """Draw a small image."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "WEBP")
    return file.getvalue()
