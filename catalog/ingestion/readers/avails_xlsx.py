"""MovieLabs (EMA) Avails in spreadsheets, versions 1.7 to 1.9: one licence a row, films or television."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO, ClassVar

import openpyxl
import orjson
from openpyxl.utils.exceptions import InvalidFileException

from catalog import rules
from catalog.ingestion import avails, meaning, movielabs
from catalog.ingestion.avails import Grant, Whole
from catalog.ingestion.reader import MAX_LINE, Findings, UnreadableDelivery
from catalog.ingestion.records import Header, Identifier, Problem, RawRecord, TitleRecord

MAX_UNPACKED = 100 << 20
"""A workbook of a hundred thousand licences unpacks to half of this many bytes."""
MAX_RATIO = 200
MAX_ROWS, MAX_COLUMNS = 200_000, 300
_REQUIRED = frozenset({"Territory", "WorkType", "EntryType", "LicenseType", "Start", "End", "ALID"})
# What is read, and who licenses to whom, which the provider says.
_READ = frozenset(
    {
        "DisplayName", "Licensee", "ServiceProvider", "AssetLanguage", "Territory", "TerritoryExclusion", "WorkType",
        "EntryType", "ContentID", "TitleInternalAlias", "TitleDisplayUnlimited", "EpisodeContentID", "EpisodeTitleInternalAlias",
        "EpisodeTitleDisplayUnlimited", "EpisodeNumber", "SeasonContentID", "SeasonTitleInternalAlias",
        "SeasonTitleDisplayUnlimited", "SeasonNumber", "SeriesContentID", "SeriesTitleInternalAlias",
        "SeriesTitleDisplayUnlimited", "LicenseType", "FormatProfile", "Start", "End", "WindowDuration", "TitleStatus",
        "AnnounceDate", "SuppressionLiftDate", "AllowedLanguages", "HoldbackLanguage", "ContractID", "ReportingID",
        "AvailID", "ALID", "ReleaseYear", "ReleaseHistoryOriginal", "TotalRunTime", "Director", "RatingSystem",
        "RatingValue", "RatingReason", "TitleID", "EpisodeTitleID", "EpisodeID", "SeasonTitleID", "SeasonID",
        "SeriesTitleID", "SeriesID", "ID", "HDR",
    }
)  # fmt: skip
_EIDR = re.compile(r"10\.5240/.+")
_Row = Mapping[str, str]
_Names = tuple[tuple[str, str], ...]
"""Languages, or nothing where a row names none, with the name in each."""


class AvailsSpreadsheetReader:
    """Columns are known by their names in the second row, so that the versions differ in what is absent alone."""

    name: ClassVar[str] = "avails-xlsx"
    label: ClassVar[str] = "MovieLabs Avails (spreadsheet)"
    version: ClassVar[int] = 6
    carries_licences: ClassVar[bool] = True
    describes: ClassVar[bool] = False

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        number = 0
        told: set[str] = set()
        names = _names(stream)
        for place, row, others in _rows(stream):
            season, series = _wholes(row, names)
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
            shown = names.get(row.get(f"{_prefix(row)}ContentID", ""), ())
            content = orjson.dumps([row, shown], option=orjson.OPT_SORT_KEYS)
            own = _own_id(row)
            if len(content) > MAX_LINE:
                fault = Problem(
                    number, own[:255], "", "row_too_long", "error", f"Row {place} is longer than {MAX_LINE:,} bytes."
                )
                yield RawRecord(number, own, b"", fault=fault)
            else:
                yield RawRecord(number, own, content, (row, shown, others))

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        if raw.implied:
            whole, kind, parent = raw.data
            return avails.whole_record(whole, kind, parent, findings)
        findings.left_out |= (raw.data[0].keys() - _READ) | raw.data[2]
        record = _Licence(raw, findings).record()
        return None if findings.rejected else record


READER = AvailsSpreadsheetReader()


def _rows(stream: BinaryIO) -> Iterator[tuple[int, _Row, set[str]]]:
    """Yield each row that says something, by the names of its columns, with its number in the sheet.

    Sheets without these columns are not read; each row comes with their names.
    """
    _refuse_bombs(stream)
    try:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        read, others = _chosen(book.worksheets)
        for names, sheet in read:
            # One row and one column more than we take.
            cells = sheet.iter_rows(min_row=3, max_row=MAX_ROWS + 1, max_col=MAX_COLUMNS + 1, values_only=True)
            for place, values in enumerate(cells, 3):
                texts = [_text(value) for value in values]
                if not any(texts) or sum(text.startswith("//") for text in texts) > 2:
                    # Empty, or the template's notes on what is required.
                    continue
                if place > MAX_ROWS or any(texts[MAX_COLUMNS:]):
                    raise UnreadableDelivery(
                        f"A sheet has more than {MAX_ROWS:,} rows or {MAX_COLUMNS} columns: deliver it in parts."
                    )
                # What stands under no name is told of by its place.
                yield (
                    place,
                    {
                        name or f"column {n}": text
                        for n, (name, text) in enumerate(zip(names, texts, strict=False), 1)
                        if text
                    },
                    others,
                )
    except (InvalidFileException, zipfile.BadZipFile, KeyError, IndexError, ValueError, SyntaxError, OSError) as error:
        raise UnreadableDelivery(
            f"The file is no sound workbook (.xlsx): {' '.join(str(error).split())[:200]}. Save it anew."
        ) from error


def _chosen(sheets: Iterable[Any]) -> tuple[list[tuple[list[str], Any]], set[str]]:
    """Answer the sheets to read, each behind its columns, and what the others are called. Raises UnreadableDelivery.

    What is hidden grants nothing: nobody who looks at the workbook sees it.
    """
    read, others, lacking = [], set(), []
    for sheet in sheets:
        names, is_hidden = _columns(sheet), sheet.sheet_state != "visible"
        missing = _REQUIRED - set(names)
        if not (missing or is_hidden):
            read.append((names, sheet))
        elif any(names):
            others.add(f"{'hidden ' * is_hidden}sheet {sheet.title}")
        if missing and not is_hidden:
            lacking.append((len(missing), sheet.title, missing))
    number, title, missing = min(lacking, default=(0, "", _REQUIRED))
    # One that has most of them is no sheet of notes: nothing would tell that its licences are left out.
    if not read or 0 < number <= len(_REQUIRED) // 2:
        place = f" (sheet {title})" if read else ""
        raise UnreadableDelivery(
            f"The second row must name the columns of Avails 1.7 to 1.9; it lacks {', '.join(sorted(missing))}{place}."
            " Choose the right format, or correct the sheet."
        )
    return read, others


def _columns(sheet: Any) -> list[str]:
    """Answer the names in the second row of a sheet."""
    names = next(sheet.iter_rows(min_row=2, max_row=2, max_col=MAX_COLUMNS + 1, values_only=True), ())
    return [str(name or "").strip() for name in names]


def _refuse_bombs(stream: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(stream) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableDelivery(
            "The file is no workbook (.xlsx): choose the right format, or save it anew."
        ) from error
    size = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts) or 1
    if size > MAX_UNPACKED or len(parts) > 1000 or (size > 10 << 20 and size / packed > MAX_RATIO):
        raise UnreadableDelivery(
            f"The workbook unpacks to {size:,} bytes; {MAX_UNPACKED:,}, and {MAX_RATIO} times its size, are the most."
            " Deliver it in parts."
        )
    stream.seek(0)


def _text(value: Any) -> str:
    """Answer a cell as text: moments in ISO 8601, whole numbers without a point."""
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat() if value.time() != time() else value.date().isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return f"PT{int(value.total_seconds())}S"
        case float() if value.is_integer():
            return str(int(value))
    return str(value).strip()


def _own_id(row: _Row) -> str:
    """Answer the offer's id with the licence's own, or else with what tells it from the offer's other licences."""
    alid = row.get("ALID", "").replace("|", "/")
    if not alid:
        return ""
    if own := row.get("AvailID"):
        return f"avail:{alid}|{own}"
    names = (
        "Territory",
        "TerritoryExclusion",
        "LicenseType",
        "FormatProfile",
        "AssetLanguage",
        "AllowedLanguages",
        "Start",
    )
    parts = [row.get(name, "") for name in names] + ([row["HDR"]] if row.get("HDR") else [])
    return f"avail:{alid}|{'|'.join(parts)}"


