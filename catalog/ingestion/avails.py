"""What a licence of MovieLabs Avails says, whether it came as XML or in a row of a spreadsheet.

Each licence is a record of its own. It finds its title by the ContentID; a title that nobody has described
yet is made from the little that the licence says about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from catalog.ingestion import meaning, movielabs
from catalog.ingestion.reader import Findings
from catalog.ingestion.records import Text, TitleRecord, Window

FORMATS = {name.lower(): name for name in ("SD", "HD", "HD-HDR", "UHD", "UHD-HDR", "3D", "3DSD", "3DHD", "3DUHD")}
DELETES = frozenset({"full delete", "delete"})


@dataclass(frozen=True, slots=True)
class Whole:
    """A season or series of which an episode's licence tells: its ContentID, name and number."""

    content_id: str
    names: tuple[tuple[str, str], ...] = ()
    """Language tags, as they were sent or empty, with the name in each."""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The words of one grant, not yet understood."""

    licence: str
    territories: Sequence[str] = ()
    excluded: Sequence[str] = ()
    announce: str = ""
    start: str = ""
    start_condition: str = ""
    end: str = ""
    end_condition: str = ""
    duration: str = ""
    status: str = ""
    languages: Sequence[str] = field(default=())
    holdbacks: Sequence[str] = field(default=())
    formats: Sequence[str] = field(default=())
    grant_id: str = ""
    contract_id: str = ""
    reporting_id: str = ""


def whole_record(whole: Whole, kind: str, parent: Whole | None, findings: Findings) -> TitleRecord:
    """Answer a season or series as far as its parts' licences tell of it."""
    identifier = movielabs.content_identifier(whole.content_id)
    return TitleRecord(
        whole.content_id,
        kind,
        parent=parent.content_id if parent else "",
        number=whole.number,
        texts=texts(whole.names, f"{kind}.title", findings),
        external_ids=(identifier,) if identifier else (),
    )


def not_made(kind: str, whole: Whole | None) -> str:
    """Answer why the season of an episode's licence is not made from it, and the cure; nothing where it is."""
    if kind != "episode" or whole is None or whole.number is not None:
        return ""
    return "its SeasonNumber is empty or no number, so that the season is not made from this licence. Fill it in, or deliver the season."


def texts(names: Iterable[tuple[str, str]], place: str, findings: Findings) -> tuple[Text, ...]:
    """Answer names by their language; one that names no language is taken for English."""
    found: dict[str, Text] = {}
    for tag, name in names:
        language = (meaning.language(findings, place, tag) if tag else "") or "en"
        if text := findings.text(place, name)[:500]:
            found.setdefault(language, Text(language, text))
    return tuple(found[language] for language in sorted(found))


_NO_RANGE = frozenset({"", "-", "0", "false", "n", "n/a", "na", "no", "none", "sdr"})


def format_profile(name: str, dynamic_range: str) -> str:
    """Answer a format, one with a high dynamic range as such: without the range, nobody has granted it."""
    return name if dynamic_range.strip().lower() in _NO_RANGE else f"{name}-HDR"


def is_revoked(status: str) -> bool:
    """Say whether a title's status takes its licence back."""
    return status.strip().lower() in {"revoked", "expired"}


def window(grant: Grant, place: str, findings: Findings) -> Window | None:
    """Answer the window of a grant; None when `findings` say why it grants nothing."""
    licence = meaning.licence(findings, f"{place}.LicenseType", grant.licence) if grant.licence else None
    if not grant.licence:
        findings.add("error", f"{place}.LicenseType", "missing", "Has no LicenseType: add it.")
    if grant.status.strip().lower() == "pending":
        findings.add(
            "warning", f"{place}.TitleStatus", "not_approved",
            "Is pending, so it grants nothing yet: deliver it again once it is approved.",
        )  # fmt: skip
        licence = None
    codes, excluded = _territories(grant, f"{place}.Territory", findings)
    start = _bound(grant.start, grant.start_condition, f"{place}.Start", findings, end=False)
    end = _end(grant, start, f"{place}.End", findings)
    announce = meaning.instant(findings, f"{place}.AnnounceDate", grant.announce) if grant.announce else None
    if findings.rejected or licence is None or not meaning.ends_after_start(findings, f"{place}.End", start, end):
        return None
    formats = meaning.allowed_formats(findings, f"{place}.FormatProfile", grant.formats, FORMATS)
    if not grant.formats:
        findings.add(
            "error", f"{place}.FormatProfile", "missing",
            "Has no FormatProfile, and would hold for every format: add the one that is granted.",
        )  # fmt: skip
    languages = meaning.allowed_languages(findings, f"{place}.AllowedLanguage", grant.languages)
    holdbacks = meaning.held_back_languages(findings, f"{place}.HoldbackLanguage", grant.holdbacks)
    if findings.rejected:
        return None
    return Window(
        license_type=licence,
        territories=codes,
        excluded=excluded,
        announce=announce,
        start=start,
        end=end,
        languages=languages,
        holdback_languages=holdbacks,
        formats=formats,
        grant_id=grant.grant_id[:255],
        contract_id=grant.contract_id[:255],
        reporting_id=grant.reporting_id[:255],
    )


