"""MovieLabs Media Entertainment Core (MEC), versions 2.4 to 2.12: what a title is, in many languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from catalog.ingestion import meaning, movielabs, xml
from catalog.ingestion.reader import Findings
from catalog.ingestion.records import AlternateName, AlternateNumber, Header, Image, RawRecord, Text, TitleRecord

_READ = frozenset(
    {
        "Basic", "LocalizedInfo", "TitleDisplay19", "TitleDisplay60", "TitleDisplayUnlimited", "OriginalTitle",
        "TitleAlternate", "ArtReference", "Summary190", "Summary400", "Summary4000", "Genre", "Keyword", "Region",
        "country", "WorkType", "ReleaseYear", "ReleaseDate", "RunLength", "AltIdentifier", "Namespace", "Identifier",
        "RatingSet", "Rating", "System", "Value", "Reason", "NotRated", "People", "Job", "JobFunction", "JobDisplay",
        "BillingBlockOrder", "Character", "Guest", "Name", "DisplayName", "CountryOfOrigin", "PrimarySpokenLanguage",
        "OriginalLanguage",
        "Parent/ExcludedRegion",
        "AssociatedOrg", "SequenceInfo", "Number", "HouseSequence", "Parent", "ParentContentID", "TitleEIDR-URN",
    }
)  # fmt: skip
# Each asks for itself whether it belongs to a title, and viewers and editors would miss it.
_EXPECTED = ("RunLength", "ReleaseDate", "RatingSet", "PrimarySpokenLanguage")
_PURPOSES = {
    "cover": "poster", "poster": "poster", "boxart": "poster", "hero": "backdrop", "background": "backdrop",
    "backdrop": "backdrop", "banner": "backdrop", "logo": "logo", "still": "still",
}  # fmt: skip
_ALTERNATES = {"misspelling": "misspelling", "working": "working", "abbreviation": "abbreviation"}
_PARENTS = {"season": "isseasonof", "episode": "isepisodeof", "trailer": "ispromotionfor", "extra": "issupplementto"}


class MecReader:
    """Each CoreMetadata is one title; it may stand alone or in a list."""

    name: ClassVar[str] = "movielabs-mec"
    label: ClassVar[str] = "MovieLabs MEC (XML)"
    version: ClassVar[int] = 3
    carries_licences: ClassVar[bool] = False
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        found = xml.records(
            stream, root=frozenset({"CoreMetadata", "CoreMetadataList"}), names=frozenset({"CoreMetadata"})
        )
        for number, (_, core) in enumerate(found, 1):
            basic = xml.first(core, "Basic")
            yield RawRecord(number, "" if basic is None else basic.get("ContentID", ""), xml.written(core))

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        core = xml.parse(raw.content)
        movielabs.check(core, "mdmec", (4, 12), findings)
        findings.left_out |= xml.unread(core, _READ)
        record = _Core(raw, core, findings).record()
        return None if findings.rejected else record


READER = MecReader()


class _Core:
    def __init__(self, raw: RawRecord, core: xml.Element, findings: Findings) -> None:
        self.raw = raw
        self.basic = xml.first(core, "Basic")
        self.findings = findings

    def record(self) -> TitleRecord | None:
        basic, findings = self.basic, self.findings
        kind = movielabs.kind_of(xml.words(basic, "WorkType"), self.relations(), findings)
        if kind is None:
            return None
        localized = xml.all_of(basic, "LocalizedInfo")
        if not localized and kind != "season":
            findings.add("error", "LocalizedInfo", "missing", "Has no LocalizedInfo, so no title: add one.")
        for name in _EXPECTED:
            if xml.first(basic, name) is None and (name != "RunLength" or kind not in {"series", "season"}):
                findings.add("info", name, "missing", f"Has no {name}, which MEC asks for: add it where it is known.")
        parent, number = self.place(kind)
        default = next(
            (info for info in localized if info.get("default") == "true"), localized[0] if localized else None
        )
        self.leave_out_of_others(localized, default)
        language = xml.words(basic, "OriginalLanguage") or xml.words(basic, "PrimarySpokenLanguage")
        return TitleRecord(
            external_id=self.raw.external_id,
            kind=kind,
            parent=parent,
            number=number,
            alternate_numbers=self.alternate_numbers(),
            texts=self.texts(localized),
            original_title=self.original_title(default),
            original_language=(meaning.language(findings, "PrimarySpokenLanguage", language) or "") if language else "",
            alternate_names=self.alternate_names(localized),
            release_date=movielabs.released(
                findings, xml.words(basic, "ReleaseDate") or self.first_release() or xml.words(basic, "ReleaseYear")
            ),
            runtime_seconds=meaning.duration(findings, "RunLength", xml.words(basic, "RunLength")),
            countries=tuple(
                code
                for text in xml.every(basic, "CountryOfOrigin/country")
                if (code := meaning.country(findings, "CountryOfOrigin", text, former=True))
            ),
            companies=movielabs.companies(basic, findings),
            genres=self.genres(default),
            keywords=tuple(
                dict.fromkeys(
                    findings.text("Keyword", word)[:100].lower() for word in xml.every(default, "Keyword") if word
                )
            ),
            credits=movielabs.credits(basic, findings),
            ratings=movielabs.ratings(basic, "RatingSet", findings),
            external_ids=movielabs.identifiers(basic, self.raw.external_id, findings),
            artwork=self.artwork(localized),
        )

    def first_release(self) -> str:
        """Answer the date of the release that was the original one."""
        releases = xml.all_of(self.basic, "ReleaseHistory")
        return next((xml.words(item, "Date") for item in releases if xml.words(item, "ReleaseType") == "original"), "")

    def relations(self) -> set[str]:
        return {parent.get("relationshipType", "") for parent in xml.all_of(self.basic, "Parent")}

    def place(self, kind: str) -> tuple[str, int | None]:
        """Answer what it belongs to, and its number there: the one that holds in most places."""
        relation = _PARENTS.get(kind)
        parents = [item for item in xml.all_of(self.basic, "Parent") if item.get("relationshipType") == relation]
        if kind in {"season", "episode", "trailer", "extra"} and not parents:
            self.findings.add(
                "error", "Parent", "missing", f"Names no Parent of type {relation}, so it belongs to nothing: add it."
            )
        # One Parent may hold for a region alone; what holds elsewhere comes first.
        parents.sort(key=lambda item: xml.first(item, "Region") is not None)
        for other in parents[1:]:
            regions = ", ".join(xml.every(other, "Region/country")) or "other places"
            self.findings.add(
                "warning", "Parent", "regional_place",
                f"Is number {xml.words(other, 'SequenceInfo/Number') or '?'} of {xml.words(other, 'ParentContentID')[:100]}"
                f" in {regions}. A title has one place here, so the first was taken for everywhere.",
            )  # fmt: skip
        number = xml.words(parents[0], "SequenceInfo/Number") if parents else ""
        number = number or xml.words(self.basic, "SequenceInfo/Number")
        if kind in {"season", "episode"} and not number.isdecimal():
            self.findings.add(
                "error", "SequenceInfo", "missing", f"Has no SequenceInfo/Number, which a {kind} needs: add it."
            )
        found = int(number) if number.isdecimal() and int(number) <= 100_000 else None
        return xml.words(parents[0], "ParentContentID") if parents else "", found

    def alternate_numbers(self) -> tuple[AlternateNumber, ...]:
        house = xml.words(self.basic, "SequenceInfo/HouseSequence")
        return (AlternateNumber("production", int(house)),) if house.isdecimal() and int(house) <= 1_000_000 else ()

    def texts(self, localized: list[xml.Element]) -> tuple[Text, ...]:
        """Answer names and synopses by language; what holds in some regions alone stands under the language of each."""
        texts: dict[str, Text] = {}
        # What holds everywhere first: of two for one tag the first counts.
        for info in sorted(localized, key=lambda item: xml.first(item, "Region") is not None):
            for language in self.tags(info):
                if language in texts:
                    self.findings.add(
                        "warning", f"LocalizedInfo.{language}", "repeated",
                        "Stands more than once for this language and region: the first counts. Send it once.",
                    )  # fmt: skip
                    continue
                texts[language] = self.text(info, language)
        return tuple(texts[language] for language in sorted(texts))

    def tags(self, info: xml.Element) -> list[str]:
        """Answer the language of a LocalizedInfo, with each of the countries for which alone it holds."""
        language = meaning.language(self.findings, "LocalizedInfo", info.get("language", ""))
        if not language:
            return []
        countries = [
            code
            for text in xml.every(info, "Region/country")
            if (code := meaning.country(self.findings, f"LocalizedInfo.{language}.Region", text))
        ]
        if not countries or "-" in language:
            return [language]
        return [f"{language}-{country}" for country in dict.fromkeys(countries)]

    def text(self, info: xml.Element, language: str) -> Text:
        names = (xml.words(info, name) for name in ("TitleDisplayUnlimited", "TitleDisplay60", "TitleDisplay19"))
        name = self.findings.text(f"LocalizedInfo.{language}", next((name for name in names if name), ""))[:500]
        if not name:
            self.findings.add(
                "warning", f"LocalizedInfo.{language}", "missing", "Has no TitleDisplayUnlimited: add it."
            )
        text = Text(language, name)
        for length in ("Summary190", "Summary400", "Summary4000"):
            if synopsis := xml.words(info, length):
                text = self.findings.synopsis(length, text, self.findings.text(length, synopsis))
        return text

    def original_title(self, default: xml.Element | None) -> str:
        return self.findings.text("OriginalTitle", xml.words(default, "OriginalTitle"))[:500]

    def alternate_names(self, localized: list[xml.Element]) -> tuple[AlternateName, ...]:
        found: dict[tuple[str, str], AlternateName] = {}
        for info in localized:
            for item in xml.all_of(info, "TitleAlternate"):
                if name := self.findings.text("TitleAlternate", xml.words(item))[:500]:
                    type_ = _ALTERNATES.get(item.get("type", "").lower(), "alternative")
                    found |= {(name, tag): AlternateName(name, tag, type_) for tag in self.tags(info)}
        return tuple(found.values())

    def genres(self, default: xml.Element | None) -> tuple[str, ...]:
        named = sorted(xml.all_of(default, "Genre"), key=lambda item: item.get("level", "0"))
        found = (self.findings.text("Genre", xml.words(item) or item.get("id", ""))[:100] for item in named)
        return tuple(dict.fromkeys(name for name in found if name))

    def leave_out_of_others(self, localized: list[xml.Element], default: xml.Element | None) -> None:
        """Note genres and keywords that only another language than the default one has."""
        for info in localized:
            for name in ("Genre", "Keyword"):
                if set(xml.every(info, name)) - set(xml.every(default, name)):
                    self.findings.left_out.add(f"{name} in {info.get('language', '')[:20]}")

    def artwork(self, localized: list[xml.Element]) -> tuple[Image, ...]:
        """Announce the images; one without an address of its own is known by its image id."""
        found: dict[tuple[str, str], Image] = {}
        for info in localized:
            for item in xml.all_of(info, "ArtReference"):
                source = xml.words(item)
                sides = re.fullmatch(r"(\d+)x(\d+)", item.get("resolution", ""))
                wide = bool(sides) and int(sides[1]) > int(sides[2]) if sides else False
                if source and not source.startswith(("http://", "https://")):
                    self.findings.add(
                        "info", "ArtReference", "no_address",
                        f"{source[:100]} is no address to fetch: put the image into the artwork storage under this name.",
                    )  # fmt: skip
                kind = _PURPOSES.get(item.get("purpose", "").lower()) or ("backdrop" if wide else "poster")
                if source and len(source) <= 2000:
                    found |= {(source, tag): Image(kind, source, tag) for tag in self.tags(info)}
        return tuple(found.values())
