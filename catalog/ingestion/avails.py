"""What a licence of MovieLabs Avails says, whether it came as XML or in a row of a spreadsheet.

Each licence is a record of its own. It finds its title by the ContentID; a title that nobody has described
yet is made from the little that the licence says about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from catalog.ingestion import meaning, movielabs
from catalog.ingestion.reader import Findings
from catalog.ingestion.records import Text, TitleRecord, Window

FORMATS = frozenset({"SD", "HD", "UHD", "3D", "3DSD", "3DHD", "3DUHD"})
DELETES = frozenset({"full delete", "delete"})


@dataclass(frozen=True, slots=True)
class Whole:
    """A season or series of which an episode's licence tells: its ContentID, name and number."""

    content_id: str
    name: str = ""
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
    languages: Sequence[str] = field(default=())
    holdbacks: Sequence[str] = field(default=())
    formats: Sequence[str] = field(default=())
    grant_id: str = ""
    contract_id: str = ""
    reporting_id: str = ""


def whole_record(whole: Whole, kind: str, parent: Whole | None, findings: Findings) -> TitleRecord:
    """Answer a season or series as far as its parts' licences tell of it."""
    name = findings.text(f"{kind}.title", whole.name)[:500]
    identifier = movielabs.content_identifier(whole.content_id)
    return TitleRecord(
        whole.content_id,
        kind,
        parent=parent.content_id if parent else "",
        number=whole.number,
        texts=(Text("en", name),) if name else (),
        external_ids=(identifier,) if identifier else (),
    )


def window(grant: Grant, place: str, findings: Findings) -> Window | None:
    """Answer the window of a grant; None when `findings` say why it grants nothing."""
    licence = meaning.licence(findings, f"{place}.LicenseType", grant.licence)
    if not grant.licence:
        findings.add("error", f"{place}.LicenseType", "missing", "Has no LicenseType: add it.")
    if not grant.territories and not grant.excluded:
        findings.add("error", f"{place}.Territory", "missing", "Names no Territory and excludes none: add one.")
    if grant.territories and grant.excluded:
        findings.add(
            "error", f"{place}.Territory", "both", "Names territories and excludes some as well: send one of both."
        )
    codes = [_territory(code, f"{place}.Territory", findings) for code in grant.territories or grant.excluded]
    start = _bound(grant.start, grant.start_condition, f"{place}.Start", findings, end=False)
    end = _bound(grant.end, grant.end_condition, f"{place}.End", findings, end=True)
    announce = meaning.instant(findings, f"{place}.AnnounceDate", grant.announce) if grant.announce else None
    if findings.rejected or licence is None or not meaning.ends_after_start(findings, f"{place}.End", start, end):
        return None
    formats = [name.upper() for name in grant.formats if name]
    for name in formats:
        if name not in FORMATS:
            findings.add(
                "warning", f"{place}.FormatProfile", "unknown_format", f"{name[:20]!r} is no FormatProfile: left out."
            )
    world = "WORLDWIDE" in codes
    return Window(
        license_type=licence,
        territories=() if world else tuple(dict.fromkeys(code for code in codes if code)),
        excluded=bool(grant.excluded) and not world,
        announce=announce,
        start=start,
        end=end,
        languages=_languages(grant.languages, f"{place}.AllowedLanguage", findings),
        holdback_languages=_languages(grant.holdbacks, f"{place}.HoldbackLanguage", findings),
        formats=tuple(dict.fromkeys(name for name in formats if name in FORMATS)),
        grant_id=grant.grant_id[:255],
        contract_id=grant.contract_id[:255],
        reporting_id=grant.reporting_id[:255],
    )


def _territory(code: str, place: str, findings: Findings) -> str | None:
    """Answer a country; a part of one (US-PR) counts as itself where ISO 3166-1 has it, else is refused."""
    text = code.strip().upper()
    if text in {"WORLDWIDE", "WW", "001"}:
        return "WORLDWIDE"
    return meaning.country(findings, place, text)


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


def _languages(tags: Sequence[str], place: str, findings: Findings) -> tuple[str, ...]:
    found = (meaning.language(findings, place, tag) for tag in tags if tag.strip())
    return tuple(dict.fromkeys(tag for tag in found if tag))
