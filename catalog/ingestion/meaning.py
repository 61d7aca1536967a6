"""What partners' words mean in ours: jobs, licences, ratings, languages, countries, moments, durations."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import pycountry
from babel import Locale

from accounts import maturity
from catalog import rules
from catalog.ingestion.reader import FORMER_COUNTRIES, Findings
from catalog.ingestion.records import Credit, Identifier, Rating
from core import geo

_JOBS: Mapping[str, str] = {
    "actor": "actor", "actress": "actor", "cast": "actor", "host": "presenter", "anchor": "presenter",
    "presenter": "presenter", "guest": "self", "guest star": "actor", "self": "self", "contestant": "self",
    "narrator": "narrator", "voice": "voice_actor", "voice actor": "voice_actor", "voice talent": "voice_actor",
    "director": "director", "writer": "writer", "screenwriter": "writer", "screenplay": "writer", "creator": "creator",
    "author": "original_author", "original author": "original_author", "producer": "producer",
    "executive producer": "executive_producer", "composer": "composer", "music": "composer", "editor": "editor",
    "cinematographer": "cinematographer", "director of photography": "cinematographer", "animator": "animator",
    "production designer": "production_designer", "costume designer": "costume_designer",
}  # fmt: skip

LICENCES: Mapping[str, str] = {
    "svod": "SVOD", "subscription": "SVOD", "subscriptionoffer": "SVOD", "avod": "AVOD", "free": "AVOD",
    "freeoffer": "AVOD", "fvod": "AVOD", "vod": "VOD", "tvod": "VOD", "rental": "VOD", "rentaloffer": "VOD",
    "est": "EST", "purchase": "EST", "purchaseoffer": "EST", "poest": "POEST",
}  # fmt: skip
"""Licence types by the words of the formats, lower case."""

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
_PERIOD = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,6})D)?"
    r"(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})(?:\.\d+)?S)?)?"
)
_EIDR = re.compile(r"(?:urn:eidr:|https?://doi\.org/)?(10\.5240)[/:]((?:[0-9A-F]{4}-){5}[0-9A-Z])", re.IGNORECASE)


def credit(findings: Findings, name: str, job: str, *, display: str = "", character: str = "", billing: int | None = None, guest: bool = False, person_id: str = "") -> Credit | None:  # fmt: skip
    """Answer a credit in our words; a job that we do not know is kept as it is shown. None without a name.

    `display` is how the provider shows the job, kept where it says more than the job.
    """
    name = findings.text("credits.name", name)[:500]
    if not name:
        findings.add("warning", "credits", "missing", "A credit has no name: left out. Add it.")
        return None
    word = " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", job).replace("_", " ").lower().split())
    known = _JOBS.get(word)
    shown = findings.text("credits.job", display or job)[:500]
    return Credit(
        name=name,
        job=known or "other",
        job_display="" if known and (not display or rules.fold(display) == rules.fold(job)) else shown or "Other",
        character=findings.text("credits.character", character)[:500],
        billing=billing if billing is None or 0 < billing < 32_000 else None,
        guest=guest or word.startswith("guest"),
        person_id=person_id[:500],
    )


# The comma before Jr. or Ph.D. belongs to a name.
_BETWEEN_NAMES = re.compile(r",(?!\s*(?:jr|sr|ii|iii|iv|ph\.?\s?d|m\.?d)\.?\s*(?:,|$))", re.IGNORECASE)


def people(text: str) -> list[str]:
    """Answer the names in a list with commas, as they stand there; empty ones too."""
    return [name.strip() for name in _BETWEEN_NAMES.split(text)]


def licence(findings: Findings, field: str, word: str) -> str | None:
    """Answer a licence type in our words; None, with a warning, for one that we do not know."""
    if found := LICENCES.get(word.lower()):
        return found
    findings.add(
        "warning",
        field,
        "unknown_licence",
        f"{word[:50]!r} is no licence type that we know: left out, and grants nothing.",
    )
    return None


def rating(findings: Findings, system: str, value: str, *, country: str = "", reasons: tuple[str, ...] = (), field: str = "ratings") -> Rating | None:  # fmt: skip
    """Answer a rating as its board writes it; None where nobody has rated the title, or can tell whose rating it is.

    Without a `country` it is the board's; without a `system` any board of the country may have given it. One whose age we
    do not know is kept, with a warning.
    """
    value, system = " ".join(value.split()), " ".join(system.split())
    if maturity.is_unrated(value):
        findings.add("info", field, "unrated", "Has no age rating, so profiles with an age limit may not see it.")
        return None
    told = tuple(findings.text(f"{field}.reasons", reason)[:100] for reason in reasons)
    if found := maturity.verdict(system, value, country):
        if found.minimum_age is None:
            findings.add("info", field, "unrated", f"{found.value} of {found.system} is no verdict on its age.")
        return Rating(found.country, found.system, found.value, told)
    where = country or maturity.home_of(system)
    if not geo.is_country(where) or not system or len(value) > 20:
        findings.add(
            "warning", field, "unknown_rating",
            f"{value[:50]!r} of {system[:50] or country or 'nobody'!r} is no rating that we can place: left out. Correct it.",
        )  # fmt: skip
        return None
    findings.add(
        "warning", field, "unknown_rating",
        f"{value!r} of {system[:30]!r} in {where} is no rating whose age we know, so it counts as none: correct it.",
    )  # fmt: skip
    return Rating(where, system[:30], value, told)


def country(findings: Findings, field: str, code: str, *, former: bool = False) -> str | None:
    """Answer a country's code in capitals; None, with an error, for what is none."""
    found = code.strip().upper()
    if geo.is_country(found) or (former and found in FORMER_COUNTRIES):
        return found
    findings.add("error", field, "unknown_country", f"{code[:20]!r} is no code of ISO 3166-1: correct it.")
    return None


