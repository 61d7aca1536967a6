"""What the API of TVmaze answers: a JSON array of shows, or of episodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, BinaryIO, ClassVar

from msgspec import convert

from catalog.ingestion import json_members, meaning
from catalog.ingestion.reader import FORMER_COUNTRIES, Findings, partial_date
from catalog.ingestion.records import Header, Identifier, Image, PartialDate, RawRecord, Text, TitleRecord
from core import geo

_EPISODE = re.compile(r".*/episodes/\d+/(?P<slug>.+)-(?P<season>\d+)x\d+(?:-.*)?")
_SHOW = re.compile(r".*/shows/(?P<id>\d+)(?:/(?P<slug>.+))?")
_SHARES = "_shares_slug"
_EXTERNALS = {"imdb": "imdb", "thetvdb": "tvdb", "tvrage": "tvrage"}


_PLACE = {"name": "string", "country": {"code": "string"}}
_SHAPE = json_members.Shape(
    url="string", name="string", language="string", genres=["string"], network=_PLACE, webChannel=_PLACE, summary="string",
    premiered="string", ended="string", airdate="string", image={"original": "string"}, externals={}, runtime="number",
    _links={"show": {"href": "string"}},
)  # fmt: skip


# `updated`, `weight` and `rating` change daily and say nothing of the title itself.
_READ = frozenset(
    {
        "id", "url", "name", "language", "genres", "network", "webChannel", "summary", "premiered", "ended", "airdate",
        "image", "externals", "season", "number", "_links", "updated", "weight", "rating", _SHARES,
    }
)  # fmt: skip


class TvmazeReader:
    """Shows are series; episodes find theirs by its link, or else by the name in their address.

    A season is told of by its episodes alone, and becomes a title by the first of them.
    """

    name: ClassVar[str] = "tvmaze"
    label: ClassVar[str] = "TVmaze (JSON)"
    version: ClassVar[int] = 2
    carries_licences: ClassVar[bool] = False
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        number = 0
        seasons: set[str] = set()
        slugs: set[str] = set()
        for _, data in json_members.members(stream, ("item",), ()):
            if _is_episode(data):
                season = _season(data)
                if season["id"] and season["id"] not in seasons:
                    seasons.add(season["id"])
                    number += 1
                    yield json_members.raw(number, season["id"], season, implied=True)
            number += 1
            prefix = "episode" if _is_episode(data) else "show"
            known = f"{prefix}-{data['id']}" if isinstance(data.get("id"), int) else ""
            # When it was updated says nothing that we store, and weight and rating change daily.
            content = {key: value for key, value in data.items() if key not in {"updated", "weight", "rating"}}
            # Two shows of one name have one name in their addresses, too.
            slug = "" if _is_episode(data) else _slug(data)
            shares = slug in slugs
            slugs |= {slug} - {""}
            yield json_members.raw(number, known, {**data, _SHARES: shares}, content=content)

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        data = raw.data
        if raw.implied:
            return TitleRecord(
                raw.external_id,
                "season",
                number=data["number"],
                parent=data["of"].get("parent", ""),
                parent_identifier=convert(data["of"].get("parent_identifier"), Identifier | None),
            )
        if not _SHAPE.fits(data, findings):
            return None
        read = {*_READ, "runtime"} if _is_episode(data) else _READ
        findings.left_out |= json_members.unread(data, frozenset(read))
        record = (_episode if _is_episode(data) else _show)(raw, findings)
        return None if findings.rejected else record


READER = TvmazeReader()


def _is_episode(data: dict[str, Any]) -> bool:
    return "season" in data and "airdate" in data


def _season(data: dict[str, Any]) -> dict[str, Any]:
    """Answer the season of an episode as the only thing known of it: its number, and whose it is."""
    number = json_members.whole(data["season"])
    links = data.get("_links")
    link = links.get("show") if isinstance(links, dict) else None
    show = _SHOW.fullmatch(str(link.get("href")) if isinstance(link, dict) else "")
    address = _EPISODE.fullmatch(str(data.get("url") or ""))
    if number is None or not 0 <= number <= 100_000 or not (show or address):
        return {"id": ""}
    if show:
        return {"id": f"show-{show['id']}-s{number}", "number": number, "of": {"parent": f"show-{show['id']}"}}
    assert address
    slug = address["slug"]
    of = {"parent_identifier": {"namespace": "tvmaze-show", "value": slug}}
    return {"id": f"{slug}-s{number}"[:255], "number": number, "of": of}


def _slug(data: dict[str, Any]) -> str:
    """Answer the name in a show's address, by which episodes without a link find it."""
    address = _SHOW.fullmatch(str(data.get("url") or ""))
    return (address["slug"] or "") if address else ""


