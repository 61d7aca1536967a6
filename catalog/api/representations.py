"""What titles and people look like over the API; `serializers` describes the same shapes.

Titles come with everything that `selectors.parts` fetches: nothing here asks the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.core.files.storage import default_storage

from accounts.maturity import viewing_age
from catalog import rules
from catalog.models import Artwork, Credit, Genre, Person, Title, TitleText
from catalog.rules import Viewer
from catalog.selectors.parts import licences_of, line_of
from catalog.selectors.search import Suggestion

_SYNOPSES = ("synopsis_short", "synopsis_medium", "synopsis_long")


def card(title: Title, viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Answer what a list shows of a title."""
    chain = rules.language_chain(viewer.languages, title.original_language, viewer.country)
    texts = {text.language: text for text in title.texts.all()}
    return {
        "id": str(title.pk),
        "kind": title.kind,
        "name": _name(title, texts, chain),
        "synopsis": _text(texts, chain, "synopsis_short") or _text(texts, chain, "synopsis_medium"),
        "year": title.release_year,
        "runtime_seconds": title.runtime_seconds,
        "number": title.number,
        "genres": [genre(item.genre) for item in title.title_genres.all()],
        "minimum_age": _minimum_age(title, viewer),
        "available_until": _instant(available_until(title, viewer, now)),
        "artwork": _artwork(title.artwork.all(), chain, viewer.country),
    }


