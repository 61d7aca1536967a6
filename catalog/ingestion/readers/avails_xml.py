"""MovieLabs Avails in XML, versions 2.2 to 2.7: licences, each for one title."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from catalog.ingestion import avails, meaning, movielabs, xml
from catalog.ingestion.avails import Grant, Whole
from catalog.ingestion.reader import Findings
from catalog.ingestion.records import Header, RawRecord, TitleRecord

# What is read, and what a record is about without being a fact of a title (who sent it, how it is to be handled).
_READ = frozenset(
    {
        "ALID", "Disposition", "EntryType", "Asset", "WorkType", "Metadata", "EpisodeMetadata", "SeasonMetadata",
        "SeriesMetadata", "TitleDisplayUnlimited", "SeasonTitleDisplayUnlimited", "SeriesTitleDisplayUnlimited",
        "TitleInternalAlias", "SeasonTitleInternalAlias", "SeriesTitleInternalAlias", "SeasonContentID",
        "SeriesContentID", "TitleEIDR-URN", "SeasonEIDR-URN", "SeriesEIDR-URN", "AltIdentifier", "SeasonAltIdentifier",
        "SeriesAltIdentifier", "Namespace", "Identifier", "ReleaseDate", "RunLength", "People", "Job", "JobFunction",
        "JobDisplay", "BillingBlockOrder", "Character", "Guest", "Name", "DisplayName", "Ratings", "Rating",
        "Rating/Region", "System", "Value", "Reason", "country", "EpisodeNumber", "SeasonNumber", "Number",
        "Transaction", "LicenseType", "Territory", "TerritoryExcluded", "countryRegion", "Start", "StartCondition",
        "End", "EndCondition", "WindowDuration", "AllowedLanguage", "HoldbackLanguage", "FormatProfile", "ContractID",
        "ReportingID", "Term", "Term/Event", "Term/Text", "Licensor", "Licensee", "ServiceProvider", "AvailType",
        "ShortDescription",
    }
)  # fmt: skip
_TERMS = frozenset({"AnnounceDate", "SuppressionLiftDate", "TitleStatus"})
_ROOTS = frozenset({"AvailList", "AvailListSigned", "Avail"})


class AvailsXmlReader:
    """Series and seasons that are told of within their episodes' licences become titles too."""

    name: ClassVar[str] = "avails-xml"
    label: ClassVar[str] = "MovieLabs Avails (XML)"
    version: ClassVar[int] = 5
    carries_licences: ClassVar[bool] = True
    describes: ClassVar[bool] = False

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        number = 0
        told: set[str] = set()
        for _, avail in xml.records(stream, root=_ROOTS, names=frozenset({"Avail"})):
            season, series = _wholes(avail)
            for whole, kind, parent in ((series, "series", None), (season, "season", series)):
                if (
                    whole
                    and whole.content_id not in told
                    and (kind == "series" or (parent and whole.number is not None))
                ):
                    told.add(whole.content_id)
                    number += 1
                    yield RawRecord(number, whole.content_id, repr(whole).encode(), (whole, kind, parent), implied=True)
            number += 1
            alid = xml.words(avail, "ALID")
            yield RawRecord(number, f"avail:{alid}" if alid else "", xml.written(avail))

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        if raw.implied:
            whole, kind, parent = raw.data
            return avails.whole_record(whole, kind, parent, findings)
        avail = xml.parse(raw.content)
        movielabs.check(avail, "avails", (2, 7), findings)
        findings.left_out |= xml.unread(avail, _READ)
        record = _Avail(raw, avail, findings).record()
        return None if findings.rejected else record


READER = AvailsXmlReader()


def _wholes(avail: xml.Element) -> tuple[Whole | None, Whole | None]:
    """Answer the season and the series that a licence tells of."""
    asset = xml.first(avail, "Asset")
    episode, own = xml.first(asset, "EpisodeMetadata"), xml.first(asset, "SeasonMetadata")
    season = xml.first(episode, "SeasonMetadata") if episode is not None else own
    series = xml.first(season, "SeriesMetadata")
    if series is None:
        series = xml.first(episode, "SeriesMetadata")
    return (
        _whole(season, "Season") if own is None else None,
        _whole(series, "Series"),
    )


def _whole(metadata: xml.Element | None, kind: str) -> Whole | None:
    content_id = xml.words(metadata, f"{kind}ContentID")
    if not content_id:
        return None
    number = xml.words(metadata, f"{kind}Number/Number") or xml.words(metadata, f"{kind}Number")
    return Whole(
        content_id, _names(metadata, kind), int(number) if number.isdecimal() and int(number) <= 100_000 else None
    )


def _names(metadata: xml.Element | None, prefix: str) -> tuple[tuple[str, str], ...]:
    """Answer the names that viewers see with their languages, or else the one that is used between partners."""
    shown = xml.all_of(metadata, f"{prefix}TitleDisplayUnlimited")
    named = shown or xml.all_of(metadata, f"{prefix}TitleInternalAlias")[:1]
    return tuple((item.get("language", ""), xml.words(item)) for item in named if xml.words(item))