def language(findings: Findings, field: str, tag: str) -> str | None:
    """Answer a BCP 47 tag as it is usually written; None, with a warning, for what is none."""
    text = tag.strip().replace("_", "-")
    if not rules.is_language_tag(text):
        findings.add(
            "warning", field, "unknown_language", f"{tag[:20]!r} is no language tag (BCP 47): left out. Correct it."
        )
        return None
    primary, *rest = text.split("-")
    parts = [part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part.lower() for part in rest]
    return "-".join([primary.lower(), *parts])


def allowed_languages(findings: Findings, field: str, tags: Iterable[str]) -> tuple[str, ...]:
    """Answer the languages to which a licence is limited; none of them said is all of them.

    One that we do not know is left out, with a warning, while the licence is limited to others; or else there is
    an error: a limit that nobody understood must not become none.
    """
    said = [tag for tag in tags if tag.strip()]
    found = tuple(dict.fromkeys(tag for word in said if (tag := _licensed(findings, field, word))))
    if said and not found:
        _refuse_limit(findings, field, "unknown_language", "names no language (BCP 47) that we know")
    return found


_LICENSED_TRACKS = {
    "": "",
    "subdub": "",
    "audio": ":audio",
    "dub": ":audio",
    "subtitle": ":subtitle",
    "sub": ":subtitle",
}
"""How licences write what they mean of a language: MovieLabs' words in XML, and in sheets."""


def _licensed(findings: Findings, field: str, word: str) -> str | None:
    """Answer a language of a licence, with what of it is meant (de:audio); None, with a warning, for what is none."""
    tag, _, track = (part.strip() for part in word.partition(":"))
    if track.lower() not in _LICENSED_TRACKS:
        findings.add(
            "warning", field, "unknown_language",
            f"{word[:30]!r} means neither sound nor subtitles (audio, subtitle, subdub): left out. Correct it.",
        )  # fmt: skip
        return None
    if (found := language(findings, field, tag)) is None:
        return None
    licensed = f"{found}{_LICENSED_TRACKS[track.lower()]}"
    if not rules.is_licensed_language(licensed):
        findings.add(
            "warning", field, "unknown_language",
            f"{licensed!r} is too long, over 20 characters: left out. Name the language shorter, as zh-Hans for zh-cmn-Hans-CN.",
        )  # fmt: skip
        return None
    return licensed


def held_back_languages(findings: Findings, field: str, tags: Iterable[str]) -> tuple[str, ...]:
    """Answer the languages that a licence holds back; one that we do not know is an error, or it would be offered."""
    said = [tag for tag in tags if tag.strip()]
    found = [_licensed(findings, field, word) for word in said]
    if None in found:
        _refuse_limit(findings, field, "unknown_language", "holds back what is no language tag (BCP 47)")
    return tuple(dict.fromkeys(tag for tag in found if tag))


