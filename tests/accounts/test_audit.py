"""What is recorded of an account, who reads it, and that nobody changes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry, ProfileTransfer, User
from accounts.services import accounts, audit
from accounts.services.audit import Act, Origin
from core.clock import now
from tests.accounts.conftest import App
from tests.erasures import Tally
from tests.factories.accounts import PASSWORD, AccountFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db


def acts(account: User | None) -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(account=account).order_by("at", "pk").values_list("act", "actor"))


def signed_in(account: User) -> App:
    app = App()
    app.token = sign_in(account)
    return app


class TestSignIn:
    def test_is_recorded_with_where_it_came_from(self, app: App) -> None:
        account = AccountFactory.create()
        app.client.defaults["HTTP_USER_AGENT"] = "Phone/1"
        app.auth("auth/login", email=account.email, password=PASSWORD)
        entry = AuditEntry.objects.get(account=account)
        assert (entry.act, entry.actor, entry.by_id) == ("signed_in", "owner", account.pk)
        assert (entry.address, entry.user_agent) == (app.address, "Phone/1")

    def test_that_fails_is_recorded_for_whom_it_was_tried(self, app: App) -> None:
        account = AccountFactory.create()
        app.auth("auth/login", email=account.email.upper(), password="wrong")
        assert acts(account) == [("sign_in_failed", "unknown")]
        assert AuditEntry.objects.get().by_id is None

    def test_to_an_unknown_address_is_recorded_without_it(self, app: App) -> None:
        app.auth("auth/login", email="nobody@example.com", password="wrong")
        assert acts(None) == [("sign_in_failed", "unknown")]
        assert "nobody" not in str(AuditEntry.objects.values().get())

    def test_by_a_wrong_code_is_recorded(self, app: App) -> None:
        account = AccountFactory.create()
        app.auth("auth/code/request", email=account.email)
        app.auth("auth/code/confirm", code="wrong")
        assert acts(account) == [("code_rejected", "unknown")]

    def test_with_a_wrong_second_factor_is_recorded(self, app: App) -> None:
        account = AccountFactory.create()
        TOTP.activate(account, "JBSWY3DPEHPK3PXP")
        app.auth("auth/login", email=account.email, password=PASSWORD)
        app.auth("auth/2fa/authenticate", code="000000")
        assert acts(account) == [("second_factor_failed", "unknown")]

    def test_up_and_the_verified_address_are_recorded(self, app: App) -> None:
        app.sign_up("ada@example.com")
        app.verify("ada@example.com")
        assert [act for act, _ in acts(User.objects.get())] == ["signed_up", "email_confirmed", "signed_in"]


class TestChange:
    def test_of_the_password_is_recorded(self, app: App) -> None:
        account = AccountFactory.create()
        app.auth("auth/login", email=account.email, password=PASSWORD)
        app.auth("account/password/change", current_password=PASSWORD, new_password="quite another battery")
        assert acts(account)[1:] == [("password_changed", "owner")]


class TestActivity:
    def test_shows_the_owner_what_was_done_and_not_where_staff_sit(self) -> None:
        account, staff = AccountFactory.create(), StaffFactory.create()
        AccountFactory.create()
        origin = Origin("192.0.2.7", "Bonn, DE", "Browser/2")
        audit.record(Act.SIGNED_IN, account_id=account.pk, by=account, origin=origin, now=now())
        accounts.suspend(account_id=account.pk, reason="abuse", by=staff, now=now(), origin=origin)
        accounts.unsuspend(account_id=account.pk, reason="a slip", by=staff, now=now(), origin=origin)
        shown = signed_in(User.objects.get(pk=account.pk)).call("get", "/api/v1/account/activity").json()["results"]
        for entry in shown:
            del entry["id"], entry["at"]
        nowhere: dict[str, Any] = {"address": None, "place": "", "user_agent": "", "detail": {}}
        assert shown == [
            {"act": "unsuspended", "actor": "staff", **nowhere},
            {"act": "suspended", "actor": "staff", **nowhere},
            {
                "act": "signed_in", "actor": "owner", "address": "192.0.2.7", "place": "Bonn, DE",
                "user_agent": "Browser/2", "detail": {},
            },
        ]  # fmt: skip

    def test_is_read_page_by_page_in_one_query_each(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        account = AccountFactory.create()
        app = signed_in(account)
        for _ in range(5):
            audit.record(Act.SIGNED_IN, account_id=account.pk, by=account, origin=audit.NOWHERE, now=now())
        app.call("get", "/api/v1/account")
        with django_assert_num_queries(2):  # who asks, and the page
            first = app.call("get", "/api/v1/account/activity?page_size=3").json()
        second = app.call("get", first["next"]).json()
        ids = [entry["id"] for page in (first, second) for entry in page["results"]]
        newest_first = AuditEntry.objects.order_by("-at", "-pk").values_list("pk", flat=True)
        assert ids == [str(pk) for pk in newest_first]

    def test_of_others_is_not_shown(self) -> None:
        audit.record(Act.SIGNED_IN, account_id=AccountFactory.create().pk, by=None, origin=audit.NOWHERE, now=now())
        assert signed_in(AccountFactory.create()).call("get", "/api/v1/account/activity").json()["results"] == []


class TestEntry:
    def test_is_neither_changed_nor_deleted(self) -> None:
        account = AccountFactory.create()
        audit.record(Act.SIGN_IN_FAILED, account_id=account.pk, by=None, origin=Origin("192.0.2.7"), now=now())
        entries = AuditEntry.objects.filter(account=account)
        changes: list[dict[str, Any]] = [
            {"act": "signed_in"}, {"at": now()}, {"account": None}, {"actor": "owner"}, {"address": "192.0.2.8"},
        ]  # fmt: skip
        for change in changes:
            with pytest.raises(IntegrityError), transaction.atomic():
                entries.update(**change)
        with pytest.raises(IntegrityError), transaction.atomic():
            entries.delete()
        assert list(entries.values_list("act", "address")) == [("sign_in_failed", "192.0.2.7")]

    def test_is_purged_when_it_is_old(self) -> None:
        for age in (399, 401):
            audit.record(
                Act.SIGN_IN_FAILED, account_id=None, by=None, origin=audit.NOWHERE, now=now() - timedelta(days=age)
            )
        assert audit.purge(now=now()) == 1
        assert AuditEntry.objects.count() == 1

    def test_outlives_an_erasure_without_the_person(self) -> None:
        account, staff = AccountFactory.create(), StaffFactory.create()
        origin = Origin("192.0.2.7", "Bonn, DE", "Browser/2")
        accounts.suspend(account_id=account.pk, reason="named Ada", by=staff, now=now(), origin=origin)
        accounts.erase(account_id=account.pk, now=now(), tally=Tally())
        entry = AuditEntry.objects.get()
        assert (entry.account_id, entry.act, entry.by_id) == (account.pk, "suspended", staff.pk)
        assert (entry.address, entry.place, entry.user_agent, entry.detail) == (None, "", "", {})


class TestStaff:
    def test_leave_an_entry_when_they_look_at_an_account(self, client: Client) -> None:
        staff = StaffFactory.create(is_superuser=True)
        account = AccountFactory.create()
        client.force_login(staff)
        client.get(f"/admin/accounts/user/{account.pk}/change/")
        entry = AuditEntry.objects.get(account=account)
        assert (entry.act, entry.actor, entry.by_id) == ("staff_viewed", "staff", staff.pk)

    @pytest.mark.parametrize(("page", "what"), [("password", "password"), ("history", "history")])
    def test_leave_an_entry_when_they_look_at_another_page_of_an_account(
        self, client: Client, page: str, what: str
    ) -> None:
        account = AccountFactory.create()
        client.force_login(StaffFactory.create(is_superuser=True))
        shown = client.get(f"/admin/accounts/user/{account.pk}/{page}/")
        assert (shown.status_code, account.email in shown.content.decode()) == (200, True)
        assert AuditEntry.objects.get(account=account).detail["what"] == what

    def test_leave_an_entry_with_each_household_of_a_transfer(self, client: Client) -> None:
        giver, taker = AccountFactory.create(), AccountFactory.create()
        moved = ProfileTransfer.objects.create(
            from_account=giver, to_account=taker, to_email=taker.email,
            offered_at=(at := now()), expires_at=at + timedelta(days=1), outcome="accepted", ended_at=at,
        )  # fmt: skip
        client.force_login(StaffFactory.create(is_superuser=True))
        client.get(f"/admin/accounts/profiletransfer/{moved.pk}/change/")
        seen = AuditEntry.objects.filter(act="staff_viewed").values_list("account", flat=True)
        assert sorted(seen) == sorted([giver.pk, taker.pk])

    def test_leave_an_entry_when_they_are_shown_an_account_because_of_a_mistake_in_it(self, client: Client) -> None:
        account = AccountFactory.create()
        client.force_login(StaffFactory.create(is_superuser=True))
        shown = client.post(f"/admin/accounts/user/{account.pk}/change/", {})
        assert (shown.status_code, account.email in shown.content.decode()) == (200, True)
        assert AuditEntry.objects.get(account=account).act == "staff_viewed"

    def test_leave_an_entry_when_they_look_at_what_was_done_to_an_account(self, client: Client) -> None:
        staff, account = StaffFactory.create(is_superuser=True), AccountFactory.create()
        client.force_login(staff)
        audit.record(Act.SIGN_IN_FAILED, account_id=account.pk, by=None, origin=audit.NOWHERE, now=now())
        seen = AuditEntry.objects.get(account=account)
        client.get("/admin/accounts/auditentry/")
        assert AuditEntry.objects.filter(account=account).count() == 1
        client.get(f"/admin/accounts/auditentry/{seen.pk}/change/")
        entry = AuditEntry.objects.get(account=account, act="staff_viewed")
        assert (entry.by_id, entry.detail["of"], entry.detail["row"]) == (staff.pk, "accounts.auditentry", str(seen.pk))

    def test_read_the_record_and_change_nothing_of_it(self, client: Client) -> None:
        client.force_login(StaffFactory.create(is_superuser=True))
        audit.record(Act.SIGN_IN_FAILED, account_id=None, by=None, origin=Origin("192.0.2.7"), now=now())
        page = client.get("/admin/accounts/auditentry/")
        assert b"192.0.2.7" in page.content
        pk = AuditEntry.objects.filter(act="sign_in_failed").get().pk
        assert client.post(f"/admin/accounts/auditentry/{pk}/change/", {}).status_code == 403
        assert client.post(f"/admin/accounts/auditentry/{pk}/delete/", {"post": "yes"}).status_code == 403
