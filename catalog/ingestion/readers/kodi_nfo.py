"""Kodi's NFO files: a film, a series or episodes, as home servers describe them.

A file may hold several documents one after the other, and an address below them; so what is read is all of
it within one element of ours.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from accounts import maturity
from catalog import rules
from catalog.ingestion import meaning, xml
from catalog.ingestion.bounds import MAX_RECORD
from catalog.ingestion.reader import Findings, UnreadableDelivery, partial_date, refuse_foreign
from catalog.ingestion.records import (
    Credit,
    Header,
    Identifier,
    Image,
    PartialDate,
    Rating,
    RawRecord,
    Text,
    TitleRecord,
)

_KINDS = {"movie": "movie", "tvshow": "series", "episodedetails": "episode"}
_DECLARATION = re.compile(rb"<\?xml[^>]{0,200}\?>")
_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}encoding=["']([A-Za-z0-9._-]{1,40})["']""")
_READ = frozenset(
    {
        "title", "originaltitle", "showtitle", "season", "episode", "outline", "plot", "runtime", "premiered", "aired", "year",
        "genre", "tag", "studio", "director", "credits", "actor", "actor/name", "role", "order", "mpaa", "uniqueid", "thumb",
        "country", "fanart",
    }
)  # fmt: skip
_IMAGES = {"poster": "poster", "landscape": "backdrop", "clearlogo": "logo"}


class KodiReader:
    """Episodes name their series by its title alone, so that series and seasons are known by it here."""

    name: ClassVar[str] = "kodi-nfo"
    label: ClassVar[str] = "Kodi (NFO)"
    version: ClassVar[int] = 3
    carries_licences: ClassVar[bool] = False
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        number = 0
        seasons: set[str] = set()
        found = xml.records(_as_one(stream), root=frozenset({"delivery"}), names=frozenset(_KINDS))
        for _, element in found:
            season = _season_of(element)
            if season and season not in seasons:
                seasons.add(season)
                number += 1
                place = (season.rpartition("/s")[0], int(season.rpartition("/s")[2]))
                yield RawRecord(number, season, season.encode(), place, implied=True)
            number += 1
            yield RawRecord(number, _own_id(element), xml.written(element))
        if not number:
            raise UnreadableDelivery("The file has no <movie>, <tvshow> or <episodedetails>. Choose the right format.")

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        if raw.implied:
            show, season = raw.data
            return TitleRecord(raw.external_id, "season", parent=show, number=season)
        item = _Item(raw, findings)
        findings.left_out |= xml.unread(item.item, _READ)
        record = item.record()
        return None if findings.rejected else record


READER = KodiReader()


def _as_one(stream: BinaryIO) -> BinaryIO:
    content = stream.read(MAX_RECORD + 1)
    if len(content) > MAX_RECORD:
        raise UnreadableDelivery(f"The file is longer than {MAX_RECORD:,} bytes; an NFO file has a few thousand.")
    refuse_foreign(content)
    content = content.removeprefix(b"\xef\xbb\xbf")
    named = _ENCODING.match(content)
    try:
        text = content.decode(named[1].decode() if named else "utf-8-sig").encode()
    except (UnicodeDecodeError, LookupError) as error:
        raise UnreadableDelivery(
            "The file is not in the encoding that it declares, or in UTF-8. Save it as UTF-8."
        ) from error
    return io.BytesIO(b"<delivery>" + _DECLARATION.sub(b"", text) + b"</delivery>")


def _show(title: str) -> str:
    return f"tvshow:{rules.fold(title)}"[:200] if title else ""


def _season_of(element: xml.Element) -> str:
    season = xml.words(element, "season")
    show = _show(xml.words(element, "showtitle"))
    known = xml.name_of(element) == "episodedetails" and show and season.isdecimal() and int(season) <= 100_000
    return f"{show}/s{int(season)}" if known else ""


def _own_id(element: xml.Element) -> str:
    """Answer the id that Kodi takes for the item's own, or else one made of its title."""
    kind, title = xml.name_of(element), xml.words(element, "title")
    if kind == "tvshow":
        return _show(title)
    named = xml.all_of(element, "uniqueid")
    best = next((item for item in named if item.get("default") == "true"), named[0] if named else None)
    if best is not None and xml.words(best):
        return f"{kind}:{best.get('type', 'id')}:{xml.words(best)}"
    if kind == "episodedetails":
        season, episode = _season_of(element), xml.words(element, "episode")
        return f"{season}e{episode}" if season and episode else ""
    return f"{kind}:{rules.fold(title)}:{xml.words(element, 'year')}" if title else ""