def _show(raw: RawRecord, findings: Findings) -> TitleRecord:
    data = raw.data
    name = _name(data, findings)
    slug = _slug(data)
    if data[_SHARES]:
        findings.add(
            "warning", "url", "shared_name",
            f"Another show's address ends in {slug[:100]!r} too. Episodes that name no show in _links.show go to that one:"
            " ask TVmaze for episodes with that link.",
        )  # fmt: skip
    externals = data.get("externals") or {}
    channels = [channel for name in ("network", "webChannel") if (channel := data.get(name) or {})]
    broadcaster = channels[0] if channels else {}
    place = str((broadcaster.get("country") or {}).get("code") or "")
    language = meaning.languages_by_name().get(str(data.get("language") or "").lower(), "")
    if data.get("language") and not language:
        findings.add(
            "warning", "language", "unknown_language", f"{str(data['language'])[:50]!r} is no language: left out."
        )
    return TitleRecord(
        external_id=raw.external_id,
        kind="series",
        texts=_texts(name, data, findings),
        original_language=language,
        release_date=_day(data, "premiered", findings),
        end_date=_day(data, "ended", findings),
        countries=(place,) if geo.is_country(place) or place in FORMER_COUNTRIES else (),
        companies=tuple(
            {"name": str(channel["name"])[:200], "role": "broadcast"} for channel in channels if channel.get("name")
        ),
        genres=tuple(findings.text("genres", str(genre))[:100] for genre in data.get("genres") or ()),
        external_ids=(
            *(
                Identifier(ours, str(externals[theirs]))
                for theirs, ours in _EXTERNALS.items()
                if externals.get(theirs) is not None
            ),
            *([Identifier("tvmaze-show", slug)] if slug and not data[_SHARES] else []),
        ),
        artwork=_artwork(data, "poster"),
    )


def _episode(raw: RawRecord, findings: Findings) -> TitleRecord | None:
    data = raw.data
    season, number = _season(data), json_members.whole(data.get("number"))
    special = data.get("number") is None
    if not season["id"]:
        findings.add(
            "error", "season", "unknown_parent",
            "Says neither by _links.show nor by its url which show's season it belongs to: ask TVmaze for either.",
        )  # fmt: skip
        return None
    if not special and (number is None or not 0 <= number <= 100_000):
        findings.add("error", "number", "unusable", f"{str(data['number'])[:20]!r} is no episode's number: correct it.")
    minutes = json_members.whole(data.get("runtime"))
    return TitleRecord(
        external_id=raw.external_id,
        kind="special" if special else "episode",
        parent=season["id"],
        number=number,
        texts=_texts(_name(data, findings), data, findings),
        release_date=_day(data, "airdate", findings),
        runtime_seconds=minutes * 60 if minutes and 0 < minutes < 6000 else None,
        artwork=_artwork(data, "still"),
    )


def _name(data: dict[str, Any], findings: Findings) -> str:
    name = findings.text("name", str(data.get("name") or ""))
    if not name:
        findings.add("error", "name", "missing", "Has no name: give it one.")
    elif len(name) > 500:
        findings.add("error", "name", "too_long", "Is longer than 500 characters: shorten it.")
    return name


def _texts(name: str, data: dict[str, Any], findings: Findings) -> tuple[Text, ...]:
    # Every summary of TVmaze is HTML, so that it is plain text afterwards needs no word.
    summary = findings.plain(str(data.get("summary") or ""))
    return (findings.synopsis("summary", Text("en", name), summary),)


def _day(data: dict[str, Any], field: str, findings: Findings) -> PartialDate | None:
    if not data.get(field):
        return None
    try:
        found = partial_date(str(data[field]))
    except ValueError:
        found = PartialDate(date.min, "day")
    if found.date.year < 1870:
        findings.add("warning", field, "impossible_date", f"{str(data[field])[:50]!r} is no likely date: left out.")
        return None
    return found


def _artwork(data: dict[str, Any], kind: str) -> tuple[Image, ...]:
    address = (data.get("image") or {}).get("original")
    return (Image(kind, str(address)),) if address and len(str(address)) <= 2000 else ()
