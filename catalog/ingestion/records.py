"""What every reader turns a provider's words into.

Values are clean and checked: languages BCP 47, countries ISO 3166-1 alpha-2, text plain and in NFC.
"""

from __future__ import annotations

from abc import ABC
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, json

if TYPE_CHECKING:
    Moment = datetime | date
else:

    class Moment(ABC):  # noqa: B024 - a name for two types, which nobody derives from
        """An instant, or a day that begins at each territory's midnight: two types that look alike when written down."""

    Moment.register(date)

Severity = Literal["error", "warning", "info"]


class Problem(Struct, frozen=True):
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


class Header(Struct, frozen=True):
    """What a delivery says about itself. `delivery` full: what it does not name is gone."""

    delivery: Literal["full", "partial"]


class RawRecord(Struct, frozen=True):
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


class _Stated(Struct, frozen=True, gc=False, omit_defaults=True):
    """Something that a record says: written down briefly, and without cycles, which nobody needs to look for."""


class PartialDate(_Stated, frozen=True):
    """A date of which only year, or year and month, may be known; the rest is 1."""

    date: date
    precision: Literal["year", "month", "day"]


class Text(_Stated, frozen=True):
    language: str
    name: str = ""
    short: str = ""
    medium: str = ""
    long: str = ""


class AlternateName(_Stated, frozen=True):
    name: str
    language: str = ""
    type: str = "alternative"


class AlternateNumber(_Stated, frozen=True):
    order: str
    number: int
    season: int | None = None


class Credit(_Stated, frozen=True):
    """`person_id` is the provider's id of the person, where it has one."""

    name: str
    job: str
    job_display: str = ""
    character: str = ""
    billing: int | None = None
    guest: bool = False
    person_id: str = ""


class Rating(_Stated, frozen=True):
    country: str
    system: str
    value: str
    reasons: tuple[str, ...] = ()


class Identifier(_Stated, frozen=True):
    namespace: str
    value: str


class Window(_Stated, frozen=True):
    """A licence for [start, end): an instant, or a day that begins at each territory's midnight."""

    license_type: str = "SVOD"
    territories: tuple[str, ...] = ()
    excluded: bool = False
    announce: Moment | None = None
    start: Moment | None = None
    end: Moment | None = None
    languages: tuple[str, ...] = ()
    holdback_languages: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    grant_id: str = ""
    contract_id: str = ""
    reporting_id: str = ""


class Image(_Stated, frozen=True):
    """`source` is an address to fetch, or a name within the delivery."""

    kind: str
    source: str
    language: str = ""
    region: str = ""
    focal_x: float = 0.5
    focal_y: float = 0.5


class TitleRecord(_Stated, frozen=True):
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
    valid_from: Moment | None = None
    valid_until: Moment | None = None


def dump(record: TitleRecord) -> bytes:
    """Answer a record as JSON, for `load`."""
    return _encoder.encode(record)


def load(payload: bytes) -> TitleRecord:
    """Answer the record that `dump` was given."""
    return _decoder.decode(payload)


def moment(text: str) -> Moment:
    """Read an ISO 8601 instant with its offset, or a day. Raises ValueError for what the calendar lacks."""
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


_encoder = json.Encoder()
_decoder = json.Decoder(TitleRecord, dec_hook=lambda _, text: moment(text))
