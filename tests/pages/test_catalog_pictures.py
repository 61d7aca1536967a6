"""The content team's pages as they look, wide and narrow, in English and German: whole, and no wider than the window.

`SCREENSHOTS=folder make test ARGS="tests/pages/test_catalog_pictures.py -n0"` leaves a picture of each.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from catalog.models import FeedSource, Genre, IngestRun, MatchCandidate, ProfileBlock
from catalog.services import artwork, collections, editing, reviews, scheduling, sources
from core import clock
from core.ids import new_id
from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in
from tests.factories.catalog import (
    CreditFactory,
    EpisodeFactory,
    ProviderFactory,
    RatingFactory,
    SeasonFactory,
    TextFactory,
    TitleFactory,
    feed,
    ingest,
    movie,
)
from tests.pages.conftest import SCREENSHOTS, ErrorsOnPage
from tests.pages.test_catalog_admin import scene

pytestmark = pytest.mark.django_db(transaction=True)

CHOOSE = """values => {
    const form = document.createElement("form");
    form.method = "post";
    form.append(document.querySelector("[name=csrfmiddlewaretoken]").cloneNode());
    for (const [name, value] of Object.entries(values)) {
        const field = document.createElement("input");
        [field.type, field.name, field.value] = ["hidden", name, value];
        form.append(field);
    }
    document.body.append(form);
    form.submit();
}"""
"""Chooses titles of the list and an act, whose fields a narrow window hides."""
LONG = "A pilot boat, four sisters, one bad winter: what the sea takes from the harbour, the harbour takes back."


@pytest.fixture
def catalogue() -> dict[str, Any]:
    """A film with everything, a series, a delivery with problems, one under way, and what waits for somebody."""
    now = clock.now()
    by, author = (AccountFactory.create(email=f"{name}@example.org", is_staff=True) for name in ("mira", "author"))
    actor = f"user:{by.pk}"
    film = TitleFactory.create(
        name="The Tideline", window={"ends_at": now + timedelta(days=9), "contract_id": "C-2041"}, runtime_seconds=5400,
        tracks=[{"type": "audio", "language": "en", "channels": "5.1"}, {"type": "subtitle", "language": "de", "sdh": True}],
    )  # fmt: skip
    TextFactory.create(title=film, language="de", name="Die Flutlinie", synopsis_short=LONG)
    RatingFactory.create(title=film, country="DE", system="FSK", value="16", minimum_age=16)
    for number in range(1, 61):
        CreditFactory.create(title=film, character=f"Sister {number}", billing=number)
    for tag, region in (("", ""), ("de", ""), ("de", "AT")):
        artwork.attach(title_id=film.pk, kind="poster", data=scene(), language=tag, region=region, by=actor, now=now)
    text = {"language": "en", "name": "The Tideline", "synopsis_short": LONG.replace("bad", "long")}
    editing.edit(title_id=film.pk, fields={"runtime_seconds": 5460}, parts={"texts": [text]}, by=actor, now=now)
    scheduling.plan(
        title_id=film.pk, action="withdraw", at=now + timedelta(days=9), by=actor, now=now, reason="Licence ends"
    )
    review = reviews.request(
        title_id=film.pk, by=f"user:{author.pk}", now=now, note="Spoiler taken out",
        parts={"texts": [text | {"synopsis_short": LONG}]},
    )  # fmt: skip
    series = TitleFactory.create(kind="series", name="Night Ferries")
    for season in (1, 2):
        part = SeasonFactory.create(parent=series, number=season)
        for number in range(1, 9):
            EpisodeFactory.create(parent=part, number=number, name=f"Crossing {number}", runtime_seconds=2700)
    provider = ProviderFactory.create(name="Harbour Films", publish="on_ingest")
    same = {"titles": {"en": "Metropolis"}, "release_date": "1927"}
    other = ProviderFactory.create(name="Canal One", publish="on_ingest")
    run = ingest(
        feed(movie(1, **same), movie(2, release_date="1999-31"), movie(3, countries=["QQ"]), b"{broken"), provider
    )
    ingest(feed(movie(1, **same, runtime_seconds=9000), movie(2, titles={"en": "Häxan"})), other)
    pair = MatchCandidate.objects.create(
        title=film, other=series, score=0.7, reasons=["name", "year"], created_at=now
    )  # fmt: skip
    under_way = IngestRun.objects.create(
        provider=other, format="jsonl", source_name="weekly.jsonl", state="running", read=12_400, created=7_300,
        unchanged=800, started_by=actor, created_at=now, started_at=now, heartbeat_at=now, lease=new_id(),
    )  # fmt: skip
    row: dict[str, Any] = {"position": 1, "audience": "everybody", "countries": ["DE", "AT"], "excluded": False, "starts_at": None, "ends_at": None}  # fmt: skip
    collection = collections.save(
        collection_id=new_id(), now=now, title_ids=[film.pk, series.pk], rows=[row],
        fields={"slug": "sea", "kind": "mixed", "names": {"en": "By the sea", "de": "Am Meer"}, "rule": {"keywords": ["sea"]},
                "order": "added", "most": 40},
    )  # fmt: skip
    fields = {
        "provider": other,
        "kind": "folder",
        "location": "canal-one",
        "pattern": "*.xml",
        "format": "mrss",
        "marker": ".done",
    }
    source = sources.save(source_id=None, fields=fields, now=now)
    told = "Not everything in canal-one can be read: archive (Permission denied), +2. What else is there is looked at."
    FeedSource.objects.filter(pk=source.pk).update(outcome=told, failures=3, checked_at=now)
    genre = Genre.objects.create(slug="horror", name="Horror")
    for profile in ProfileFactory.create_batch(6, account=by):
        ProfileBlock.objects.create(profile=profile, title=series, created_at=now)
        ProfileBlock.objects.create(profile=profile, genre=genre, created_at=now)
    return {
        "film": film.pk, "series": series.pk, "review": review.pk, "run": run.pk, "running": under_way.pk,
        "pair": pair.pk, "collection": collection.pk, "person": film.credits.values_list("person", flat=True)[0], "source": source.pk,
        "provider": other.pk,
    }  # fmt: skip


def pages(made: dict[str, Any]) -> dict[str, str]:
    """Answer the addresses below /admin/catalog/, by the names of their pictures."""
    film = f"title/{made['film']}"
    return {
        "titles": "title/",
        "title": f"{film}/change/",
        "credits": f"{film}/change/#credits",
        "licences": f"{film}/change/#windows",
        "series": f"title/{made['series']}/change/",
        "artwork": f"{film}/artwork",
        "difference": f"{film}/versions",
        "plan": f"{film}/plan",
        "viewers": f"{film}/viewers",
        "sources": f"{film}/sources",
        "reviews": "review/",
        "review": f"review/{made['review']}/change/",
        "upload": "ingestrun/add/",
        "progress": f"ingestrun/{made['running']}/change/",
        "report": f"ingestrun/{made['run']}/change/",
        "deliveries": "ingestrun/",
        "providers": "provider/",
        "provider": f"provider/{made['provider']}/change/",
        "feeds": "feedsource/",
        "feed": f"feedsource/{made['source']}/change/",
        "matches": "matchcandidate/",
        "match": f"matchcandidate/{made['pair']}/change/",
        "calendar": "title/calendar",
        "gaps": "title/gaps?gap=poster",
        "ages": "title/ages?country=DE&age=12",
        "blocks": "profileblock/",
        "collections": "collection/",
        "collection": f"collection/{made['collection']}/change/",
        "genres": "genre/",
        "split": f"person/{made['person']}/split",
    }


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "en"), (1280, "de")])
def test_is_whole(
    page: Page, live_server: LiveServer, catalogue: dict[str, Any], errors: ErrorsOnPage, width: int, language: str
) -> None:
    account = AccountFactory.create(email="editor@example.org", is_staff=True, is_superuser=True)
    page.context.add_cookies(
        [
            {"name": "sessionid", "value": sign_in(account), "url": live_server.url},
            {"name": "django_language", "value": language, "url": live_server.url},
        ]
    )
    page.set_viewport_size({"width": width, "height": 900})

    def look(name: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the window"
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / f"{width}-{language}-{name}.png", full_page=True)

    for name, address in pages(catalogue).items():
        page.goto("about:blank")  # what comes after a # alone would not be loaded anew
        answer = page.goto(f"{live_server.url}/admin/catalog/{address}")
        assert answer is not None
        assert answer.status == 200, name
        look(name)
    for act in ("license_selected", "plan_selected"):
        page.goto(f"{live_server.url}/admin/catalog/title/")
        with page.expect_navigation():
            page.evaluate(CHOOSE, {"action": act, ACTION_CHECKBOX_NAME: str(catalogue["film"])})
        look(act)
    # Who goes on before a picture further down has come, breaks it off.
    assert [error for error in errors if "ERR_ABORTED" not in error] == []
