"""What becomes of titles that are parted: none is public without what made it so, and staff are told what each lacks."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse

from catalog.models import AvailabilityWindow, Provider, PublicationEntry, SourceRecord, Title, TitleMerge
from catalog.services import matching, publication
from core.models import OutboxEvent
from tests.catalog.test_matching import title_of
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, counts, feed, ingest, movie

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
BY = "user:7"


def delivered(number: int) -> Title:
    """Answer a public title that a provider of its own delivers."""
    ingest(feed(movie(number)), ProviderFactory.create(code=f"of-{number}"))
    return title_of(f"m{number}")


def merged(kept: Title, other: Title, *, now: datetime = NOW) -> TitleMerge:
    return matching.merge(kept_id=kept.pk, merged_id=other.pk, by=BY, now=now)


def split(external_id: str) -> matching.Parted:
    source = SourceRecord.objects.get(external_id=external_id)
    return matching.split(source_id=source.pk, by=BY, now=LATER)


def retire(external_id: str) -> None:
    provider = SourceRecord.objects.get(external_id=external_id).provider
    withdrawn = {"id": external_id, "kind": "movie", "withdrawn": True}
    ingest(feed(withdrawn), provider, clock=lambda: NOW + timedelta(minutes=1))


def deliver(number: int) -> None:
    """Deliver a film again, as it was."""
    ingest(feed(movie(number)), SourceRecord.objects.get(external_id=f"m{number}").provider, clock=lambda: LATER)


def undo(merge: TitleMerge) -> matching.Parted:
    return matching.unmerge(merge_id=merge.pk, by=BY, now=LATER)


def standing(title: Title) -> tuple[str, int, int]:
    """Answer a title's state, and how many records and licences it has."""
    title.refresh_from_db()
    return title.state, title.source_records.count(), title.windows.count()


class TestUndoing:
    def test_leaves_withdrawn_whose_record_was_split_off_meanwhile(self) -> None:
        kept, other = delivered(1), delivered(2)
        merge = merged(kept, other)
        split("m2")
        parted = undo(merge)
        assert (standing(kept), standing(other)) == (("published", 1, 1), ("withdrawn", 0, 0))
        assert (parted.title, parted.withdrawn, parted.unlicensed) == (other, (other,), ())
        assert (other.withdrawn_at, other.merged_into) == (NOW, None)
        last = PublicationEntry.objects.filter(title=other).latest("pk")
        assert (last.action, last.revision) == ("withdrawn", other.revision)

    def test_withdraws_what_gave_its_own_record_away_meanwhile(self) -> None:
        kept, other = delivered(1), delivered(2)
        merge = merged(kept, other)
        split("m1")
        parted = undo(merge)
        assert (standing(kept), standing(other)) == (("withdrawn", 0, 0), ("published", 1, 1))
        assert (parted.withdrawn, kept.withdrawn_at) == ((kept,), LATER)
        last = PublicationEntry.objects.filter(title=kept).latest("pk")
        assert (last.action, last.by, last.revision) == ("withdrawn", BY, kept.revision)
        told = OutboxEvent.objects.filter(aggregate=f"title:{kept.pk}").latest("pk")
        assert told.type == "catalog.TitleWithdrawn"

    def test_leaves_withdrawn_what_was_retired_meanwhile_until_it_is_delivered_again(self) -> None:
        kept, other = delivered(1), delivered(2)
        merge = merged(kept, other)
        provider = SourceRecord.objects.get(external_id="m2").provider
        ingest(feed({"id": "m2", "kind": "movie", "withdrawn": True}), provider, clock=lambda: LATER)
        assert undo(merge).withdrawn == (other,)
        assert (standing(kept), standing(other)) == (("published", 1, 1), ("withdrawn", 1, 0))
        ingest(feed(movie(2)), provider, clock=lambda: LATER)
        assert standing(other) == ("published", 1, 1)

    def test_gives_back_licences_that_a_delivery_has_written_meanwhile(self) -> None:
        kept, other = delivered(1), delivered(2)
        merge = merged(kept, other)
        said = movie(2, availability=[{"license_type": "SVOD", "territories": ["DE"]}])
        provider = SourceRecord.objects.get(external_id="m2").provider
        assert counts(ingest(feed(said), provider)) == {"read": 1, "updated": 1}
        parted = undo(merge)
        assert (standing(kept), standing(other)) == (("published", 1, 1), ("published", 1, 1))
        assert other.windows.get().territories == ["DE"]
        assert (parted.withdrawn, parted.unlicensed) == ((), ())
        # What was taken from one for the other is written right by the next delivery, though it says the same.
        assert counts(ingest(feed(said), provider)) == {"read": 1, "updated": 1}

    def test_makes_public_again_and_tells_so_what_nobody_ever_delivered(self) -> None:
        kept, other = TitleFactory.create(), TitleFactory.create()
        parted = undo(merged(kept, other))
        assert (standing(kept), standing(other)) == (("published", 0, 1), ("published", 0, 1))
        assert (parted.withdrawn, parted.unlicensed) == ((), ())
        told = OutboxEvent.objects.filter(aggregate=f"title:{other.pk}").latest("pk")
        assert told.type == "catalog.TitlePublished"
        assert PublicationEntry.objects.filter(title=other).latest("pk").revision == other.revision

    def test_keeps_public_what_staff_had_made_and_a_record_was_lent_to(self) -> None:
        kept, other, third = TitleFactory.create(), delivered(2), delivered(3)
        first, second = merged(kept, other), merged(kept, third)
        undo(first)
        assert undo(second).withdrawn == ()
        assert standing(kept) == ("published", 0, 1)

    def test_keeps_public_what_staff_had_made_and_merged_into_another_with_what_was_lent_to_it(self) -> None:
        made, lent, kept = TitleFactory.create(), delivered(2), delivered(3)
        merged(made, lent)
        merge = merged(kept, made)
        split("m2")
        assert undo(merge).withdrawn == ()
        assert standing(made) == ("published", 0, 1)

    def test_withdraws_what_kept_the_records_and_was_retired_meanwhile_until_it_is_delivered_again(self) -> None:
        kept, other = delivered(1), delivered(2)
        merge = merged(kept, other)
        retire("m1")
        parted = undo(merge)
        assert (parted.withdrawn, standing(kept), kept.withdrawn_at) == ((kept,), ("withdrawn", 1, 0), LATER)
        deliver(1)
        assert standing(kept) == ("published", 1, 1)

    @pytest.mark.parametrize(("publish", "state"), [("on_ingest", "published"), ("review", "draft")])
    def test_brings_back_what_was_retired_before_and_delivered_again_meanwhile(self, publish: str, state: str) -> None:
        kept, other = delivered(1), delivered(2)
        retire("m2")
        merge = merged(kept, other, now=NOW + timedelta(minutes=2))
        Provider.objects.filter(code="of-2").update(publish=publish)
        deliver(2)
        undo(merge)
        assert standing(other) == (state, 1, 1)

    def test_leaves_withdrawn_what_editors_had_withdrawn_before(self) -> None:
        kept, other = delivered(1), delivered(2)
        publication.withdraw(title_id=other.pk, by=BY, now=NOW)
        merge = merged(kept, other)
        deliver(2)
        undo(merge)
        assert standing(other) == ("withdrawn", 1, 1)

    def test_is_not_brought_back_by_a_record_that_was_retired_long_before(self) -> None:
        kept, other = delivered(1), delivered(2)
        delivered(3)
        SourceRecord.objects.filter(external_id="m3").update(title=other, retired_at=NOW - timedelta(days=9))
        merge = merged(kept, other)
        split("m2")
        assert undo(merge).withdrawn == (other,)
        assert (standing(other)[0], other.withdrawn_at) == ("withdrawn", NOW)

    def test_tells_of_what_no_licence_is_left(self) -> None:
        kept, other = delivered(1), delivered(2)
        merge = merged(kept, other)
        AvailabilityWindow.objects.all().delete()
        parted = undo(merge)
        assert (parted.withdrawn, set(parted.unlicensed)) == ((), {kept, other})


