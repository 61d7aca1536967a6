"""What a studio is answered about its offers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from lxml import etree

from catalog import reports
from catalog.models import AvailabilityWindow, IngestProblem, IngestRun, SourceRecord, Title
from catalog.selectors.offers import OfferStatus, offer_statuses
from tests.catalog.ingestion import test_hostile as hostile
from tests.catalog.test_admin import staff
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, WindowFactory, feed, ingest, movie

pytestmark = pytest.mark.django_db

__all__ = ["staff"]
SCHEMAS = Path(__file__).parents[4] / "shared" / "data" / "movielabs" / "xsd"
BEFORE, AFTER = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.fixture
def run() -> IngestRun:
    """A finished run of Avails."""
    ended = ingest(feed(movie(99)), ProviderFactory.create())
    IngestRun.objects.filter(pk=ended.pk).update(format="avails-xml")
    ended.refresh_from_db()
    return ended


def offer(run: IngestRun, alid: str, *windows: dict[str, Any], **fields: Any) -> Title:
    title = TitleFactory.create(window=False, **fields)
    record = SourceRecord.objects.create(
        provider=run.provider, external_id=f"avail:{alid}", title=title, digest=b"", format="avails-xml",
        first_run=run, last_run=run,
    )  # fmt: skip
    for window in windows:
        WindowFactory.create(title=title, source_id=record.pk, **window)
    return title


def progress(run: IngestRun) -> dict[str, str]:
    return {status.alid: status.progress for status in offer_statuses(run, NOW)}


class TestOfferStatuses:
    def test_say_how_far_each_has_come(self, run: IngestRun) -> None:
        draft: dict[str, Any] = {"state": "draft", "published_at": None}
        offer(run, "live", {"starts_at": BEFORE, "ends_at": AFTER})
        offer(run, "ready", {"starts_at": AFTER})
        offer(run, "draft", {"starts_at": BEFORE}, **draft)
        offer(run, "back", {}, state="withdrawn", withdrawn_at=NOW)
        offer(run, "over", {"ends_at": NOW})
        offer(run, "again", {"ends_at": BEFORE}, {"starts_at": AFTER})
        IngestProblem.objects.create(
            run=run, row_number=1, external_id="avail:wrong", code="missing", severity="error", message="Has no Start."
        )
        assert progress(run) == {
            "wrong": "Issue", "live": "Live", "ready": "Ready", "draft": "In-Process", "back": "Issue", "again": "Ready",
        }  # fmt: skip

    def test_bound_all_licences_of_an_offer(self, run: IngestRun) -> None:
        offer(run, "two", {"starts_at": BEFORE, "ends_at": NOW}, {"starts_at": NOW, "ends_at": AFTER})
        assert list(offer_statuses(run, NOW)) == [OfferStatus("two", "Live", BEFORE, AFTER)]

    def test_weigh_what_the_offer_itself_grants(self, run: IngestRun) -> None:
        title = offer(run, "mine", {"starts_at": AFTER})
        WindowFactory.create(title=title)
        assert progress(run) == {"mine": "Ready"}

    def test_are_live_for_nobody_where_we_may_not_offer_them(self, run: IngestRun) -> None:
        title = TitleFactory.create(window=False)
        record = SourceRecord.objects.create(
            provider=run.provider, external_id="avail:sale", title=title, digest=b"", format="avails-xml", first_run=run, last_run=run
        )  # fmt: skip
        WindowFactory.create(title=title, source_id=record.pk, license_type="EST")
        [status] = offer_statuses(run, NOW)
        assert (status.progress, status.comments) == (
            "Issue", "It is licensed for EST; titles are offered by subscription.",
        )  # fmt: skip

    def test_are_not_ready_once_all_that_we_offer_has_ended(self, run: IngestRun) -> None:
        offer(run, "sold", {"ends_at": NOW}, {"license_type": "EST"})
        assert list(offer_statuses(run, NOW)) == [
            OfferStatus("sold", "Issue", None, None, "Its licence for subscription has ended.")
        ]
        [before] = offer_statuses(run, NOW - timedelta(seconds=1))
        assert before.progress == "Live"

    def test_wait_for_what_a_title_belongs_to(self, run: IngestRun) -> None:
        series = TitleFactory.create(kind="series", state="draft", published_at=None)
        offer(run, "season", {}, kind="season", parent=series, series=series, number=1)
        assert progress(run) == {"season": "In-Process"}

    def test_count_days_by_the_territorys_midnight(self, run: IngestRun) -> None:
        offer(run, "day", {"territories": ["NZ"], "starts_on": date(2026, 3, 5)})
        # In New Zealand it is the fifth already.
        assert list(offer_statuses(run, NOW)) == [
            OfferStatus("day", "Live", datetime(2026, 3, 4, 11, tzinfo=UTC), None)
        ]

    def test_of_a_sheet_are_one_for_each_offer(self) -> None:
        header = [*hostile.TestSpreadsheet.HEADER[:9], "AvailID", "FormatProfile"]
        row = [*hostile.TestSpreadsheet.ROW[:9]]
        bad = [*row[:4], "soon", *row[5:6], "a2", *row[7:]]
        sheet = hostile.workbook(
            ["Avail"],
            header,
            [*row, "1", "HD"],
            [*row, "2", "SD"],
            [*bad, "3", "HD"],
            [*row[:6], "a0", *row[7:], "", "HD"],
        )
        run = ingest(sheet, ProviderFactory.create(), format="avails-xlsx")
        assert [(status.alid, status.progress) for status in offer_statuses(run, NOW)] == [
            ("a2", "Issue"), ("a0", "Live"), ("a1", "Live"),
        ]  # fmt: skip

    def test_name_no_series_that_was_told_of_in_passing(self, run: IngestRun) -> None:
        IngestProblem.objects.create(
            run=run, row_number=1, external_id="md:cid:series", code="x", severity="error", message="Wrong."
        )
        assert progress(run) == {}

    def test_cost_the_same_queries_however_many(self, run: IngestRun, django_assert_num_queries: Any) -> None:
        for number in range(5):
            offer(run, str(number), {})
        with django_assert_num_queries(4):
            assert len(list(offer_statuses(run, NOW))) == 5


class TestXml:
    def written(self, *statuses: OfferStatus) -> bytes:
        return b"".join(reports.as_offer_status_list(statuses, NOW))

    @pytest.mark.skipif(not SCHEMAS.exists(), reason="the folder of shared test data is absent")
    def test_is_valid_by_the_schema(self) -> None:
        schema = etree.XMLSchema(etree.parse(SCHEMAS / "avails-v2.7.xsd"))
        written = self.written(
            OfferStatus("md:alid:1", "Live", BEFORE, AFTER),
            OfferStatus("md:alid:2", "Ready", AFTER, None),
            OfferStatus("md:alid:3", "Issue", None, None, "Has no <Start> & \x01more", is_known=False),
            OfferStatus("md:alid:4", "In-Process", None, None),
        )
        schema.assertValid(etree.fromstring(written))

    def test_says_each_status(self) -> None:
        root = etree.fromstring(self.written(OfferStatus("md:alid:1", "Issue", None, None, "<b>", is_known=False)))
        texts = [(etree.QName(element).localname, element.text) for element in root.iter() if not len(element)]
        assert texts == [
            ("ALID", "md:alid:1"), ("ProgressCode", "Issue"), ("StartCondition", "Unknown"), ("Comments", "<b>"),
        ]  # fmt: skip


class TestAdmin:
    def test_offers_the_answer_for_avails_alone(self, staff: Client, run: IngestRun) -> None:
        offer(run, "live", {})
        page = staff.get(reverse("admin:catalog_ingestrun_change", args=[run.pk])).content.decode()
        address = reverse("admin:catalog_ingestrun_offer_status", args=[run.pk])
        assert address in page
        answer = staff.get(address)
        assert b"<avails:ProgressCode>Live</avails:ProgressCode>" in b"".join(answer)
        IngestRun.objects.filter(pk=run.pk).update(format="jsonl")
        assert staff.get(address).status_code == 404
        assert AvailabilityWindow.objects.count() == 2
