"""What titles lack that viewers of a country would expect."""

from __future__ import annotations

from datetime import datetime

from django.db.models import BooleanField, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy

from catalog.models import Artwork, ContentRating, Provider, SourceRecord, Title, TitleText
from catalog.models.tags import AskedEach
from catalog.models.titles import Kind
from catalog.selectors.titles import among

GAPS = {
    "poster": gettext_lazy("No poster"),
    "backdrop": gettext_lazy("No backdrop"),
    "name": gettext_lazy("No name in the language"),
    "synopsis": gettext_lazy("No synopsis in the language"),
    "any_synopsis": gettext_lazy("No synopsis in any language"),
    "rating": gettext_lazy("No rating of the country"),
    "dub": gettext_lazy("No sound in the language"),
    "subtitle": gettext_lazy("No subtitles in the language"),
    "audio_description": gettext_lazy("No audio description in the language"),
}
"""What may be missing, by code, as editors read it."""

_CONDITIONS = {
    "dub": "track->>'type' = 'audio' AND track->>'audio_description' IS DISTINCT FROM 'true'",
    "subtitle": "track->>'type' = 'subtitle' AND track->>'forced' IS DISTINCT FROM 'true'",
    "audio_description": "track->>'type' = 'audio' AND track->>'audio_description' = 'true'",
}

# The same of what packaging found in the title's film.
_IN_FILM = {
    "dub": ("audio", "track->>'role' NOT IN ('description', 'commentary')"),
    "subtitle": ("text", "track->>'role' <> 'forced'"),
    "audio_description": ("audio", "track->>'role' = 'description'"),
}

_SYNOPSIS = ~Q(synopsis_short="", synopsis_medium="", synopsis_long="")


def lacking(gap: str, *, country: str, language: str, now: datetime, provider: str = "") -> QuerySet[Title]:
    """Answer the published titles that can be watched in `country` now and lack something of GAPS, newest first.

    `language` is BCP 47; a regional variant will do for a language, but not the other way round. A series has
    neither sound nor subtitles of its own. With `provider`, a code, those alone that it delivers now. Tracks are those that somebody states, and those that are in the packaged film.
    """
    offered = Title.objects.published().standing_alone().offered_in(country, now, standing_alone=True)
    titles: QuerySet[Title] = offered.order_by("-pk")
    if provider:
        known = Provider.objects.filter(code=provider).values_list("pk", flat=True)
        delivered = SourceRecord.objects.filter(provider__in=list(known), retired_at__isnull=True)
        titles = among(titles, delivered)
    if gap in _CONDITIONS:
        return titles.exclude(kind=Kind.SERIES).filter(_lacks_track(gap, language.lower()))
    return titles.filter(~_has(gap, country, language))


def _has(gap: str, country: str, language: str) -> AskedEach:
    """Answer the condition that a title has it: asked before its licences, of which each title has several to look at."""
    if gap in {"poster", "backdrop"}:
        images = Artwork.objects.exclude(file="").filter(title=OuterRef("pk"), kind=gap)
        return AskedEach(images.filter(region__in=["", country]))
    if gap == "rating":
        return AskedEach(ContentRating.objects.filter(title=OuterRef("pk"), country=country))
    if gap == "any_synopsis":
        return AskedEach(TitleText.objects.filter(_SYNOPSIS, title=OuterRef("pk")))
    spoken = Q(language__iexact=language) | Q(language__istartswith=f"{language}-")
    said = ~Q(name="") if gap == "name" else _SYNOPSIS
    return AskedEach(TitleText.objects.filter(spoken & said, title=OuterRef("pk")))


def _lacks_track(gap: str, language: str) -> RawSQL:
    kind, condition = _IN_FILM[gap]
    spoken = "(lower(track->>'language') = %s OR starts_with(lower(track->>'language'), %s))"
    stated = f"SELECT FROM jsonb_array_elements(catalog_title.tracks) AS track WHERE {_CONDITIONS[gap]} AND {spoken}"
    return RawSQL(  # noqa: S611 - our own words; the language is a parameter
        f"NOT EXISTS ({stated}) AND NOT EXISTS (SELECT FROM catalog_mediapackage AS film,"
        f" jsonb_array_elements(film.facts->'{kind}') AS track"
        f" WHERE film.title_id = catalog_title.id AND film.state = 'live' AND {condition} AND {spoken})",
        [language, f"{language}-"] * 2,
        output_field=BooleanField(),
    )