class TestSplitting:
    def test_tells_of_what_no_licence_is_left(self) -> None:
        kept, other = delivered(1), delivered(2)
        kept.windows.all().delete()
        merged(kept, other)
        parted = split("m2")
        assert (parted.withdrawn, parted.unlicensed, standing(kept)) == ((), (kept,), ("published", 1, 0))

    def test_withdraws_what_is_delivered_by_nobody_else(self) -> None:
        kept, other = delivered(1), delivered(2)
        merged(kept, other)
        retire("m1")
        parted = split("m2")
        assert (parted.withdrawn, standing(kept)) == ((kept,), ("withdrawn", 1, 0))
        deliver(1)
        assert standing(kept) == ("published", 1, 1)


class TestPages:
    @pytest.fixture
    def staff(self, client: Client) -> Client:
        client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
        return client

    def test_say_what_was_withdrawn(self, staff: Client) -> None:
        kept, other = delivered(1), delivered(2)
        merge = merged(kept, other)
        split("m2")
        act = {"action": "undo", ACTION_CHECKBOX_NAME: merge.pk}
        answer = staff.post(reverse("admin:catalog_titlemerge_changelist"), act, follow=True).content.decode()
        assert "Parted again." in answer
        assert "Film 2 is withdrawn: no delivery tells of it any more." in answer

    def test_say_in_german_what_has_no_licence(self, staff: Client) -> None:
        kept, other = delivered(1), delivered(2)
        kept.windows.all().delete()
        merged(kept, other)
        source = SourceRecord.objects.get(external_id="m2")
        address = reverse("admin:catalog_title_sources_one", args=[kept.pk])
        answer = staff.post(address, {"source": source.pk}, headers={"accept-language": "de"}, follow=True)
        assert "Film 1 hat keine Lizenz: niemand sieht den Titel, bis eine erteilt ist." in answer.content.decode()
