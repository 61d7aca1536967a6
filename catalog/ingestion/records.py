"""What every reader turns a provider's words into.

Values are clean and checked: languages BCP 47, countries ISO 3166-1 alpha-2, text plain and in NFC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import msgspec
import orjson

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a record that its provider should know; the message says what to do.

    An error rejects the record. `row_number` is the line at which the record begins, or in formats
    without lines the record's place; 0 is the delivery itself.
    """

    row_number: int
    external_id: str
    field: str
    code: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Header:
    """What a delivery says about itself. `delivery` full: what it does not name is gone."""

    delivery: Literal["full", "partial"]


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as it was delivered, not yet understood.

    `content` is its bytes, by which an unchanged record is known without reading it; `data` what the
    reader's `normalise` needs; `fault` says why it cannot be read at all. `implied` is a whole of which
    only its parts tell, such as the season in an episode's record: it counts once, and changes nothing
    that is known.
    """

    row_number: int
    external_id: str
    content: bytes
    data: Any = None
    fault: Problem | None = None
    implied: bool = False


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date of which only year, or year and month, may be known; the rest is 1."""

    date: date
    precision: Literal["year", "month", "day"]


@dataclass(frozen=True, slots=True)
class Text:
    language: str
    name: str = ""
    short: str = ""
    medium: str = ""
    long: str = ""


@dataclass(frozen=True, slots=True)
class AlternateName:
    name: str
    language: str = ""
    type: str = "alternative"


@dataclass(frozen=True, slots=True)
class AlternateNumber:
    order: str
    number: int
    season: int | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """`person_id` is the provider's id of the person, where it has one."""

    name: str
    job: str
    job_display: str = ""
    character: str = ""
    billing: int | None = None
    guest: bool = False
    person_id: str = ""


@dataclass(frozen=True, slots=True)
class Rating:
    country: str
    system: str
    value: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    namespace: str
    value: str


@dataclass(frozen=True, slots=True)
class Window:
    """A licence for [start, end): an instant, or a day that begins at each territory's midnight."""

    license_type: str = "SVOD"
    territories: tuple[str, ...] = ()
    excluded: bool = False
    announce: datetime | date | None = None
    start: datetime | date | None = None
    end: datetime | date | None = None
    languages: tuple[str, ...] = ()
    holdback_languages: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    grant_id: str = ""
    contract_id: str = ""
    reporting_id: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """`source` is an address to fetch, or a name within the delivery."""

    kind: str
    source: str
    language: str = ""
    region: str = ""
    focal_x: float = 0.5
    focal_y: float = 0.5


@dataclass(frozen=True, slots=True)
class TitleRecord:
    """One title as a provider describes it.

    `parent` is the provider's id of what it belongs to; where a format does not say, `parent_identifier` is
    an external id of that. `names_licences` says that it tells of licences, also where none of them could be taken
    over: then it is never given a default one. `valid_from` and `valid_until` bound the default licence, in formats that carry
    a time and no licence. `parent_missing` says why a `parent` that nobody has is not made from the record itself.
    """

    external_id: str
    kind: str
    withdrawn: bool = False
    parent: str = ""
    parent_missing: str = ""
    number: int | None = None
    alternate_numbers: tuple[AlternateNumber, ...] = ()
    texts: tuple[Text, ...] = ()
    original_title: str = ""
    original_language: str = ""
    alternate_names: tuple[AlternateName, ...] = ()
    release_date: PartialDate | None = None
    end_date: PartialDate | None = None
    runtime_seconds: int | None = None
    season_count: int | None = None
    countries: tuple[str, ...] = ()
    made_for_kids: bool = False
    companies: tuple[dict[str, str], ...] = ()
    tracks: tuple[dict[str, Any], ...] = ()
    genres: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    credits: tuple[Credit, ...] = ()
    ratings: tuple[Rating, ...] = ()
    external_ids: tuple[Identifier, ...] = ()
    windows: tuple[Window, ...] = ()
    names_licences: bool = False
    artwork: tuple[Image, ...] = ()
    added_on: date | None = None
    parent_identifier: Identifier | None = None
    valid_from: datetime | date | None = None
    valid_until: datetime | date | None = None


def dump(record: TitleRecord) -> bytes:
    """Answer a record as JSON, for `load`."""
    return orjson.dumps(record)


def load(payload: bytes) -> TitleRecord:
    """Answer the record that `dump` was given."""
    data = orjson.loads(payload)
    for name, kind in _CONVERTED.items():
        data[name] = msgspec.convert(data[name], kind) if data[name] else ()
    for name in ("countries", "companies", "tracks", "genres", "keywords"):
        data[name] = tuple(data[name])
    data["windows"] = tuple(_window(**item) for item in data["windows"])
    for name in ("release_date", "end_date"):
        if data[name]:
            data[name] = PartialDate(date.fromisoformat(data[name]["date"]), data[name]["precision"])
    if data["added_on"]:
        data["added_on"] = date.fromisoformat(data["added_on"])
    if data["parent_identifier"]:
        data["parent_identifier"] = Identifier(**data["parent_identifier"])
    for name in ("valid_from", "valid_until"):
        if data[name]:
            data[name] = moment(data[name])
    return TitleRecord(**data)


def _window(**fields: Any) -> Window:
    for name in ("territories", "languages", "holdback_languages", "formats"):
        fields[name] = tuple(fields[name])
    for name in ("announce", "start", "end"):
        fields[name] = moment(fields[name]) if fields[name] else None
    return Window(**fields)


def moment(text: str) -> datetime | date:
    """Read an ISO 8601 instant with its offset, or a day. Raises ValueError for what the calendar lacks."""
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


# Not by their constructors, which take several times as long. A window's moments are of two types that look alike.
_CONVERTED: dict[str, Any] = {
    "alternate_numbers": tuple[AlternateNumber, ...],
    "texts": tuple[Text, ...],
    "alternate_names": tuple[AlternateName, ...],
    "credits": tuple[Credit, ...],
    "ratings": tuple[Rating, ...],
    "external_ids": tuple[Identifier, ...],
    "artwork": tuple[Image, ...],
}
