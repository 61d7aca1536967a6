"""What a title's page leads its reader to may be opened by them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.http import HttpResponse, HttpResponseBase
from django.test import Client
from django.urls import reverse

from accounts.services.staff import sync_groups
from catalog.models import Title
from catalog.services import matching, media, reviews, scheduling
from core import clock
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, EpisodeFactory, SeasonFactory, TitleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client: Client) -> Callable[[str], Client]:
    def as_one_of(group: str) -> Client:
        sync_groups()
        account = AccountFactory.create(is_staff=True)
        account.groups.add(Group.objects.get(name=group))
        client.cookies["sessionid"] = sign_in(account)
        return client

    return as_one_of


@pytest.fixture
def titles() -> list[Title]:
    """A film that is planned, reviewed and attached a file; a series with parts; a title that was merged."""
    film, series, merged = TitleFactory.create(), TitleFactory.create(kind="series"), TitleFactory.create(kind="series")
    episode = EpisodeFactory.create(parent=SeasonFactory.create(parent=series))
    scheduling.plan(
        title_id=film.pk, action="withdraw", at=clock.now() + timedelta(days=1), by="user:7", now=clock.now()
    )
    reviews.change(title_id=film.pk, fields={"runtime_seconds": 5}, parts={}, by="user:7", now=NOW, may_publish=False)
    media.attach(title_id=film.pk, name="film.mp4", content=ContentFile(b"film"), by="user:7", now=NOW)
    matching.merge(kept_id=series.pk, merged_id=merged.pk, by="user:7", now=NOW)
    return [film, series, episode, merged]


def page_of(title: Title) -> str:
    return reverse("admin:catalog_title_change", args=[title.pk])


def links_of(page: HttpResponseBase) -> set[str]:
    """Answer where a page leads within the admin."""
    text = cast("HttpResponse", page).content.decode()
    found = {link.replace("&amp;", "&") for link in re.findall(r'href="(/admin/[^"#]*)', text)}
    return {link for link in found if "/logout" not in link and "/jsi18n" not in link}


class TestLinks:
    @pytest.mark.parametrize("group", ["support", "author", "content"])
    def test_lead_to_pages_that_open(self, group: str, signed_in: Callable[[str], Client], titles: list[Title]) -> None:
        client = signed_in(group)
        pages = [client.get(page_of(title)) for title in titles]
        assert {page.status_code for page in pages} == {200}
        found = set.union(*map(links_of, pages)) - links_of(client.get(reverse("admin:index")))
        assert {link: status for link in found if (status := client.get(link).status_code) not in {200, 302}} == {}

    def test_to_a_plan_are_shown_to_who_may_plan(self, signed_in: Callable[[str], Client], titles: list[Title]) -> None:
        plan = reverse("admin:catalog_title_plan_one", args=[titles[0].pk])
        assert plan in links_of(signed_in("content").get(page_of(titles[0])))
        author = signed_in("author")
        assert plan not in links_of(author.get(page_of(titles[0])))
        # What is planned concerns them all the same.
        assert "Withdraw, " in author.get(page_of(titles[0])).content.decode()