_WORLD = frozenset({"WORLDWIDE", "WORLD", "WW", "001"})
_PARTS = frozenset(
    {
        "US-AS", "US-GU", "US-MP", "US-PR", "US-UM", "US-VI", "NL-AW", "NL-CW", "NL-SX", "CN-HK", "CN-MO", "CN-TW", "FR-BL",
        "FR-GF", "FR-GP", "FR-MF", "FR-MQ", "FR-NC", "FR-PF", "FR-PM", "FR-RE", "FR-TF", "FR-WF", "FR-YT", "NO-SJ",
    }
)  # fmt: skip
"""Parts of countries (ISO 3166-2) that ISO 3166-1 has under the same letters; US-CA is not Canada."""


def _territories(grant: Grant, place: str, findings: Findings) -> tuple[tuple[str, ...], bool]:
    """Answer where a grant holds, and whether that are the exceptions; nowhere named is the world."""
    named = [code.strip().upper() for code in grant.territories]
    excepted = [code.strip().upper() for code in grant.excluded]
    world = bool(_WORLD & set(named))
    if not named and not excepted:
        findings.add("error", place, "missing", "Names no Territory and excludes none: add one.")
    if named and excepted and not world:
        findings.add("error", place, "both", "Names territories and excludes some as well: send one of both.")
    if _WORLD & set(excepted):
        findings.add("error", place, "excludes_all", "Excludes the whole world, so it holds nowhere: correct it.")
    codes = (_territory(code, place, findings) for code in (excepted or ([] if world else named)))
    return tuple(dict.fromkeys(code for code in codes if code)), bool(excepted)


def _territory(code: str, place: str, findings: Findings) -> str | None:
    """Answer a country; a part of one (US-PR) counts as itself where ISO 3166-1 has it, else is refused."""
    if code in _PARTS:
        return code[3:]
    if re.fullmatch(r"[A-Z]{2}-[A-Z0-9]{1,3}", code):
        findings.add(
            "error", place, "part_of_country",
            f"{code} is a part of a country, and licences hold for whole ones here: name {code[:2]} or leave it out.",
        )  # fmt: skip
        return None
    return meaning.country(findings, place, code)


def _end(grant: Grant, start: datetime | date | None, place: str, findings: Findings) -> datetime | date | None:
    """Answer the end: its date, or what a WindowDuration comes to from a start that has one."""
    is_dated = grant.end[:1].isdecimal()
    if is_dated or not grant.duration or start is None:
        return _bound(grant.end, grant.end_condition, place, findings, end=True)
    found = meaning.later(start, grant.duration)
    if found is None:
        findings.add(
            "error", place, "unknown_duration",
            f"{grant.duration[:50]!r} is no duration in which a window ends (ISO 8601): send the date of its end.",
        )  # fmt: skip
    return found


def _bound(text: str, condition: str, place: str, findings: Findings, *, end: bool) -> datetime | date | None:
    """Answer a bound; "Open" ends never and "Immediate" has begun. A condition that nobody can date grants nothing."""
    if text and text[0].isdecimal():
        return meaning.instant(findings, place, text, end=end)
    said = condition or text
    if said.lower() == ("open" if end else "immediate"):
        return None
    message = f"{said[:50]!r} is no date that we can tell: send the date." if said else "Is missing: send a date."
    findings.add("error", place, "undated" if said else "missing", message)
    return None