def _prefix(row: _Row) -> str:
    """Answer how the columns of what a row licenses begin: those of films alone have no word before them."""
    prefixes = {"season": "Season", "series": "Series", "miniseries": "Series", "episode": "Episode"}
    return prefixes.get(row.get("WorkType", "").lower(), "")


def _names(stream: BinaryIO) -> dict[str, _Names]:
    """Answer the names of each title by the language of its rows, first named first.

    A title has a row for each language, and each row is to say all of its names: else the last would be its only one.
    """
    found: dict[str, dict[str, str]] = {}
    for _, row, _others in _rows(stream):
        language = re.split(r"[,;:]", row.get("AssetLanguage", ""))[0].strip()
        language = language if rules.is_language_tag(language) else ""
        for prefix in ("", "Episode", "Season", "Series"):
            content_id = row.get(f"{prefix}ContentID")
            name = row.get(f"{prefix}TitleDisplayUnlimited") or row.get(f"{prefix}TitleInternalAlias")
            if content_id and name:
                found.setdefault(content_id, {}).setdefault(language.lower(), name)
    return {content_id: tuple(names.items()) for content_id, names in found.items()}


def _wholes(row: _Row, names: Mapping[str, _Names]) -> tuple[Whole | None, Whole | None]:
    kind = row.get("WorkType", "").lower()
    if kind not in {"episode", "season"}:
        return None, None
    season = _whole(row, "Season", names) if kind == "episode" else None
    return season, _whole(row, "Series", names)