def allowed_formats(findings: Findings, field: str, words: Iterable[str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Answer the formats to which a licence is limited, by their words in lower case; as `allowed_languages` does."""
    said = [word.strip() for word in words if word.strip()]
    found = tuple(dict.fromkeys(known[word.lower()] for word in said if word.lower() in known))
    for word in said:
        if word.lower() not in known:
            findings.add(
                "warning", field, "unknown_format",
                f"{word[:20]!r} is no format that we know ({', '.join(dict.fromkeys(known.values()))}): left out. Correct it.",
            )  # fmt: skip
    if said and not found:
        _refuse_limit(findings, field, "unknown_format", "names no format that we know")
    return found


def _refuse_limit(findings: Findings, field: str, code: str, what: str) -> None:
    findings.add("error", field, code, f"The licence {what}, and would hold for more than was granted: correct it.")


@cache
def languages_by_name() -> Mapping[str, str]:
    """Answer language tags by their English names, lower case."""
    names = {entry.name.lower(): entry.alpha_2 for entry in pycountry.languages if hasattr(entry, "alpha_2")}
    return names | {
        name.lower(): tag for tag, name in Locale("en").languages.items() if re.fullmatch("[a-z]{2,3}", tag)
    }


# Names that ISO 3166 does not have, or has only as an official name.
_COUNTRIES = {
    "Czech Republic": "CZ", "East Germany": "DD", "Iran": "IR", "Kosovo": "XK", "Palestine": "PS", "Russia": "RU",
    "South Korea": "KR", "Soviet Union": "SU", "Syria": "SY", "Taiwan": "TW", "Turkey": "TR", "UK": "GB", "USA": "US",
    "United States of America": "US", "Vatican City": "VA", "Venezuela": "VE", "Vietnam": "VN", "West Germany": "DE",
}  # fmt: skip


@cache
def countries_by_name() -> Mapping[str, str]:
    """Answer codes of countries, former ones among them, by their English names, lower case."""
    names = {
        name.lower(): found.alpha_2
        for found in pycountry.countries
        for name in (found.name, getattr(found, "common_name", ""))
        if name
    }
    return {name.lower(): code for name, code in _COUNTRIES.items()} | names


def eidr(findings: Findings, field: str, text: str) -> Identifier | None:
    """Answer an EIDR in its plain form; None for what is none, with a warning when its check character is wrong."""
    found = _EIDR.fullmatch(text.strip())
    if found is None:
        return None
    value = f"{found[1]}/{found[2].upper()}"
    if not rules.is_eidr(value):
        findings.add(
            "warning",
            field,
            "wrong_check_character",
            f"{value} is no EIDR, its check character is wrong: left out. Correct it.",
        )
        return None
    return Identifier("eidr", value)


def duration(findings: Findings, field: str, text: str) -> int | None:
    """Answer the seconds of an ISO 8601 duration or of hh:mm:ss; None, with a warning, for what is neither."""
    text = text.strip()
    if not text:
        return None
    clock = re.fullmatch(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})", text)
    if clock:
        seconds = int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + int(clock[3])
    elif (parts := _DURATION.fullmatch(text)) and any(parts.groups()):
        days, hours, minutes, rest = (int(part or 0) for part in parts.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    else:
        findings.add("warning", field, "unknown_duration", f"{text[:50]!r} is no running time: left out. Correct it.")
        return None
    if not 0 < seconds < 360_000:
        findings.add("warning", field, "unlikely", f"{text[:50]!r} is no likely running time: left out. Correct it.")
        return None
    return seconds


def later(start: datetime | date, text: str) -> datetime | date | None:
    """Answer the moment that lies an ISO 8601 duration after another, as exact as that; None for what is no duration.

    Of a day the hours of a duration count only where they make whole days, so that nothing is granted longer than it says.
    """
    parts = _PERIOD.fullmatch(text.strip())
    if parts is None or not any(parts.groups()):
        return None
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    span = timedelta(days=weeks * 7 + days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        year, month = divmod(start.year * 12 + start.month - 1 + years * 12 + months, 12)
        day = min(start.day, monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day) + (
            span if isinstance(start, datetime) else timedelta(days=span.days)
        )
    except (ValueError, OverflowError):
        return None


def instant(findings: Findings, field: str, text: str, *, end: bool = False) -> datetime | date | None:
    """Answer when a licence begins or ends: an instant, or the day that begins at the territory's own midnight.

    A moment without a zone means the territory's local time. What is stored of it is a day, so that no
    viewer sees a title outside its grant: a beginning within a day becomes the next midnight and an end the
    one before; an end at 23:59 or later, or on a day alone, means the whole of that day. None, with an
    error, for what the calendar lacks.
    """
    text = text.strip()
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return day + timedelta(days=1) if end else day
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        findings.add("error", field, "impossible_date", f"{text[:50]!r} is no date of the calendar: correct it.")
        return None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if moment.time() == time():
        return moment.date()
    if end:
        return moment.date() + timedelta(days=1) if moment.time() >= time(23, 59) else moment.date()
    return moment.date() + timedelta(days=1)


def ends_after_start(
    findings: Findings, field: str, start: datetime | date | None, end: datetime | date | None
) -> bool:
    """Say whether a window is one; where it is not, note the error."""
    if start is None or end is None:
        return True
    days = [bound.date() if isinstance(bound, datetime) else bound for bound in (start, end)]
    wrong = start >= end if type(start) is type(end) else days[0] > days[1]
    if wrong:
        findings.add(
            "error", field, "ends_before_start", f"Ends at {end}, not after its start, {start}. Correct one of them."
        )
    return not wrong
