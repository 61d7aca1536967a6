"""What staff may know of what profiles have blocked: how often something is, how much of a profile, never what of whom."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from accounts.services import staff as groups
from catalog.models import Genre, ProfileBlock
from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in
from tests.factories.catalog import NOW, TitleFactory

pytestmark = pytest.mark.django_db
PAGE = "admin:catalog_profileblock_changelist"


def signed_in(client: Client, group: str) -> Client:
    groups.sync_groups()
    account = AccountFactory.create(is_staff=True)
    account.groups.add(Group.objects.get(name=group))
    client.cookies["sessionid"] = sign_in(account)
    return client


class TestCounts:
    def test_are_told_from_five_profiles_on(self, client: Client) -> None:
        much, little = TitleFactory.create(name="Nosferatu"), TitleFactory.create(name="Metropolis")
        profiles = ProfileFactory.create_batch(5)
        for profile in profiles:
            ProfileBlock.objects.create(profile=profile, title=much, created_at=NOW)
        ProfileBlock.objects.create(profile=profiles[0], title=little, created_at=NOW)
        ProfileBlock.objects.create(
            profile=profiles[0], genre=Genre.objects.create(slug="a", name="Horror"), created_at=NOW
        )
        page = signed_in(client, "content").get(reverse(PAGE))
        assert page.context["rows"] == [
            ("Nosferatu", reverse("admin:catalog_title_change", args=[much.pk]), 5),
            ("Metropolis", reverse("admin:catalog_title_change", args=[little.pk]), None),
        ]
        text = page.content.decode()
        assert ["5 profiles" in text, "fewer than 5 profiles" in text] == [True, True]
        assert client.get(reverse(PAGE), {"kind": "genre"}).context["rows"] == [("Horror", "", None)]

    def test_are_all_that_there_is_of_a_block(self, client: Client) -> None:
        block = ProfileBlock.objects.create(
            profile=ProfileFactory.create(), title=TitleFactory.create(), created_at=NOW
        )
        administrator = signed_in(client, "administrator")
        for page in ("change", "history"):
            address = reverse(f"admin:catalog_profileblock_{page}", args=[block.pk])
            assert administrator.get(address).status_code == 404


class TestOfAProfile:
    def test_support_is_told_how_much_and_that_is_on_record(self, client: Client) -> None:
        profile = ProfileFactory.create()
        ProfileBlock.objects.create(profile=profile, title=TitleFactory.create(name="Nosferatu"), created_at=NOW)
        support = signed_in(client, "support")
        assert str(profile.pk) in support.get(reverse("admin:accounts_user_change", args=[profile.account_id])).content.decode()  # fmt: skip
        page = support.post(f"{reverse(PAGE)}?kind=keyword", {"profile": str(profile.pk)})
        text = page.content.decode()
        assert "Blocked for this profile: 1 titles, 0 genres, 0 keywords." in text
        assert "Nosferatu" not in text
        entry = AuditEntry.objects.order_by("pk").last()
        assert entry is not None
        assert (entry.act, entry.account_id, entry.detail) == ("staff_viewed", profile.account_id, {"fields": "blocks"})

    def test_is_not_for_the_content_team(self, client: Client) -> None:
        profile = ProfileFactory.create()
        content = signed_in(client, "content")
        assert "Somebody cannot find a title?" not in content.get(reverse(PAGE)).content.decode()
        assert content.post(reverse(PAGE), {"profile": str(profile.pk)}).status_code == 403
        assert not AuditEntry.objects.filter(act="staff_viewed").exists()

    def test_says_that_there_is_none(self, client: Client) -> None:
        page = signed_in(client, "support").post(reverse(PAGE), {"profile": "01a218eb-2fcf-76ec-a08d-f7b9bfbac9b4"})
        assert "There is no such profile." in page.content.decode()
