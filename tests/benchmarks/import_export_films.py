"""The same films by django-import-export, the common way of importing tables into Django, for bench_ingest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import tablib
from import_export import fields, resources, widgets

from accounts.maturity import minimum_age
from catalog.models import (
    AvailabilityWindow,
    ContentRating,
    Credit,
    Genre,
    Person,
    SourceRecord,
    Title,
    TitleGenre,
    TitleText,
)
from catalog.services import search

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


class FilmResource(resources.ModelResource):  # type: ignore[misc]  # without types
    """Saves a film and, after it, what hangs on it, as its documentation shows for relations."""

    release_date = fields.Field("release_date", "release_date", widgets.DateWidget())

    class Meta:
        model = Title
        fields = ("id", "kind", "original_language", "release_date", "release_precision", "runtime_seconds", "state")
        use_bulk = False
        skip_diff = True
        skip_html_diff = True
        clean_model_instances = False

    def before_save_instance(self, instance: Title, row: Any, **kwargs: Any) -> None:
        """Add what the table has no column for."""
        instance.created_at = instance.updated_at = instance.published_at = NOW

    def after_save_instance(self, instance: Title, row: Any, **kwargs: Any) -> None:
        """Save the rest of the film, and let it be found."""
        film = row["film"]
        name = film["titles"]["en"]
        TitleText.objects.create(
            title=instance, language="en", name=name, synopsis_short=film["synopses"]["en"]["short"]
        )
        for position, genre_name in enumerate(film["genres"]):
            genre, _ = Genre.objects.get_or_create(slug=genre_name.lower(), defaults={"name": genre_name})
            TitleGenre.objects.create(title=instance, genre=genre, position=position)
        for credited in film["people"]:
            # By the index that people have of their names: among a million titles, a scan for each would be no measure.
            person, _ = Person.objects.get_or_create(name__iexact=credited["name"], defaults={"name": credited["name"]})
            Credit.objects.get_or_create(
                title=instance, person=person, job=credited["job"], billing=credited["billing"]
            )
        for rating in film["ratings"]:
            ContentRating.objects.create(title=instance, **rating, minimum_age=minimum_age(**rating))
        AvailabilityWindow.objects.create(title=instance, starts_on=date(2024, 1, 1))
        SourceRecord.objects.create(
            provider_id=kwargs["provider_id"], external_id=row["external_id"], title=instance, digest=b"", format="jsonl",
            first_run_id=kwargs["run_id"], last_run_id=kwargs["run_id"],
        )  # fmt: skip
        search.rebuild([instance.pk])


def import_films(films: Iterable[dict[str, Any]], **options: Any) -> int:
    """Import films; answer how many were saved."""
    columns = (
        "id", "kind", "original_language", "release_date", "release_precision", "runtime_seconds", "state", "external_id", "film",
    )  # fmt: skip
    rows = tablib.Dataset(headers=columns)
    for film in films:
        rows.append(
            (
                "", "movie", film["original_language"], f"{film['release_date']}-01-01", "year", film["runtime_seconds"],
                "published", f"imported-{film['id']}", film,
            )
        )  # fmt: skip
    result = FilmResource().import_data(rows, raise_errors=True, use_transactions=True, **options)
    return int(result.totals["new"])
