"""What strangers may send: each is refused or reported clearly, in bounded memory, and stops nothing else."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import openpyxl
import pytest

from catalog.ingestion.formats import READERS
from catalog.ingestion.reader import UnreadableDelivery
from catalog.ingestion.readers import avails_xlsx
from catalog.models import Credit, SourceRecord, Title, TitleNumber, TitleText
from tests.factories.catalog import ProviderFactory, counts, feed, ingest, movie

pytestmark = pytest.mark.django_db

XML = ("firetv", "movielabs-mec", "avails-xml", "mrss")
ROOTS = {"firetv": "Catalog", "movielabs-mec": "CoreMetadataList", "avails-xml": "AvailList", "mrss": "rss"}
JSON = ("roku-search", "roku-direct", "tvmaze")


class Endless(io.RawIOBase):
    """A file of many gigabytes, of which nobody should read more than a few megabytes."""

    def __init__(self, beginning: bytes, block: bytes) -> None:
        self._blocks = self._all(beginning, block)
        self.given = 0

    @staticmethod
    def _all(beginning: bytes, block: bytes) -> Iterator[bytes]:
        yield beginning
        while True:
            yield block

    def read(self, size: int = -1) -> bytes:
        block = next(self._blocks)
        self.given += len(block)
        assert self.given < 64 << 20
        return block


def film(title: str, own: str = "f1", more: str = "") -> str:
    return f"<Movie><ID>{own}</ID><Title locale='en'>{title}</Title>{more}</Movie>"


def catalog(*works: str, before: str = "") -> bytes:
    return f"{before}<Catalog><Works>{''.join(works)}</Works></Catalog>".encode()


class TestXml:
    @pytest.mark.parametrize("name", XML)
    @pytest.mark.parametrize(
        "entities",
        [
            "<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;'>",
            "<!ENTITY c SYSTEM 'file:///etc/passwd'>",
            "<!ENTITY c SYSTEM 'http://127.0.0.1:9/secret'>",
            "<!ENTITY % remote SYSTEM 'http://127.0.0.1:9/x.dtd'> %remote;",
        ],
        ids=["bomb", "file", "address", "parameter"],
    )
    def test_that_declares_entities_is_refused(self, name: str, entities: str) -> None:
        root = ROOTS[name]
        content = f"<!DOCTYPE {root} [{entities}]><{root}>&c;</{root}>".encode()
        run = ingest(content, ProviderFactory.create(), format=name)
        assert run.state == "failed"
        assert "document type" in run.failure or "sound XML" in run.failure
        assert "root:" not in run.failure

    def test_with_a_document_type_elsewhere_is_refused_too(self) -> None:
        content = b"<!DOCTYPE Catalog SYSTEM 'http://127.0.0.1:9/catalog.dtd'>" + catalog(film("The Pier"))
        run = ingest(content, ProviderFactory.create(), format="firetv")
        assert (run.state, "document type" in run.failure) == ("failed", True)

    @pytest.mark.parametrize(
        "beginning", [b"<Catalog><Works><Movie><ID>1</ID><Title>", b"<Catalog>", b"<Catalog><Works><Movie "]
    )
    def test_of_gigabytes_without_end_is_refused_after_a_few_megabytes(self, beginning: bytes) -> None:
        stream = Endless(beginning, b"a" * 65536)
        with pytest.raises(UnreadableDelivery):
            list(READERS["firetv"].split(stream))  # type: ignore[arg-type]  # it reads like a file

    def test_nested_deeply_is_refused(self) -> None:
        run = ingest(catalog(film("x", more="<a>" * 100_000)), ProviderFactory.create(), format="firetv")
        assert run.state == "failed"
        assert "sound XML: Excessive depth" in run.failure
        assert "HUGE" not in run.failure

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
    def test_in_an_encoding_that_it_declares_is_read(self, encoding: str) -> None:
        text = f"<?xml version='1.0' encoding='{encoding}'?>{catalog(film('Café')).decode()}"
        run = ingest(text.encode(encoding), ProviderFactory.create(), format="firetv")
        assert counts(run) == {"read": 1, "created": 1}
        assert TitleText.objects.get().name == "Café"

    def test_in_another_encoding_than_it_declares_is_refused(self) -> None:
        run = ingest(catalog(film("Café")).decode().encode("latin-1"), ProviderFactory.create(), format="firetv")
        assert run.state == "failed"
        assert "sound XML" in run.failure

    def test_cut_off_in_the_middle_is_refused_whole(self) -> None:
        run = ingest(catalog(film("A"), film("B", "f2"))[:-30], ProviderFactory.create(), format="firetv")
        assert run.state == "failed"
        assert not Title.objects.exists()

    def test_of_one_bad_record_keeps_the_others(self) -> None:
        content = catalog(film("", "f1"), film("The Pier", "f2"), film("Bad", "f3", "<Offers><FreeOffer><Regions><Country>UK</Country></Regions></FreeOffer></Offers>"))  # fmt: skip
        run = ingest(content, ProviderFactory.create(), format="firetv")
        assert counts(run) == {"read": 3, "created": 1, "rejected": 2}

    def test_of_many_records_is_read_in_constant_memory(self) -> None:
        """A hundred megabytes, of which the reader never holds more than a record."""
        import tracemalloc

        works = iter(range(100_000))
        size = 0

        class Works(io.RawIOBase):
            def read(self, _: int = -1) -> bytes:
                nonlocal size
                number = next(works, None)
                if number is None:
                    return b""
                beginning = b"<Catalog><Works>" if number == 0 else b""
                end = b"</Works></Catalog>" if number == 99_999 else b""
                block = beginning + film("T" * 900, f"f{number}").encode() + end
                size += len(block)
                return block

        tracemalloc.start()
        stream: Any = Works()
        read = len([None for _ in READERS["firetv"].split(stream)])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (read, size > 90 << 20, peak < 8 << 20) == (100_000, True, True)


class TestJson:
    @pytest.mark.parametrize("name", JSON)
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[1, 2",
            b"\xff\xfe{\x00}\x00",
            '{"providerName": "Caf\u00e9"}'.encode("latin-1"),
            b"<Catalog/>",
            b"\x00" * 100,
        ],
        ids=["empty", "open", "cut", "utf-16", "latin-1", "xml", "nul"],
    )
    def test_that_is_none_is_refused(self, name: str, content: bytes) -> None:
        run = ingest(content, ProviderFactory.create(), format=name)
        assert run.state == "failed"
        assert run.failure

    @pytest.mark.parametrize("opening", [b"[", b'{"a":'])
    def test_nested_deeply_is_refused(self, opening: bytes) -> None:
        run = ingest(opening * 1_000_000, ProviderFactory.create(), format="tvmaze")
        assert (run.state, "nested" in run.failure) == ("failed", True)

    def test_of_one_endless_text_is_refused_after_a_few_megabytes(self) -> None:
        stream = Endless(b'[{"id": 1, "name": "', b"a" * 65536)
        with pytest.raises(UnreadableDelivery, match="longer than"):
            list(READERS["tvmaze"].split(stream))  # type: ignore[arg-type]  # it reads like a file

    def test_with_a_byte_order_mark_is_read(self) -> None:
        content = b'\xef\xbb\xbf[{"id": 1, "name": "The Pier", "url": "http://www.tvmaze.com/shows/1/the-pier"}]'
        run = ingest(content, ProviderFactory.create(), format="tvmaze")
        assert counts(run) == {"read": 1, "created": 1}

    @pytest.mark.parametrize("value", ['"x"', "[]", "{}", "null", "1e400", "-1", '{"a": [1]}'])
    @pytest.mark.parametrize(
        "name", ["name", "genres", "externals", "image", "network", "premiered", "url", "id", "season"]
    )
    def test_of_other_types_than_expected_stops_nothing(self, name: str, value: str) -> None:
        odd = f'{{"id": 1, "name": "A", "{name}": {value}}}'
        content = f'[{odd}, {{"id": 2, "name": "The Pier"}}]'.encode()
        run = ingest(content, ProviderFactory.create(), format="tvmaze")
        assert run.state in {"finished", "failed"}, run.failure
        if run.state == "finished":
            assert run.read == 2
            assert Title.objects.filter(source_records__external_id="show-2").exists()
        else:
            assert value == "1e400"


def workbook(*rows: Sequence[object]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


class TestSpreadsheet:
    HEADER = (
        "Territory",
        "WorkType",
        "EntryType",
        "LicenseType",
        "Start",
        "End",
        "ALID",
        "ContentID",
        "TitleInternalAlias",
        "FormatProfile",
    )
    ROW = ("DE", "Movie", "Full Extract", "SVOD", "2026-01-01", "Open", "a1", "c1", "The Pier", "HD")

    def test_is_read(self) -> None:
        run = ingest(workbook(["Avail"], [*self.HEADER], [*self.ROW]), ProviderFactory.create(), format="avails-xlsx")
        assert counts(run) == {"read": 1, "created": 1}

    def test_of_several_sheets_is_read_whole(self) -> None:
        book = openpyxl.load_workbook(io.BytesIO(workbook(["Avail"], [*self.HEADER], [*self.ROW])))
        for name, own in (("TV", "a2"), ("Notes", "")):
            sheet = book.create_sheet(name)
            for row in (["Avail"], [*self.HEADER], [*self.ROW[:6], own, *self.ROW[7:]]) if own else (["x"], ["y"]):
                sheet.append(row)
        content = io.BytesIO()
        book.save(content)
        run = ingest(content.getvalue(), ProviderFactory.create(), format="avails-xlsx")
        assert counts(run) == {"read": 2, "created": 1, "updated": 1}
        assert list(run.problems.values_list("code", "field")) == [("not_kept", "sheet Notes")]

    def of_sheets(self, **rows: Sequence[Sequence[object]]) -> bytes:
        """Answer a workbook with these sheets; those whose names end in `_` are hidden."""
        book = openpyxl.Workbook()
        book.remove(book.worksheets[0])
        for name, lines in rows.items():
            sheet = book.create_sheet(name)
            sheet.sheet_state = "hidden" if name.endswith("_") else "visible"
            for line in lines:
                sheet.append(list(line))
        content = io.BytesIO()
        book.save(content)
        return content.getvalue()

    def test_grants_nothing_by_what_is_hidden(self) -> None:
        """Such as the licences of last year, which whoever sends the workbook does not see any more."""
        lines = [["Avail"], self.HEADER, self.ROW]
        old = [*lines[:2], [*self.ROW[:6], "a2", *self.ROW[7:]]]
        run = ingest(self.of_sheets(Avails=lines, Old_=old, Empty_=[]), ProviderFactory.create(), format="avails-xlsx")
        assert counts(run) == {"read": 1, "created": 1}
        assert list(run.problems.values_list("code", "field")) == [("not_kept", "hidden sheet Old_")]
        run = ingest(self.of_sheets(Notes=[["x"], ["y"]], Old_=old), ProviderFactory.create(), format="avails-xlsx")
        assert (run.state, "it lacks ALID" in run.failure) == ("failed", True)

    def test_with_a_sheet_that_lacks_a_column_is_refused(self) -> None:
        """Else all its licences would be left out, and in a full delivery retired, with a word on where notes go."""
        lines = [["Avail"], self.HEADER, self.ROW]
        other = [["Avail"], ["Territory", "WorkType", "EntryType", "LicenceType", *self.HEADER[4:]], self.ROW]
        run = ingest(self.of_sheets(Movies=lines, TV=other), ProviderFactory.create(), format="avails-xlsx")
        assert (run.state, "it lacks LicenseType (sheet TV)." in run.failure) == ("failed", True)

    def test_tells_of_what_stands_under_no_name(self) -> None:
        content = workbook(["Avail"], [*self.HEADER], [*self.ROW, "12 GBP"])
        run = ingest(content, ProviderFactory.create(), format="avails-xlsx")
        assert counts(run) == {"read": 1, "created": 1}
        assert list(run.problems.values_list("code", "field")) == [("not_kept", "column 11")]

    def test_larger_than_we_take_is_refused_and_not_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(avails_xlsx, "MAX_ROWS", 4)
        rows = [[*self.ROW[:6], f"a{number}", *self.ROW[7:]] for number in range(3)]
        whole = ingest(workbook(["Avail"], [*self.HEADER], *rows[:2]), ProviderFactory.create(), format="avails-xlsx")
        assert (whole.state, whole.read) == ("finished", 2)
        run = ingest(workbook(["Avail"], [*self.HEADER], *rows), ProviderFactory.create(), format="avails-xlsx")
        assert (run.state, "more than 4 rows" in run.failure) == ("failed", True)

    def test_that_unpacks_to_gigabytes_is_refused(self) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet1.xml", b"0" * (101 << 20))
        run = ingest(content.getvalue(), ProviderFactory.create(), format="avails-xlsx")
        assert (run.state, "unpacks to" in run.failure) == ("failed", True)

    def test_with_entities_is_refused(self) -> None:
        good = workbook(["Avail"], [*self.HEADER], [*self.ROW])
        content = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(content, "w") as new:
            for part in old.infolist():
                data = old.read(part)
                if part.filename.endswith("sheet1.xml"):
                    declared = b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]>"
                    data = declared + data.split(b"?>", 1)[-1] if data.startswith(b"<?xml") else declared + data
                new.writestr(part.filename, data)
        run = ingest(content.getvalue(), ProviderFactory.create(), format="avails-xlsx")
        assert run.state == "failed"
        assert not Title.objects.exists()

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"a,b\n1,2\n"])
    def test_that_is_none_is_refused(self, content: bytes) -> None:
        run = ingest(content, ProviderFactory.create(), format="avails-xlsx")
        assert (run.state, "workbook" in run.failure) == ("failed", True)

    def test_of_other_columns_is_refused_by_their_names(self) -> None:
        run = ingest(workbook(["x"], ["a", "b"]), ProviderFactory.create(), format="avails-xlsx")
        assert (run.state, "LicenseType" in run.failure) == ("failed", True)


class TestText:
    def test_has_no_markup_left(self) -> None:
        title = "<script>alert(1)</script>The <b onclick=x>Pier</b>"
        run = ingest(feed(movie(1, titles={"en": title})), ProviderFactory.create())
        assert counts(run) == {"read": 1, "created": 1}
        assert TitleText.objects.get().name == "The Pier"
        assert run.problems.get().code == "markup"

    @pytest.mark.parametrize(
        ("text", "code"), [("CafÃ©", "mojibake"), ("Itâ€™s", "mojibake"), ("Caf\ufffd", "lost_characters")]
    )
    def test_of_a_broken_encoding_is_noticed(self, text: str, code: str) -> None:
        run = ingest(feed(movie(1, titles={"en": text})), ProviderFactory.create())
        assert run.problems.get().code == code

    @pytest.mark.parametrize("text", ["Café", "Ångström", "Ârmãdą", "São Paulo", "ÄÖÜ ß", "Ãfrica"])
    def test_of_accents_is_left_alone(self, text: str) -> None:
        run = ingest(feed(movie(1, titles={"en": text})), ProviderFactory.create())
        assert not run.problems.exists()


class TestDelimiter:
    def test_of_another_kind_is_refused_and_named(self) -> None:
        content = (
            b"show_id;type;title;director;cast;country;date_added;release_year;rating;duration;listed_in;description\n"
        )
        run = ingest(content, ProviderFactory.create(), format="kaggle-titles")
        assert (run.state, "with commas" in run.failure) == ("failed", True)


class TestRoku:
    @pytest.mark.parametrize(
        "value", ['"x"', "[]", "{}", "null", "-1", "true", "[null]", '{"a": [1]}', "[1]", '[{"value": 1}]']
    )
    @pytest.mark.parametrize(
        "name",
        [
            "titles", "genres", "tags", "credits", "advisoryRatings", "externalIds", "images", "content", "seasonInfo",
            "episodeInfo", "releaseDate", "type", "id", "durationInSeconds", "durationInMilliseconds",
        ],
    )  # fmt: skip
    def test_search_feed_of_other_types_stops_nothing(self, name: str, value: str) -> None:
        odd = f'{{"id": "a", "type": "movie", "titles": [{{"value": "A"}}], "{name}": {value}}}'
        good = '{"id": "b", "type": "movie", "titles": [{"value": "B"}]}'
        run = ingest(
            f'{{"version": "1", "assets": [{odd}, {good}]}}'.encode(), ProviderFactory.create(), format="roku-search"
        )
        assert run.state == "finished", run.failure
        assert run.read == 2
        assert Title.objects.filter(source_records__external_id="b").exists()

    @pytest.mark.parametrize(
        "value", ['"x"', "[]", "{}", "null", "-1", "true", "[null]", '{"a": [1]}', "[1]", '[{"id": 1}]']
    )
    @pytest.mark.parametrize(
        "name",
        [
            "title",
            "genres",
            "tags",
            "credits",
            "rating",
            "externalIds",
            "content",
            "seasons",
            "episodes",
            "id",
            "thumbnail",
        ],
    )
    def test_direct_feed_of_other_types_stops_nothing(self, name: str, value: str) -> None:
        odd = f'{{"id": "a", "title": "A", "{name}": {value}}}'
        content = f'{{"providerName": "P", "series": [{odd}], "movies": [{{"id": "b", "title": "B"}}]}}'.encode()
        run = ingest(content, ProviderFactory.create(), format="roku-direct")
        assert run.state == "finished", run.failure
        assert Title.objects.filter(source_records__external_id="b").exists()


@pytest.mark.parametrize(
    ("name", "odd", "good", "content"),
    [
        (
            "roku-search", '"id": "a", "type": "episode", "episodeInfo": {"seriesId": "s", "seasonNumber": true, "episodeNumber": 1}',
            '"id": "b", "type": "movie", "titles": [{"value": "B"}]', '{"version": "1", "assets": [%s]}',
        ),
        (
            "roku-search", '"type": "season", "seasonInfo": {"seriesId": "s", "seasonNumber": true}',
            '"id": "b", "type": "movie", "titles": [{"value": "B"}]', '{"version": "1", "assets": [%s]}',
        ),
        (
            "roku-direct", '"id": "a", "title": "A", "content": {"duration": true}', '"id": "b", "title": "B"',
            '{"providerName": "P", "movies": [%s]}',
        ),
        (
            "tvmaze", '"id": 1, "name": "A", "season": 1, "number": true, "airdate": "", "url": "http://www.tvmaze.com/episodes/1/x-1x1-a"',
            '"id": 2, "name": "B"', "[%s]",
        ),
    ],
)  # fmt: skip
def test_true_where_a_number_belongs_stops_nothing(name: str, odd: str, good: str, content: str) -> None:
    """It is an int to Python, and none to the database."""
    run = ingest((content % f"{{{odd}}}, {{{good}}}").encode(), ProviderFactory.create(), format=name)
    assert run.state == "finished", run.failure
    assert SourceRecord.objects.filter(external_id__in=["b", "show-2"]).exists()


def test_a_whole_number_with_a_point_is_one() -> None:
    """JSON Schema says so, and programs write it so."""
    film = movie(1, runtime_seconds=3600.0, people=[{"name": "Ada Quill", "job": "actor", "billing": 2.0}])
    series = {"id": "s", "kind": "series", "titles": {"en": "Tides"}}
    places = [{"order": "production", "season": 1.0, "number": 4.0}]
    episode = {"id": "e", "kind": "episode", "series": "s", "number": 3.0, "alternate_numbers": places}
    run = ingest(feed(film, series, episode), ProviderFactory.create())
    assert counts(run) == {"read": 3, "created": 3}, run.failure
    assert set(Title.objects.values_list("kind", "number", "runtime_seconds")) == {
        ("movie", None, 3600), ("series", None, None), ("episode", 3, None),
    }  # fmt: skip
    assert Credit.objects.get().billing == 2
    assert TitleNumber.objects.values_list("order", "season_number", "number").get() == ("production", 1, 4)


def test_more_names_than_a_search_document_holds_stop_no_delivery() -> None:
    letters = [chr(code) for code in range(0x4E00, 0x9FA5)]
    names = [{"title": "".join(letters[start * 60 : start * 60 + 500]), "language": "ja"} for start in range(300)]
    run = ingest(feed(movie(1, alternate_titles=names), movie(2)), ProviderFactory.create())
    assert counts(run) == {"read": 2, "created": 2}
