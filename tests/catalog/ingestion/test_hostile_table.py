"""The table of hostile input: what strangers may send, and what becomes of it.

Each row asserts its outcome; a run of the tests ends with the table, which stays in .local/hostile.txt.
"""

from __future__ import annotations

import gzip
import io
import itertools
import socket
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from catalog import pictures
from catalog.ingestion.formats import READERS
from catalog.ingestion.reader import UnreadableDelivery
from catalog.ingestion.records import RawRecord
from catalog.models import Artwork, SourceRecord, Title, TitleText
from catalog.services import artwork, sources
from core import outbound
from tests.catalog.ingestion.test_hostile import Endless, catalog, film, workbook
from tests.catalog.ingestion.test_kaggle_titles import HEADER, row, rows
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, counts, feed, header, ingest, movie
from tests.http_server import answering, serving

pytestmark = pytest.mark.django_db

Record = Callable[[str, object], None]

LAUGHS = "".join(f"<!ENTITY l{n + 1} '{f'&l{n};' * 10}'>" for n in range(9))
BOMB = f"<!DOCTYPE Catalog [<!ENTITY l0 'lol'>{LAUGHS}]>"
SHOW = '{"id": 1, "name": "The Pier"}'
UNPACKED = 101 << 20


def archive(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(name, content)
    return file.getvalue()


# What is refused whole: the input in words, its format, the bytes, and what the sentence says.
REFUSED = [
    ("XML: a bomb of entities (a billion laughs)", "firetv", catalog(film("&l9;"), before=BOMB), "document type"),
    ("XML: an external entity that names a file", "firetv",
     catalog(film("&f;"), before="<!DOCTYPE Catalog [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>"), "document type"),
    ("XML: an external entity on the private network", "mrss",
     b"<!DOCTYPE rss [<!ENTITY f SYSTEM 'http://169.254.169.254/'>]><rss>&f;</rss>", "document type"),
    ("XML: an external document type", "movielabs-mec",
     b"<!DOCTYPE x SYSTEM 'http://127.0.0.1/x.dtd'><CoreMetadataList/>", "document type"),
    ("XML: a bomb of entities in an NFO", "kodi-nfo", f"{BOMB}<movie><title>&l9;</title></movie>".encode(), "sound XML"),
    ("XML: 100,000 elements within each other", "firetv", catalog(film("x", more="<a>" * 100_000)), "sound XML"),
    ("XML: Latin-1 that says nothing of it", "firetv", catalog(film("Café")).decode().encode("latin-1"), "sound XML"),
    ("XML: cut off in the middle", "firetv", catalog(film("A"), film("B", "f2"))[:-30], "sound XML"),
    ("JSON: a million brackets within each other", "tvmaze", b"[" * 1_000_000, "nested"),
    ("JSON: UTF-16", "tvmaze", f"[{SHOW}]".encode("utf-16"), ""),
    ("JSON: Latin-1", "roku-direct", '{"providerName": "Café"}'.encode("latin-1"), ""),
    ("JSON: cut off in the middle", "tvmaze", f"[{SHOW}, {{".encode(), ""),
    ("JSON: nothing but zero bytes", "roku-search", bytes(1000), ""),
    ("JSON Lines: cut off in the middle of a line", "jsonl", feed(movie(1), movie(2))[:-30], "cut off"),
    ("JSON Lines: fewer lines than its header says", "jsonl",
     feed(header("full") | {"titles": 3}, movie(1), movie(2)), "says that 3 lines follow, and there are 2"),
    ("CSV: cut off in the middle of a line", "kaggle-titles", rows(row(show_id="s2"), row())[:-30], "cut off"),
    ("CSV: cut off within quotation marks", "kaggle-titles",
     rows(row(show_id="s2"), row(description='"A pier."'))[:-3], "cut off"),
    ("CSV: cut off within a letter", "kaggle-titles", rows(row(show_id="s2"), row(description="Café"))[:-2], "cut off"),
    ("Spreadsheet: cut off in the middle", "avails-xlsx", workbook(["Avail"], ["Territory"])[:-100], "no workbook"),
    ("CSV: semicolons for commas", "kaggle-titles", HEADER.replace(b",", b";") + b"\n", "with commas"),
    ("CSV: tabs for commas", "kaggle-titles", HEADER.replace(b",", b"\t") + b"\n", "with commas"),
    ("CSV: UTF-16", "kaggle-titles", rows(row()).decode().encode("utf-16"), "with commas"),
    ("CSV: delivered as JSON Lines", "jsonl", rows(*(row(show_id=f"s{number}") for number in range(30))), "choose the format"),
    ("JSON: delivered as JSON Lines", "jsonl", f"[{SHOW}]".encode(), "choose the format"),
    ("JSON Lines: UTF-16", "jsonl", feed(movie(1), movie(2)).decode().encode("utf-16"), "UTF-8"),
    ("CSV: columns in another order", "kaggle-titles", b",".join(reversed(HEADER.split(b","))) + b"\n", "with commas"),
    *(
        (f"{name}: a file packed by {said}", name, packed, "packed")
        for name in ("jsonl", "kaggle-titles", "firetv", "tvmaze", "kodi-nfo")
        for said, packed in (("gzip", gzip.compress(b"{}" * 1000)), ("zip", archive("a.json", b"{}")))
    ),
    ("JSON Lines: a PDF", "jsonl", b"%PDF-1.7\n%", "PDF"),
    ("Spreadsheet: a ZIP bomb", "avails-xlsx", archive("xl/worksheets/sheet1.xml", b"0" * UNPACKED), "unpacks to"),
    ("Spreadsheet: a ZIP bomb within a ZIP", "avails-xlsx", archive("inner.zip", archive("a", b"0" * UNPACKED)), "workbook"),
    ("Spreadsheet: no ZIP at all", "avails-xlsx", b"a,b\n1,2\n", "workbook"),
    ("Spreadsheet: other columns", "avails-xlsx", workbook(["x"], ["a", "b"]), "LicenseType"),
]  # fmt: skip

# What would never end, in one document: a few megabytes of it are read.
ENDLESS = [
    ("XML: a name of gigabytes", "firetv", b"<Catalog><Works><Movie><ID>1</ID><Title>", b"a" * 65536),
    ("XML: an attribute of gigabytes", "firetv", b"<Catalog><Works><Movie a='", b"a" * 65536),
    ("JSON: a name of gigabytes", "tvmaze", b'[{"id": 1, "name": "', b"a" * 65536),
]

# A line of 64 MB before a good one: what becomes of it, and that the good one is read all the same.
LONG = [
    ("JSON Lines: a line without end", "jsonl", b'{"id": "m1", "kind": "movie", "titles": {"en": "', feed(movie(2))),
    ("CSV: a line without end", "kaggle-titles", HEADER + b"\ns1,Movie,", row(show_id="s2").encode() + b"\n"),
]


class Long(io.RawIOBase):
    """A beginning, 64 MB of one letter, and an end, as a file."""

    def __init__(self, beginning: bytes, end: bytes) -> None:
        self._blocks = itertools.chain([beginning], itertools.repeat(b"a" * 65536, 1024), [b"\n" + end])

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        block = next(self._blocks, b"")
        into[: len(block)] = block
        return len(block)


# What is read, with a word on what is wrong: input, format, bytes, counts, the code of the problem.
REPORTED = [
    ("XML: UTF-16 that says so", "firetv",
     f"<?xml version='1.0' encoding='utf-16'?>{catalog(film('Café')).decode()}".encode("utf-16"),
     {"read": 1, "created": 1}, ""),
    ("JSON: a byte order mark", "tvmaze", b"\xef\xbb\xbf" + f"[{SHOW}]".encode(), {"read": 1, "created": 1}, ""),
    ("JSON Lines: a line of Latin-1 among others", "jsonl",
     feed(movie(1), '{"id": "m2", "kind": "movie", "titles": {"en": "Café"}}'.encode("latin-1"), movie(3)),
     {"read": 3, "created": 2, "rejected": 1}, "invalid_json"),
    ("JSON Lines: two feeds in one file", "jsonl", feed(header("partial"), movie(1), header("partial"), movie(2)),
     {"read": 3, "created": 2, "rejected": 1}, "misplaced_header"),
    ("JSON Lines: 100,000 brackets in one line", "jsonl", feed(movie(1), b"[" * 100_000, movie(3)),
     {"read": 3, "created": 2, "rejected": 1}, "invalid_json"),
    ("CSV: a byte order mark", "kaggle-titles", b"\xef\xbb\xbf" + rows(row()), {"read": 1, "created": 1}, ""),
    ("CSV: a line of Latin-1 among others", "kaggle-titles",
     rows(row(show_id="s2")) + row(title="Café").encode("latin-1") + b"\n",
     {"read": 2, "created": 1, "rejected": 1}, "invalid_utf8"),
    ("CSV: a column too few", "kaggle-titles", rows(row(show_id="s2"), row().replace(",Germany", "")),
     {"read": 2, "created": 1, "rejected": 1}, "wrong_columns"),
    ("CSV: shifted columns, the duration under rating", "kaggle-titles", rows(row(rating="74 min", duration="")),
     {"read": 1, "created": 1}, "shifted_column"),
    ("CSV: a last line that may have been cut off", "kaggle-titles", rows(row(show_id="s2", title="Tides"), row())[:-3],
     {"read": 2, "created": 2}, "unended"),
    ("CSV: a quotation mark that never closes", "kaggle-titles", rows(row(show_id="s2"), row(title='"The Pier')),
     {"read": 2, "created": 1, "rejected": 1}, "invalid_csv"),
    ("Text: mojibake (CafÃ©)", "jsonl", feed(movie(1, titles={"en": "CafÃ©"})), {"read": 1, "created": 1}, "mojibake"),
    ("Text: characters lost before it came (Caf\ufffd)", "jsonl", feed(movie(1, titles={"en": "Caf\ufffd"})),
     {"read": 1, "created": 1}, "lost_characters"),
    ("Text: HTML with a script", "jsonl",
     feed(movie(1, titles={"en": "<script>alert(1)</script>The <b onclick=x>Pier</b>"})),
     {"read": 1, "created": 1}, "markup"),
    ("Text: marks that turn the direction of writing", "jsonl", feed(movie(1, titles={"en": "The \u202ereiP"})),
     {"read": 1, "created": 1}, "invisible_characters"),
    ("Text: a zero byte", "jsonl", feed(movie(1, titles={"en": "The\x00 Pier"})),
     {"read": 1, "created": 1}, "invisible_characters"),
]  # fmt: skip

PRIVATE = [
    "http://127.0.0.1/", "http://localhost/", "http://10.0.0.1/", "http://192.168.0.1/", "http://169.254.169.254/latest",
    "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://0177.0.0.1/", "http://2130706433/", "http://100.64.0.1/",
    "http://[fd00::1]/", "http://0.0.0.0/",
]  # fmt: skip


def drawn(format: str, size: tuple[int, int]) -> bytes:  # noqa: A002 - what Pillow calls it
    file = io.BytesIO()
    Image.new("1", size).save(file, format)
    return file.getvalue()


IMAGES = [
    ("Image: a decompression bomb of 400 million pixels", drawn("PNG", (20_000, 20_000)), "pixels"),
    ("Image: SVG with a script", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "SVG"),
    ("Image: HTML that is called a picture", b"<html><script>alert(1)</script></html>", "no JPEG"),
    ("Image: nothing", b"", "no JPEG"),
    ("Image: more bytes than any picture needs", bytes(pictures.MAX_BYTES + 1), "are the most"),
]


class TestHostileInput:
    @pytest.mark.parametrize(("said", "name", "content", "reason"), REFUSED, ids=[case[0] for case in REFUSED])
    def test_is_refused_whole(self, said: str, name: str, content: bytes, reason: str, record_property: Record) -> None:
        run = ingest(content, ProviderFactory.create(), format=name)
        assert (run.state, reason in run.failure, bool(run.failure)) == ("failed", True, True), run.failure
        assert "root:" not in run.failure
        assert (Title.objects.exists(), SourceRecord.objects.exists()) == (False, False)
        record_property("hostile", (said, f"refused: {run.failure}"))

    @pytest.mark.parametrize(("said", "name", "beginning", "block"), ENDLESS, ids=[case[0] for case in ENDLESS])
    def test_without_end_is_read_for_a_few_megabytes(
        self, said: str, name: str, beginning: bytes, block: bytes, record_property: Record
    ) -> None:
        stream: Any = Endless(beginning, block)
        with pytest.raises(UnreadableDelivery) as refused:
            list(READERS[name].split(stream))
        record_property("hostile", (said, f"refused after {stream.given >> 20} MB: {refused.value}"))

    @pytest.mark.parametrize(("said", "name", "beginning", "end"), LONG, ids=[case[0] for case in LONG])
    def test_of_one_line_without_end_costs_that_line_alone(
        self, said: str, name: str, beginning: bytes, end: bytes, record_property: Record
    ) -> None:
        tracemalloc.start()
        stream: Any = io.BufferedReader(Long(beginning, end), 1 << 16)
        records = [record for record in READERS[name].split(stream) if isinstance(record, RawRecord)]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        long, good = records
        assert (long.fault and long.fault.code, good.fault, peak < 8 << 20) == ("line_too_long", None, True)
        record_property(
            "hostile", (said, f"rejected 1, the others are read; line_too_long: {long.fault and long.fault.message}")
        )

    @pytest.mark.parametrize(
        ("said", "name", "content", "expected", "code"), REPORTED, ids=[case[0] for case in REPORTED]
    )
    def test_is_read_and_reported(
        self, said: str, name: str, content: bytes, expected: dict[str, int], code: str, record_property: Record
    ) -> None:
        run = ingest(content, ProviderFactory.create(), format=name)
        assert run.state == "finished", run.failure
        assert counts(run) == expected
        problems = list(run.problems.exclude(severity="info").order_by("pk"))
        assert [problem.code for problem in problems] == ([code] if code else [])
        assert not TitleText.objects.filter(name__contains="<").exists()
        told = "; ".join(f"{problem.code}: {problem.message}" for problem in problems)
        record_property(
            "hostile", (said, ", ".join(f"{key} {number}" for key, number in expected.items()) + (told and f"; {told}"))
        )

    @pytest.mark.parametrize("address", PRIVATE)
    def test_that_leads_into_the_private_network_is_not_followed(self, address: str, record_property: Record) -> None:
        with pytest.raises(outbound.AddressRefused) as refused:
            outbound.fetch(address, into=io.BytesIO(), most=1000, seconds=1)
        record_property("hostile", (f"Address: {address}", f"refused: {refused.value}"))

    def test_that_leads_there_by_a_redirect_or_a_name_is_not_followed(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, record_property: Record
    ) -> None:
        settings.OUTBOUND_ALLOW_LOOPBACK = True
        real = socket.getaddrinfo
        inside = {"inside.example": "10.0.0.8", "mapped.example": "::ffff:10.0.0.8"}
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *rest, **options: real(inside.get(host, host), *rest, **options)
        )
        with serving() as (url, answers):
            answers["/feed"] = answering(status=302, Location="http://inside.example/")
            for said, address in (
                ("a redirect to a name inside", f"{url}/feed"),
                ("a name that resolves to 10.0.0.8", "http://inside.example/"),
                ("a name that resolves to ::ffff:10.0.0.8", "http://mapped.example/"),
            ):
                with pytest.raises(outbound.AddressRefused) as refused:
                    outbound.fetch(address, into=io.BytesIO(), most=1000, seconds=1)
                record_property("hostile", (f"Address: {said}", f"refused: {refused.value}"))

    def test_of_addresses_in_feeds_is_not_followed(self, record_property: Record) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, artwork=[{"kind": "poster", "url": PRIVATE[4]}])), provider)
        artwork.work(now=NOW, limit=10)
        image = Artwork.objects.get()
        assert (bool(image.file), "public address" in image.problem) == (False, True)
        record_property("hostile", ("Address: of artwork, in a feed", f"refused: {image.problem}"))
        fields = {"provider": provider, "location": PRIVATE[0], "format": "jsonl"}
        source = sources.save(source_id=None, fields=fields, now=NOW)
        assert sources.check(source_id=source.pk, by="schedule", now=NOW) == []
        source.refresh_from_db()
        assert "public address" in source.outcome
        record_property("hostile", ("Address: of a feed", f"refused: {source.outcome}"))

    @pytest.mark.parametrize(("said", "data", "reason"), IMAGES, ids=[case[0] for case in IMAGES])
    def test_of_images_is_refused(self, said: str, data: bytes, reason: str, record_property: Record) -> None:
        title = TitleFactory.create()
        with pytest.raises(artwork.ImageRefused, match=reason) as refused:
            artwork.attach(title_id=title.pk, kind="poster", data=data, by="user:7", now=NOW)
        assert not Artwork.objects.exists()
        record_property("hostile", (said, f"refused: {refused.value}"))