def _whole(row: _Row, kind: str, names: Mapping[str, _Names]) -> Whole | None:
    content_id = row.get(f"{kind}ContentID", "")
    if not content_id:
        return None
    number = row.get(f"{kind}Number", "")
    is_number = number.isdecimal() and int(number) <= 100_000
    return Whole(content_id, names.get(content_id, ()), int(number) if is_number else None)


class _Licence:
    def __init__(self, raw: RawRecord, findings: Findings) -> None:
        self.raw = raw
        self.row: _Row
        self.names: _Names
        self.row, self.names, _ = raw.data
        self.findings = findings

    def record(self) -> TitleRecord | None:
        row, findings = self.row, self.findings
        kind = movielabs.kind_of(row.get("WorkType", ""), set(), findings)
        if kind is None:
            return None
        prefix = _prefix(row)
        content_id = row.get(f"{prefix}ContentID", "")
        if not content_id:
            findings.add(
                "error",
                f"{prefix}ContentID",
                "missing",
                "Is empty, so nobody knows which title it licenses: fill it in.",
            )
        if row.get("EntryType", "").lower() in avails.DELETES or avails.is_revoked(row.get("TitleStatus", "")):
            return TitleRecord(self.raw.external_id, kind, withdrawn=True)
        texts = avails.texts(self.names, f"{prefix}TitleDisplayUnlimited", findings)
        if not texts and kind != "season":
            findings.add("error", f"{prefix}TitleInternalAlias", "missing", "Has no title: fill it in.")
        season, series = _wholes(row, {})
        of = {"season": series, "episode": season}.get(kind)
        window = avails.window(self.grant(), "row", findings)
        return TitleRecord(
            external_id=self.raw.external_id,
            kind=kind,
            parent=of.content_id if of else "",
            parent_missing=avails.not_made(kind, of),
            parent_identifier=movielabs.content_identifier(of.content_id) if of else None,
            number=self.number(kind),
            texts=texts,
            release_date=movielabs.released(findings, row.get("ReleaseHistoryOriginal") or row.get("ReleaseYear", "")),
            runtime_seconds=meaning.duration(findings, "TotalRunTime", row.get("TotalRunTime", "")),
            credits=tuple(
                credit
                for name in meaning.people(row.get("Director", ""))
                if name and (credit := meaning.credit(findings, name, "director"))
            ),
            ratings=self.ratings(),
            external_ids=self.identifiers(content_id, prefix),
            windows=(window,) if window else (),
            names_licences=True,
        )

    def number(self, kind: str) -> int | None:
        if kind not in {"season", "episode"}:
            return None
        text = self.row.get("SeasonNumber" if kind == "season" else "EpisodeNumber", "")
        if not text.isdecimal() or int(text) > 100_000:
            self.findings.add(
                "error", f"{kind.title()}Number", "missing", f"Does not say which {kind} it is: fill it in."
            )
            return None
        return int(text)

    def ratings(self) -> Any:
        row = self.row
        if not row.get("RatingSystem"):
            return ()
        territory = row.get("Territory", "").split(",")[0].strip().upper()
        reasons = tuple(reason.strip() for reason in row.get("RatingReason", "").split(",") if reason.strip())
        found = meaning.rating(
            self.findings, row["RatingSystem"], row.get("RatingValue", ""), country="" if len(territory) != 2 else territory,
            reasons=reasons,
        )  # fmt: skip
        return (found,) if found else ()

    def identifiers(self, content_id: str, prefix: str) -> tuple[Identifier, ...]:
        given = self.row.get(f"{prefix}TitleID") or self.row.get(f"{prefix}ID", "")
        found = [*movielabs.identifiers(None, content_id, self.findings)]
        if _EIDR.match(given) and (own := meaning.eidr(self.findings, f"{prefix}TitleID", given)):
            found.append(own)
        return tuple(dict.fromkeys(found))

    def grant(self) -> Grant:
        row = self.row
        return Grant(
            licence=row.get("LicenseType", ""),
            territories=_list(row, "Territory"),
            excluded=_list(row, "TerritoryExclusion"),
            announce=row.get("AnnounceDate") or row.get("SuppressionLiftDate", ""),
            start=row.get("Start", ""),
            end=row.get("End", ""),
            duration=row.get("WindowDuration", ""),
            status=row.get("TitleStatus", ""),
            languages=_list(row, "AllowedLanguages"),
            holdbacks=_list(row, "HoldbackLanguage"),
            formats=[avails.format_profile(name, row.get("HDR", "")) for name in _list(row, "FormatProfile")],
            grant_id=row.get("AvailID", ""),
            contract_id=row.get("ContractID", ""),
            reporting_id=row.get("ReportingID", ""),
        )


def _list(row: _Row, name: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,;]", row.get(name, "")) if part.strip()]
