"""The images of a title in the admin: sent, described, focused, tried again, removed, by whoever may."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from accounts.services import staff as staff_groups
from catalog import pictures
from catalog.models import Artwork, Revision, Title
from catalog.services import artwork, locks
from tests.catalog.test_admin import staff
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, feed, ingest, movie, picture

__all__ = ["staff"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def author(client: Client) -> Client:
    staff_groups.sync_groups()
    account = AccountFactory.create(is_staff=True)
    account.groups.add(Group.objects.get(name="author"))
    client.cookies["sessionid"] = sign_in(account)
    return client


def page_of(title: Title) -> str:
    return reverse("admin:catalog_title_artwork_one", args=[title.pk])


def address(image: Artwork, act: str = "") -> str:
    name = f"admin:catalog_title_image{act and f'_{act}'}"
    return reverse(name, args=[image.title_id, image.pk])


def send(client: Client, title: Title, data: bytes, name: str = "a.webp", **values: Any) -> Any:
    return client.post(
        page_of(title), {"kind": "poster", "language": "", "file": SimpleUploadedFile(name, data), **values}
    )


def drawn(format: str, size: tuple[int, int], **options: Any) -> bytes:  # noqa: A002 - what Pillow calls it
    file = io.BytesIO()
    Image.new("1", size).save(file, format, **options)
    return file.getvalue()


class TestRegions:
    def test_have_images_of_their_own(self, staff: Client) -> None:
        title = TitleFactory.create()
        send(staff, title, picture(), language="de")
        send(staff, title, picture(41), language="de", region="at")
        assert list(title.artwork.order_by("pk").values_list("language", "region")) == [("de", ""), ("de", "AT")]
        text = staff.get(page_of(title)).content.decode()
        assert "for AT" in text
        answer = send(staff, title, picture(42), language="de", region="UK")
        assert "the United Kingdom is GB" in answer.content.decode()
        other = title.artwork.get(region="AT")
        answer = staff.post(address(other), {"kind": "poster", "language": "de", "region": ""}, follow=True)
        assert "The title has an image of this kind in de already." in answer.content.decode()
        other.refresh_from_db()
        assert other.region == "AT"

    def test_are_delivered(self) -> None:
        images = [{"kind": "poster", "url": f"https://a.example/{name or 'x'}.jpg", **({"region": name} if name else {})}
                  for name in ("", "CH", "AT")]  # fmt: skip
        run = ingest(
            feed(movie(1, artwork=images), movie(2, artwork=[images[1] | {"region": "QQ"}])), ProviderFactory.create()
        )
        assert list(Artwork.objects.order_by("pk").values_list("region", "position")) == [("", 0), ("CH", 0), ("AT", 0)]
        assert list(run.problems.values_list("code", "field")) == [("unknown_country", "artwork[0].region")]


class TestSending:
    def test_shows_an_image_and_leaves_a_revision(self, staff: Client) -> None:
        title = TitleFactory.create(name="Nosferatu")
        assert "It has none yet." in staff.get(page_of(title)).content.decode()
        answer = send(staff, title, picture(), language="pt-BR")
        assert (answer.status_code, answer["Location"]) == (302, page_of(title))
        image = title.artwork.get()
        assert (image.kind, image.language, image.width, image.position) == ("poster", "pt-BR", 40, 0)
        title.refresh_from_db()
        revision = Revision.objects.get(title=title)
        by = f"user:{staff.session['_auth_user_id']}"
        assert (revision.by, revision.note, revision.number) == (by, "Poster in pt-BR added", title.revision)
        assert title.edited == ["artwork"]
        text = staff.get(page_of(title)).content.decode()
        assert all(word in text for word in ("40 x 60", "Shown as it came", "pt-BR"))
        assert "Poster in pt-BR added" in staff.get(
            reverse("admin:catalog_title_history_one", args=[title.pk])
        ).content.decode()  # fmt: skip

    def test_warns_of_an_image_that_is_too_small_and_says_the_size(self, staff: Client) -> None:
        title = TitleFactory.create()
        said = "It is 639 pixels wide: blurred on most screens. Send one of at least 640."
        answer = staff.post(page_of(title), {"kind": "poster", "language": "", "file": SimpleUploadedFile("a.webp", drawn("WEBP", (639, 960)))}, follow=True)  # fmt: skip
        assert answer.content.decode().count(said) == 2  # once as it is sent, and as long as it is there
        send(staff, title, drawn("WEBP", (640, 960)))
        assert "blurred" not in staff.get(page_of(title)).content.decode()

    def test_takes_the_place_of_the_one_before(self, staff: Client) -> None:
        title = TitleFactory.create()
        for colour in ("navy", "red"):
            assert send(staff, title, picture(colour=colour)).status_code == 302
        assert Artwork.objects.count() == 1
        assert list(Revision.objects.order_by("number").values_list("note", flat=True)) == [
            "Poster without words added",
            "Poster without words replaced",
        ]

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"", "empty"),
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "SVG is a program"),
            (b"GIF89a" + bytes(100), "no JPEG"),
            (b"<html><script>alert(1)</script>", "no JPEG"),
            (b"\x89PNG\r\n\x1a\n" + bytes(64), "no JPEG"),
            (drawn("PNG", (20_000, 20_000)), "pixels"),
            (bytes(pictures.MAX_BYTES + 1), "are the most"),
        ],
        ids=["empty", "svg", "gif", "html", "broken", "bomb", "huge"],
    )
    def test_refuses_what_is_no_picture_in_bounds(self, staff: Client, data: bytes, says: str) -> None:
        title = TitleFactory.create()
        answer = send(staff, title, data, name="poster.png")
        assert answer.status_code == 200
        assert says in str(answer.context["form"].errors["file"])
        title.refresh_from_db()
        assert (Artwork.objects.count(), Revision.objects.count(), title.revision) == (0, 0, 1)

    @pytest.mark.parametrize("values", [{"kind": "cover"}, {"language": "german!"}, {"file": ""}])
    def test_refuses_what_does_not_say_what_it_is(self, staff: Client, values: dict[str, str]) -> None:
        title = TitleFactory.create()
        answer = send(staff, title, picture(), **values)
        assert (answer.status_code, [*answer.context["form"].errors]) == (200, [*values])
        assert not Artwork.objects.exists()


class TestImage:
    @pytest.fixture
    def image(self) -> Artwork:
        data = picture(400, 600)
        return artwork.attach(title_id=TitleFactory.create().pk, kind="poster", data=data, by="user:7", now=NOW)

    def test_is_focused_by_a_click_without_a_script(self, staff: Client, image: Artwork) -> None:
        text = staff.get(address(image)).content.decode()
        # Shown 320 by 480 pixels, as a button that sends where it was clicked.
        assert '<input type="image" name="point"' in text
        assert "width:320px;height:480px" in text
        assert staff.post(address(image, "focus"), {"point.x": "80", "point.y": "120"}).status_code == 302
        image.refresh_from_db()
        assert (image.focal_x, image.focal_y) == (0.25, 0.25)
        assert staff.post(address(image, "focus"), {"point.x": "9999", "point.y": "0"}).status_code == 302
        image.refresh_from_db()
        assert (image.focal_x, image.focal_y) == (1.0, 0.0)

    def test_is_focused_by_numbers(self, staff: Client, image: Artwork) -> None:
        assert staff.post(address(image, "focus"), {"x": "30", "y": "70"}).status_code == 302
        image.refresh_from_db()
        assert (image.focal_x, image.focal_y) == (0.3, 0.7)
        assert "Poster without words focused at 30%, 70%" in Revision.objects.values_list("note", flat=True)
        for values in (
            {"x": "-1", "y": "5"},
            {"x": "101", "y": "5"},
            {"x": "", "y": "5"},
            {"point.x": "a", "point.y": "1"},
        ):
            answer = staff.post(address(image, "focus"), values, follow=True)
            assert "two whole numbers from 0 to 100" in answer.content.decode()
        image.refresh_from_db()
        assert (image.focal_x, image.focal_y) == (0.3, 0.7)
        assert staff.get(address(image, "focus")).status_code == 405

    def test_is_described_anew_unless_another_is_there(self, staff: Client, image: Artwork) -> None:
        artwork.work(now=NOW, limit=10)
        values = {"kind": "still", "language": "de"}
        assert staff.post(address(image), values).status_code == 302
        image.refresh_from_db()
        assert (image.kind, image.language, image.renditions) == ("still", "de", [])
        other = artwork.attach(title_id=image.title_id, kind="poster", data=picture(), by="user:7", now=NOW)
        answer = staff.post(address(other), values, follow=True)
        assert "has an image of this kind in de already" in answer.content.decode()
        other.refresh_from_db()
        assert (other.kind, other.language) == ("poster", "")

    def test_is_removed_after_a_question(self, staff: Client, image: Artwork) -> None:
        assert "goes for good" in staff.get(address(image, "remove")).content.decode()
        assert Artwork.objects.exists()
        assert staff.post(address(image, "remove")).status_code == 302
        assert not Artwork.objects.exists()
        assert "Poster without words removed" in Revision.objects.values_list("note", flat=True)
        assert staff.get(address(image)).status_code == 404

    def test_belongs_to_its_title(self, staff: Client, image: Artwork) -> None:
        other = TitleFactory.create()
        foreign = reverse("admin:catalog_title_image_remove", args=[other.pk, image.pk])
        assert staff.post(foreign).status_code == 404
        assert Artwork.objects.exists()

    def test_that_could_not_be_fetched_says_why_and_is_tried_again(self, staff: Client) -> None:
        announced = {"kind": "poster", "url": "http://169.254.169.254/x"}
        ingest(feed(movie(1, artwork=[announced])), ProviderFactory.create())
        artwork.work(now=NOW, limit=10)
        image = Artwork.objects.get()
        text = staff.get(page_of(image.title)).content.decode()
        assert all(word in text for word in ("public address", "It is not tried again by itself.", "Try again"))
        title_page = staff.get(reverse("admin:catalog_title_change", args=[image.title_id])).content.decode()
        assert "1 could not be taken" in title_page
        assert staff.post(address(image, "retry")).status_code == 302
        image.refresh_from_db()
        assert (image.attempts, image.problem) == (0, "")
        answer = staff.post(address(image, "retry"), follow=True)
        assert "another attempt could mend" in answer.content.decode()


class TestAuthors:
    def test_change_the_artwork_of_drafts_alone(self, author: Client) -> None:
        draft, public = TitleFactory.create(state="draft", published_at=None), TitleFactory.create()
        assert send(author, draft, picture()).status_code == 302
        assert draft.artwork.count() == 1
        answer = send(author, public, picture())
        assert "somebody who may publish" in str(answer.context["form"].errors)
        assert public.artwork.count() == 0
        image = artwork.attach(title_id=public.pk, kind="poster", data=picture(), by="user:7", now=NOW)
        for act, values in (("", {"kind": "still"}), ("focus", {"x": "1", "y": "1"}), ("remove", {})):
            assert "somebody who may publish" in author.post(address(image, act), values, follow=True).content.decode()
        image.refresh_from_db()
        assert (image.kind, image.focal_x) == ("poster", 0.5)

    def test_leave_what_another_keeps(self, staff: Client) -> None:
        title = TitleFactory.create()
        locks.lock(title_id=title.pk, by="user:somebody", now=NOW)
        assert "has kept this title" in str(send(staff, title, picture()).context["form"].errors)
        assert not Artwork.objects.exists()
