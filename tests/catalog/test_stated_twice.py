"""What two rows of a title's page say alike is refused in words that name it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Collection, Title
from catalog.services import editing
from tests.catalog.test_admin import form_of
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, CreditFactory, RatingFactory, TitleFactory

pytestmark = pytest.mark.django_db
GERMAN = {"accept-language": "de"}
SAID = "Zwei Zeilen sagen dasselbe, oder eine externe Kennung gehört einem anderen Titel"


@pytest.fixture
def staff(client: Client) -> Client:
    client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def title() -> Title:
    title = TitleFactory.create(name="Nosferatu")
    CreditFactory.create(title=title)
    RatingFactory.create(title=title)
    return title


def said_of(staff: Client, title: Title, part: str, **row: Any) -> str:
    """Add a line to a part of a title's page, and answer what the page says of it."""
    address = reverse("admin:catalog_title_change", args=[title.pk])
    page = staff.get(address)
    data = form_of(page)
    formset = next(one.formset for one in page.context["inline_admin_formsets"] if one.formset.prefix == part)
    number = int(data[f"{part}-TOTAL_FORMS"])
    line = {f"{part}-{number}-{name}": row.get(name, "") for name in formset.empty_form.fields}
    answer = staff.post(address, data | line | {f"{part}-TOTAL_FORMS": number + 1}, headers=GERMAN)
    assert answer.status_code == 200
    return str(answer.context["errors"])


class TestTitlePage:
    def test_names_the_field_as_the_page_does(self, staff: Client, title: Title) -> None:
        said = said_of(staff, title, "texts", language="en", name="Another")
        assert "Bitte die doppelten Daten für Sprache korrigieren." in said
        assert title.texts.get().name == "Nosferatu"

    def test_refuses_a_credit_that_is_there(self, staff: Client, title: Title) -> None:
        there = title.credits.get()
        assert SAID in said_of(staff, title, "credits", person=there.person_id, job=there.job, billing=3)
        assert title.credits.get() == there

    def test_refuses_a_rating_that_is_another_spelling_of_one_that_is_there(self, staff: Client, title: Title) -> None:
        assert SAID in said_of(staff, title, "ratings", country="US", system="mpaa", value="R")
        assert title.ratings.get().value == "PG-13"


class TestCollectionPage:
    def test_names_a_title_as_the_page_does(self, staff: Client, title: Title) -> None:
        collection = Collection.objects.create(slug="a", names={"en": "A"}, updated_at=NOW)
        data = {
            "slug": "a", "kind": "manual", "names": "en: A", "members-TOTAL_FORMS": 2, "members-INITIAL_FORMS": 0,
            "rows-TOTAL_FORMS": 0, "rows-INITIAL_FORMS": 0,
        }  # fmt: skip
        data |= {f"members-{place}-title": title.pk for place in range(2)}
        data |= {f"members-{place}-position": place for place in range(2)}
        address = reverse("admin:catalog_collection_change", args=[collection.pk])
        said = str(staff.post(address, data, headers=GERMAN).context["errors"])
        assert "Bitte die doppelten Daten für Titel korrigieren." in said
        assert not collection.members.exists()


class TestService:
    def test_says_that_an_id_is_another_titles(self, title: Title) -> None:
        row = {"namespace": "imdb", "value": "tt0013442"}
        other = TitleFactory.create()
        editing.edit(title_id=other.pk, fields={}, parts={"external_ids": [row]}, by="user:7", now=NOW)
        with pytest.raises(editing.StatedTwice):
            editing.edit(title_id=title.pk, fields={}, parts={"external_ids": [row]}, by="user:7", now=NOW)
        assert not title.external_ids.exists()