class _Avail:
    def __init__(self, raw: RawRecord, avail: xml.Element, findings: Findings) -> None:
        self.raw = raw
        self.avail = avail
        self.asset = xml.first(avail, "Asset")
        self.findings = findings

    def record(self) -> TitleRecord | None:
        findings, asset = self.findings, self.asset
        if not self.raw.external_id:
            findings.add("error", "ALID", "missing", "Has no ALID: add one that never changes.")
        if asset is None:
            findings.add("error", "Asset", "missing", "Has no Asset, so it licenses nothing: add it.")
            return None
        kind = movielabs.kind_of(xml.words(asset, "WorkType"), set(), findings)
        if kind is None:
            return None
        content_id = asset.get("contentID", "")
        if not content_id:
            findings.add("error", "Asset", "missing", "Has no contentID, by which its title is known: add it.")
        if (assets := len(xml.all_of(self.avail, "Asset"))) > 1:
            findings.add(
                "warning", "Asset", "more_assets",
                f"Has {assets} assets, of which the first alone, {content_id[:100]!r}, is licensed: send an Avail for each.",
            )  # fmt: skip
        if xml.words(self.avail, "Disposition/EntryType").lower() in avails.DELETES:
            return TitleRecord(self.raw.external_id, kind, withdrawn=True)
        grants = [self.grant(item) for item in xml.all_of(self.avail, "Transaction")]
        if grants and all(avails.is_revoked(grant.status) for grant in grants):
            return TitleRecord(self.raw.external_id, kind, withdrawn=True)
        return self.licensed(kind, content_id, grants)

    def licensed(self, kind: str, content_id: str, grants: list[Grant]) -> TitleRecord:
        findings = self.findings
        names = ("Metadata", "EpisodeMetadata", "SeasonMetadata", "SeriesMetadata")
        about = next((found for name in names if (found := xml.first(self.asset, name)) is not None), None)
        prefix = {"season": "Season", "series": "Series"}.get(kind, "")
        texts = avails.texts(_names(about, prefix), f"{prefix}TitleDisplayUnlimited", findings)
        if not texts and kind != "season":
            findings.add("error", f"{prefix}TitleDisplayUnlimited", "missing", "Has no title: add it.")
        season, series = _wholes(self.avail)
        of = {"season": series, "episode": season}.get(kind)
        number = self.number(about, kind)
        windows = [
            avails.window(grant, f"Transaction[{place}]", findings)
            for place, grant in enumerate(grants)
            if not avails.is_revoked(grant.status)
        ]
        if not grants:
            findings.add("error", "Transaction", "missing", "Has no Transaction, so it grants nothing: add one.")
        return TitleRecord(
            external_id=self.raw.external_id,
            kind=kind,
            parent=of.content_id if of else "",
            parent_missing=avails.not_made(kind, of),
            parent_identifier=movielabs.content_identifier(of.content_id) if of else None,
            number=number,
            texts=texts,
            release_date=movielabs.released(findings, xml.words(about, "ReleaseDate")),
            runtime_seconds=meaning.duration(findings, "RunLength", xml.words(about, "RunLength")),
            credits=movielabs.credits(about, findings),
            ratings=movielabs.ratings(about, "Ratings", findings),
            external_ids=movielabs.identifiers(about, content_id, findings),
            windows=tuple(window for window in windows if window),
            names_licences=True,
        )

    def number(self, about: xml.Element | None, kind: str) -> int | None:
        if kind not in {"season", "episode"}:
            return None
        name = "SeasonNumber" if kind == "season" else "EpisodeNumber"
        text = xml.words(about, f"{name}/Number") or xml.words(about, name)
        if not text.isdecimal() or int(text) > 100_000:
            self.findings.add("error", name, "missing", f"Does not say which {kind} it is: add {name}.")
            return None
        return int(text)

    def grant(self, item: xml.Element) -> Grant:
        terms = {
            term.get("termName", ""): xml.words(term, "Event") or xml.words(term, "Text") or xml.words(term)
            for term in xml.all_of(item, "Term")
        }
        self.findings.left_out |= {f"Term {name}"[:100] for name in terms.keys() - _TERMS}
        return Grant(
            licence=xml.words(item, "LicenseType"),
            territories=[*xml.every(item, "Territory/country"), *xml.every(item, "Territory/countryRegion")],
            excluded=[
                *xml.every(item, "TerritoryExcluded/country"),
                *xml.every(item, "TerritoryExcluded/countryRegion"),
            ],
            announce=terms.get("AnnounceDate") or terms.get("SuppressionLiftDate", ""),
            start=xml.words(item, "Start"),
            start_condition=xml.words(item, "StartCondition"),
            end=xml.words(item, "End"),
            end_condition=xml.words(item, "EndCondition"),
            duration=xml.words(item, "WindowDuration"),
            status=terms.get("TitleStatus", ""),
            languages=_languages(item, "AllowedLanguage"),
            holdbacks=_languages(item, "HoldbackLanguage"),
            formats=_formats(item),
            grant_id=item.get("TransactionID", ""),
            contract_id=xml.words(item, "ContractID"),
            reporting_id=xml.words(item, "ReportingID"),
        )


def _languages(item: xml.Element, name: str) -> list[str]:
    """Answer languages with what is meant of them, as sheets write it: de:audio."""
    return [
        f"{tag}:{asset}" if (asset := found.get("asset", "").strip()) else tag
        for found in xml.all_of(item, name)
        if (tag := xml.words(found))
    ]


def _formats(item: xml.Element) -> list[str]:
    return [
        avails.format_profile(name, found.get("HDR", ""))
        for found in xml.all_of(item, "FormatProfile")
        if (name := xml.words(found))
    ]