class _Item:
    def __init__(self, raw: RawRecord, findings: Findings) -> None:
        self.raw = raw
        self.item = xml.parse(raw.content)
        self.findings = findings

    def record(self) -> TitleRecord:
        item, findings = self.item, self.findings
        kind = _KINDS[xml.name_of(item)]
        name = findings.text("title", xml.words(item, "title"))[:500]
        if not name:
            findings.add("error", "title", "missing", "Has no title: give it one.")
        number = xml.words(item, "episode")
        if kind == "episode" and not (_season_of(item) and number.isdecimal()):
            findings.add(
                "error", "season", "missing", "Has no showtitle, season and episode, so it belongs nowhere: add them."
            )
        text = Text("en", name)
        for field in ("outline", "plot"):
            if synopsis := xml.words(item, field):
                text = findings.synopsis(field, text, findings.plain(synopsis))
        minutes = xml.words(item, "runtime")
        return TitleRecord(
            external_id=self.raw.external_id,
            kind=kind,
            parent=_season_of(item) if kind == "episode" else "",
            number=int(number) if kind == "episode" and number.isdecimal() else None,
            texts=(text,),
            original_title=findings.text("originaltitle", xml.words(item, "originaltitle"))[:500],
            release_date=self.released(),
            runtime_seconds=int(minutes) * 60 if minutes.isdecimal() and 0 < int(minutes) < 6000 else None,
            genres=tuple(dict.fromkeys(findings.text("genre", name)[:100] for name in xml.every(item, "genre"))),
            keywords=tuple(dict.fromkeys(findings.text("tag", name)[:100].lower() for name in xml.every(item, "tag"))),
            countries=self.countries(),
            companies=tuple({"name": name[:200], "role": "production"} for name in xml.every(item, "studio")),
            credits=self.credits(),
            ratings=self.ratings(),
            external_ids=self.identifiers(),
            artwork=self.artwork(kind),
        )

    def countries(self) -> tuple[str, ...]:
        found = {}
        for name in xml.every(self.item, "country"):
            if code := meaning.countries_by_name().get(name.lower()):
                found[code] = True
            else:
                self.findings.add(
                    "warning", "country", "unknown_country",
                    f"{name[:50]!r} is no country we know: left out. Correct it.",
                )  # fmt: skip
        return tuple(found)

    def released(self) -> PartialDate | None:
        item = self.item
        text = xml.words(item, "premiered") or xml.words(item, "aired") or xml.words(item, "year")
        try:
            return partial_date(text) if text else None
        except ValueError:
            self.findings.add(
                "warning", "premiered", "impossible_date", f"{text[:50]!r} is no date: left out. Correct it."
            )
            return None

    def credits(self) -> tuple[Credit, ...]:
        made = [
            meaning.credit(self.findings, name, job, billing=place)
            for field, job in (("director", "director"), ("credits", "writer"))
            for place, name in enumerate(xml.every(self.item, field), 1)
        ]
        for actor in xml.all_of(self.item, "actor"):
            order = xml.words(actor, "order")
            made.append(
                meaning.credit(
                    self.findings, xml.words(actor, "name"), "actor", character=xml.words(actor, "role"),
                    billing=int(order) + 1 if order.isdecimal() else None,
                )
            )  # fmt: skip
        return tuple(credit for credit in made if credit)

    def ratings(self) -> tuple[Rating, ...]:
        """Answer what mpaa says, where it says whose: "Rated PG-13", "US:PG-13", "TV-MA", "FSK 12"."""
        country, _, text = xml.words(self.item, "mpaa").rpartition(":")
        value = text.split(" for ")[0].strip()
        if not value:
            return ()
        system, _, rest = value.partition(" ")
        if not country and rest and maturity.home_of(system):
            found = meaning.rating(self.findings, system, rest)
        else:
            where = country.strip().upper() or "US"
            found = meaning.rating(self.findings, "", value, country={"UK": "GB"}.get(where, where))
        return (found,) if found else ()

    def identifiers(self) -> tuple[Identifier, ...]:
        return tuple(
            Identifier(item.get("type", "").lower()[:50], xml.words(item)[:255])
            for item in xml.all_of(self.item, "uniqueid")
            if item.get("type") and xml.words(item)
        )

    def artwork(self, kind: str) -> tuple[Image, ...]:
        found = []
        for item in xml.all_of(self.item, "thumb"):
            shown = item.get("aspect", "poster")
            aspect = "still" if kind == "episode" else _IMAGES.get(shown)
            if aspect is None:
                self.findings.left_out.add(f"thumb {shown}"[:100])
            elif not item.get("season"):
                found.append((aspect, xml.words(item)))
        found += [("backdrop", address) for address in xml.every(self.item, "fanart/thumb")]
        return tuple(
            Image(aspect, address)
            for aspect, address in dict.fromkeys(found)
            if address.startswith(("http://", "https://")) and len(address) <= 2000
        )
