"""The content team's pages in a browser: each is drawn whole, with nothing refused and nothing failing."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Dialog, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from catalog.models import Genre, Title, TitleGenre
from catalog.services import editing, locks, reviews, scheduling
from core import clock
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import CreditFactory, RatingFactory, TitleFactory
from tests.pages.conftest import ErrorsOnPage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keep_picture")]

TEXT = {"language": "en", "name": "The Tideline", "synopsis_short": "A keeper counts the lights that go out at sea."}


def scene() -> bytes:
    """Draw a poster with a light in its upper right."""
    image = Image.new("RGB", (400, 600), "#1d3557")
    drawing = ImageDraw.Draw(image)
    drawing.polygon([(0, 600), (0, 420), (400, 340), (400, 600)], fill="#457b9d")
    drawing.rectangle([285, 170, 315, 380], fill="#e63946")
    drawing.ellipse([270, 120, 330, 180], fill="#f1faee")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def editor(page: Page, live_server: LiveServer) -> User:
    """Sign somebody in who may do everything."""
    account = AccountFactory.create(email="editor@example.org", is_staff=True, is_superuser=True)
    page.context.add_cookies([{"name": "sessionid", "value": sign_in(account), "url": live_server.url}])
    return account


@pytest.fixture
def title(editor: User) -> Title:
    """A film with a history, a plan and a lock."""
    now = clock.now()
    film = TitleFactory.create(name="Tideline", window={"ends_at": now + timedelta(days=9)}, runtime_seconds=5400)
    RatingFactory.create(title=film)
    CreditFactory.create(title=film, character="The keeper")
    by = f"user:{editor.pk}"
    editing.edit(title_id=film.pk, fields={"runtime_seconds": 5460}, parts={"texts": [TEXT]}, by=by, now=now)
    scheduling.plan(
        title_id=film.pk, action="withdraw", at=now + timedelta(days=9), by=by, now=now, reason="Licence ends"
    )
    return film


class TestPages:
    def test_of_going_back(self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage) -> None:
        page.goto(f"{live_server.url}/admin/catalog/title/{title.pk}/change/")
        page.locator("a", has_text="more_vert").click()
        page.get_by_role("link", name="Versions").click()
        expect(page.get_by_role("heading", name="Revision 2")).to_be_visible()
        expect(page.locator("ins", has_text="A keeper counts")).to_be_visible()
        page.get_by_role("button", name="Go back to this").click()
        expect(page.get_by_text("It is again what it was at revision 1")).to_be_visible()
        title.refresh_from_db()
        assert title.runtime_seconds == 5400
        assert errors == []

    def test_of_versions(self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage) -> None:
        page.goto(f"{live_server.url}/admin/catalog/title/{title.pk}/versions")
        expect(page.get_by_role("heading", name="Revision 2")).to_be_visible()
        assert errors == []

    def test_of_a_plan(self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage) -> None:
        page.goto(f"{live_server.url}/admin/catalog/title/{title.pk}/plan")
        expect(page.get_by_text("Licence ends")).to_be_visible()
        assert errors == []

    def test_of_a_review(
        self, page: Page, live_server: LiveServer, editor: User, title: Title, errors: ErrorsOnPage
    ) -> None:
        other = AccountFactory.create(email="author@example.org", is_staff=True)
        parts = {"texts": [TEXT | {"synopsis_short": "A keeper counts the lights, and one does not go out."}]}
        review = reviews.request(
            title_id=title.pk, by=f"user:{other.pk}", now=clock.now(), note="Spoiler taken out", parts=parts
        )
        page.goto(f"{live_server.url}/admin/catalog/review/")
        page.get_by_role("link", name="The Tideline").click()
        expect(page.get_by_text("Spoiler taken out")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_be_visible()
        assert review.state == "in_progress"
        assert errors == []

    def test_of_a_kept_title(self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage) -> None:
        locks.lock(title_id=title.pk, by="user:somebody", now=datetime(2026, 3, 4, tzinfo=UTC), reason="Festival cut")
        page.goto(f"{live_server.url}/admin/catalog/title/{title.pk}/change/")
        expect(page.get_by_text("has kept this title")).to_be_visible()
        assert errors == []

    def test_of_the_calendar(self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage) -> None:
        page.goto(f"{live_server.url}/admin/catalog/title/")
        page.get_by_role("link", name="Licence calendar").click()
        expect(page.get_by_role("link", name="The Tideline")).to_be_visible()
        expect(page.get_by_text("Leaves")).to_be_visible()
        assert errors == []

    def test_of_what_is_missing(self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage) -> None:
        page.goto(f"{live_server.url}/admin/catalog/title/gaps?gap=poster")
        expect(page.get_by_role("link", name="The Tideline")).to_be_visible()
        assert errors == []

    def test_of_artwork(self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage) -> None:
        page.goto(f"{live_server.url}/admin/catalog/title/{title.pk}/change/")
        page.get_by_role("link", name="Add artwork").click()
        page.locator("input[type=file]").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": scene()})
        page.get_by_role("button", name="Send").click()
        page.get_by_role("link", name="Focal point and language").click()
        # A click is enough, without a script of ours.
        page.locator("input[type=image]").click(position={"x": 240, "y": 120})
        expect(page.get_by_text("It is looked at 75% from the left and 25% from the top.")).to_be_visible()
        image = title.artwork.get()
        assert (image.focal_x, image.focal_y) == (0.75, 0.25)
        assert errors == []

    def test_of_a_collection_shows_what_its_rule_finds_before_it_is_saved(
        self, page: Page, live_server: LiveServer, title: Title, errors: ErrorsOnPage
    ) -> None:
        genre = Genre.objects.create(slug="drama", name="Drama")
        TitleGenre.objects.create(title=title, genre=genre, position=0)
        TitleFactory.create(name="Another")
        page.goto(f"{live_server.url}/admin/catalog/collection/add/")
        page.locator("[name=kind]").select_option("rule")
        page.locator("[name=rule_genres] + .select2").click()
        page.keyboard.type("dra")
        page.locator(".select2-results__option", has_text="Drama").click()
        expect(page.get_by_text("1 title would be shown in US.")).to_be_visible()
        expect(page.locator("#preview").get_by_role("link", name="Tideline")).to_be_visible()
        asked: list[str] = []

        def leave(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.accept()

        page.on("dialog", leave)
        page.goto(f"{live_server.url}/admin/")
        assert asked == ["beforeunload"]
        # Who types on breaks off what was searched for before.
        assert [error for error in errors if "ERR_ABORTED" not in error] == []