def coming(title: Title, viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Answer a card of what opens soon, with when."""
    return {
        **card(title, viewer, now),
        "available_from": _instant(rules.opens_at(licences_of(title), viewer.country, now)),
    }


def withdrawn(title: Title) -> dict[str, Any]:
    """Answer that a title is gone."""
    merged = title.merged_into_id
    return {
        "id": str(title.pk),
        "withdrawn_at": _instant(title.withdrawn_at),
        "merged_into": str(merged) if merged else None,
    }


def page(
    title: Title, seasons: Iterable[Title], extras: Iterable[Title], viewer: Viewer, now: datetime
) -> dict[str, Any]:
    """Answer what a title's own page shows."""
    chain = rules.language_chain(viewer.languages, title.original_language, viewer.country)
    texts = {text.language: text for text in title.texts.all()}
    return {
        **card(title, viewer, now),
        **{field: _text(texts, chain, field) for field in _SYNOPSES},
        "original_name": title.original_title,
        "original_language": title.original_language,
        "alternate_names": sorted({name.name for name in title.alternate_titles.all()}),
        "release_date": _date(title.release_date, title.release_precision),
        "end_date": _date(title.end_date, title.end_precision),
        "countries": title.countries,
        "made_for_kids": title.made_for_kids,
        "companies": title.companies,
        "tracks": title.tracks,
        "keywords": [item.keyword.name for item in title.title_keywords.all()],
        "ratings": [
            {
                "country": rating.country,
                "system": rating.system,
                "value": rating.value,
                "reasons": rating.reasons,
                "minimum_age": rating.minimum_age,
            }
            for rating in title.ratings.all()
        ],
        "credits": [_credit(credit, with_person=True) for credit in title.credits.all()],
        "alternate_numbers": [
            {"order": number.order, "season": number.season_number, "number": number.number}
            for number in title.alternate_numbers.all()
        ],
        "season_count": title.season_count,
        "series": _reference(title.series, viewer),
        "parent": _reference(title.parent, viewer),
        "seasons": [_season(season, viewer) for season in seasons],
        "extras": [card(extra, viewer, now) for extra in extras],
    }


def episode(title: Title, viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Answer an episode in a list of them."""
    season = title.parent.number if title.parent and title.parent.kind == "season" else None
    return {**card(title, viewer, now), "season": season}


def result(title: Title, viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Answer what a search found; an episode with its season and series."""
    return {**episode(title, viewer, now), "series": _reference(title.series, viewer)}


def suggestion(item: Suggestion) -> dict[str, str]:
    return {"id": str(item.title_id), "kind": item.kind, "name": item.name}


def genre(item: Genre) -> dict[str, str]:
    return {"slug": item.slug, "name": item.name}


def person(item: Person, titles: Iterable[tuple[Title, list[Credit]]], viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Answer a person with titles and what they did in each."""
    return {
        "id": str(item.pk),
        "name": item.name,
        "titles": [
            {
                "title": card(title, viewer, now),
                "credits": [
                    dict(line) for line in dict.fromkeys(tuple(_credit(credit).items()) for credit in credits_in_title)
                ],
            }
            for title, credits_in_title in titles
        ],
    }


def artwork_url(image: Artwork) -> str:
    """Answer the image's full address."""
    return _file_url(str(image.file.name))


def _name(title: Title, texts: Mapping[str, TitleText], chain: list[str]) -> str:
    return _text(texts, chain, "name") or title.original_title


def _text(texts: Mapping[str, TitleText], chain: list[str], field: str) -> str:
    """Answer one field in the best language that has it."""
    offered = {language: value for language, text in texts.items() if (value := getattr(text, field))}
    best = rules.best_language(offered, chain)
    return offered[best] if best else ""


def _minimum_age(title: Title, viewer: Viewer) -> int | None:
    line = ([(rating.country, rating.minimum_age) for rating in level.ratings.all()] for level in line_of(title))
    return viewing_age(line, viewer.country)


def available_until(title: Title, viewer: Viewer, now: datetime) -> datetime | None:
    """Answer when a title that is available now will be gone; None when no end is known."""
    return rules.available_until(licences_of(title), viewer.country, now)[1]


def _artwork(images: Iterable[Artwork], chain: list[str], country: str) -> dict[str, Any]:
    """Answer the best image of each kind: in the best language, or else without words; the country's own before others."""
    kinds: dict[str, list[Artwork]] = {}
    for image in images:
        if image.region in ("", country):
            kinds.setdefault(image.kind, []).append(image)
    first = chain[0].partition("-")[0]
    own = sum(1 for _ in takewhile(lambda tag: tag.partition("-")[0] == first, chain)) - 1
    best = {}
    for kind, offered in kinds.items():
        # The first is the one in front, of two that suit alike.
        image = offered[0] if len(offered) == 1 else min(offered, key=lambda one: _suits(one, chain, own))
        best[kind] = {
            **_largest(image),
            "sources": [
                {"type": f"image/{form}", "srcset": _srcset(image, form)}
                for form in ("avif", "webp")
                if image.renditions
            ],
            "placeholder": image.placeholder,
            "focal_x": image.focal_x,
            "focal_y": image.focal_y,
            "language": image.language,
            "region": image.region,
        }
    return best


def _suits(image: Artwork, chain: list[str], own: int) -> tuple[int, int, str]:
    """Answer how far down the chain an image comes; one without words after all languages, but in its own country.

    What is made for a country and has no words suits everybody there as their own language does, which ends at `own`.
    """
    if not image.language:
        return (own, 1, "") if image.region else (len(chain), 0, "")
    tag = image.language.lower()
    for place, wanted in enumerate(chain):
        if tag == wanted or tag.startswith(f"{wanted}-"):
            return place, (0 if image.region else 2) + (tag != wanted), tag
    return len(chain) + 1, 0 if image.region else 2, tag


def _largest(image: Artwork) -> dict[str, Any]:
    """Answer the image for clients that know no sets: its largest size, or what came, until there are sizes."""
    if not image.renditions:
        return {"url": artwork_url(image), "width": image.width, "height": image.height}
    size = image.renditions[-1]
    return {"url": _file_url(size["webp"]), "width": size["width"], "height": size["height"]}


def _srcset(image: Artwork, form: str) -> str:
    return ", ".join(f"{_file_url(size[form])} {size['width']}w" for size in image.renditions)


def _file_url(name: str) -> str:
    return urljoin(f"{settings.PUBLIC_URL}/", default_storage.url(name))


def _credit(credit: Credit, *, with_person: bool = False) -> dict[str, Any]:
    line: dict[str, Any] = {"job": credit.job, "job_display": credit.job_display, "character": credit.character}
    if with_person:
        line |= {"person": {"id": str(credit.person_id), "name": credit.person.name}, "guest": credit.guest}
    return line


def _season(season: Title, viewer: Viewer) -> dict[str, Any]:
    reference = _reference(season, viewer) or {}
    return {**reference, "number": season.number, "episode_count": getattr(season, "episode_count", 0)}


def _reference(title: Title | None, viewer: Viewer) -> dict[str, Any] | None:
    if title is None:
        return None
    chain = rules.language_chain(viewer.languages, title.original_language, viewer.country)
    texts = {text.language: text for text in title.texts.all()}
    return {"id": str(title.pk), "kind": title.kind, "name": _name(title, texts, chain)}


def _instant(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def _date(day: Any, precision: str) -> str | None:
    if day is None:
        return None
    text: str = day.isoformat()
    return {"year": text[:4], "month": text[:7]}.get(precision, text)
