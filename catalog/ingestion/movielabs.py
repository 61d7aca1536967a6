"""What MEC and Avails share: MovieLabs Common Metadata (md)."""

from __future__ import annotations

import re

from catalog.ingestion import meaning, xml
from catalog.ingestion.reader import Findings, partial_date
from catalog.ingestion.records import Credit, Identifier, PartialDate, Rating

_KINDS = {
    "movie": "movie", "feature film": "movie", "short": "movie", "tv movie": "movie", "concert": "movie",
    "documentary": "movie", "series": "series", "miniseries": "series", "season": "season", "episode": "episode",
    "non-episodic show": "special", "special": "special", "promotion": "trailer", "trailer": "trailer",
    "supplemental": "extra", "supplement": "extra", "excerpt": "extra",
}  # fmt: skip
_RELATIONS = {
    "ispromotionfor": "trailer",
    "istrailerof": "trailer",
    "issupplementto": "extra",
    "isepisodeof": "episode",
}
_ROLES = {"distributor": "distribution", "broadcaster": "broadcast"}
_VERSION = re.compile(r"/v(\d+)\.(\d+)")
_EIDR_ID = re.compile(r"(?:md:cid:|urn:)?eidr-[sx]:((?:[0-9A-F]{4}-){5}[0-9A-Z])", re.IGNORECASE)


def check(element: xml.Element, family: str, minor: tuple[int, int], findings: Findings) -> None:
    """Check a record by the schema of its version, or say by which rules it is read instead.

    `minor` are the first and last minor versions of major version 2 that we know.
    """
    found = _VERSION.search(xml.namespace_of(element))
    if found is None:
        findings.add(
            "warning", "", "no_version", "Names no version in its namespace: read by the newest rules. Declare it."
        )
        return
    version = f"{found[1]}.{found[2]}"
    if int(found[1]) != 2 or not minor[0] <= int(found[2]) <= minor[1]:
        nearest = max(minor[0], min(int(found[2]), minor[1])) if int(found[1]) == 2 else minor[1]
        findings.add("info", "", "other_version", f"Is of version {version}: read by the rules of 2.{nearest}.")
        return
    xml.validate(element, family, version, findings)


def kind_of(work_type: str, relations: set[str], findings: Findings) -> str | None:
    """Answer our kind of a WorkType; None, with an error, for what is no title."""
    for relation, kind in _RELATIONS.items():
        if relation in relations and work_type.lower() in {"supplemental", "promotion", "excerpt", "non-episodic show"}:
            return kind
    if known := _KINDS.get(work_type.lower()):
        return known
    if not work_type:
        findings.add("error", "WorkType", "missing", "Has no WorkType: say what it is.")
    else:
        findings.add(
            "error", "WorkType", "unsupported",
            f"A {work_type[:50]} is no title that we show: deliver what it consists of, each by itself.",
        )  # fmt: skip
    return None


def released(findings: Findings, text: str) -> PartialDate | None:
    """Answer a date of release, of which the time of day is left out."""
    try:
        return partial_date(text[:10]) if text else None
    except ValueError:
        findings.add("warning", "ReleaseDate", "impossible_date", f"{text[:50]!r} is no date: left out. Correct it.")
        return None


def credits(element: xml.Element | None, findings: Findings) -> tuple[Credit, ...]:  # noqa: A001 - what they are
    """Answer the People of an element, one credit for each of their jobs."""
    made = []
    for person in xml.all_of(element, "People"):
        name = xml.words(person, "Name/DisplayName")
        identifier = xml.words(person, "Identifier/Identifier")
        for job in xml.all_of(person, "Job"):
            order = xml.words(job, "BillingBlockOrder")
            made.append(
                meaning.credit(
                    findings,
                    name,
                    xml.words(job, "JobFunction"),
                    display=xml.words(job, "JobDisplay"),
                    character=xml.words(job, "Character"),
                    billing=int(order) if order.isdecimal() else None,
                    guest=xml.words(job, "Guest") in {"true", "1"},
                    person_id=identifier,
                )
            )
    return tuple(credit for credit in made if credit)


def ratings(element: xml.Element | None, path: str, findings: Findings) -> tuple[Rating, ...]:
    """Answer the ratings at a path, each in the countries it names."""
    made = [
        meaning.rating(
            findings,
            xml.words(item, "System"),
            xml.words(item, "Value"),
            country=country.upper(),
            reasons=tuple(xml.every(item, "Reason")),
        )
        for item in xml.all_of(element, f"{path}/Rating")
        for country in xml.every(item, "Region/country") or [""]
    ]
    return tuple(rating for rating in made if rating)


def identifiers(element: xml.Element | None, content_id: str, findings: Findings) -> tuple[Identifier, ...]:
    """Answer the ids that name the title: its ContentID, its EIDR, and those of AltIdentifier."""
    found: list[Identifier | None] = [content_identifier(content_id)]
    if match := _EIDR_ID.fullmatch(content_id):
        found.append(meaning.eidr(findings, "ContentID", f"10.5240/{match[1]}"))
    for field in ("TitleEIDR-URN", "SeasonEIDR-URN", "SeriesEIDR-URN"):
        found += [meaning.eidr(findings, field, text) for text in xml.every(element, field)]
    for item in (item for kind in ("", "Season", "Series") for item in xml.all_of(element, f"{kind}AltIdentifier")):
        namespace, value = xml.words(item, "Namespace").lower(), xml.words(item, "Identifier")
        if namespace == "eidr":
            found.append(meaning.eidr(findings, "AltIdentifier", value))
        elif 0 < len(namespace) <= 50 and 0 < len(value) <= 255:
            found.append(Identifier(namespace, value))
    return tuple(dict.fromkeys(identifier for identifier in found if identifier))


def content_identifier(content_id: str) -> Identifier | None:
    """Answer a ContentID as an external id, by which a licence finds the title that it is for."""
    return Identifier("movielabs", content_id) if 0 < len(content_id) <= 255 else None


def companies(element: xml.Element | None, findings: Findings) -> tuple[dict[str, str], ...]:
    """Answer the companies that are named as such; sponsors are not."""
    found = {
        (findings.text("AssociatedOrg", name)[:200], _ROLES.get(item.get("role", ""), "production"))
        for item in xml.all_of(element, "AssociatedOrg")
        if (name := xml.words(item, "DisplayName")) and item.get("role") != "sponsor"
    }
    return tuple({"name": name, "role": role} for name, role in sorted(found))
