"""Staff: groups, the admin's door, what they may do to an account."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, OutgoingEmail, Recovery, User
from accounts.services import accounts, deletions, staff, suppressions
from accounts.services.audit import NOWHERE
from tests.accounts.conftest import App
from tests.factories.accounts import PASSWORD, AccountFactory, ProfileFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FORMS = ("profiles", "emailaddress_set", "usersession_set")


def in_group(name: str, **fields: Any) -> User:
    """Make a member of staff with a group's rights."""
    staff.sync_groups()
    user: User = StaffFactory.create(**fields)
    user.groups.add(Group.objects.get(name=name))
    return user


def rights(name: str) -> set[tuple[str, str]]:
    staff.sync_groups()
    return set(Permission.objects.filter(group__name=name).values_list("content_type__app_label", "codename"))


class TestSyncGroups:
    def test_makes_the_groups_and_changes_nothing_when_run_again(self) -> None:
        first = staff.sync_groups()
        assert sorted(first) == ["administrator", "author", "billing", "content", "support"]
        assert staff.sync_groups() == first
        assert Group.objects.count() == 5

    def test_takes_away_what_a_group_should_not_have(self) -> None:
        staff.sync_groups()
        Group.objects.get(name="support").permissions.add(Permission.objects.get(codename="delete_user"))
        staff.sync_groups()
        assert ("accounts", "delete_user") not in rights("support")

    def test_lets_support_see_and_suspend_and_nothing_more(self) -> None:
        support = rights("support")
        assert {("accounts", "view_user"), ("accounts", "suspend_user")} <= support
        assert [right for right in support if not right[1].startswith("view_")] == [("accounts", "suspend_user")]

    @pytest.mark.parametrize("name", ["support", "content", "author", "billing"])
    def test_lets_only_administrators_give_rights(self, name: str) -> None:
        assert not rights(name) & {
            ("auth", "change_group"), ("auth", "add_group"), ("accounts", "change_user"), ("accounts", "add_user"),
            ("auth", "change_permission"),
        }  # fmt: skip

    def test_lets_billing_enter_outages_and_ask_for_what_another_approves(self) -> None:
        assert {
            ("billing", "add_outage"), ("billing", "change_outage"), ("billing", "grant_credit"),
            ("billing", "approve_credit"), ("billing", "refund_gift"), ("billing", "grant_access"),
            ("billing", "revoke_access"),
        } <= rights("billing")  # fmt: skip

    def test_keeps_money_and_titles_apart(self) -> None:
        assert "billing" not in {label for label, _ in rights("content")}
        assert "catalog" not in {label for label, _ in rights("billing")}

    def test_is_a_command(self) -> None:
        output = StringIO()
        call_command("sync_staff_groups", stdout=output)
        assert "support: " in output.getvalue()


def sign_in_to_admin(email: str, password: str = PASSWORD, code: str = "") -> tuple[Client, Any]:
    client = Client(REMOTE_ADDR=App().address)
    answer = client.post(
        reverse("admin:login"), {"username": email, "password": password, "code": code, "next": "/admin/"}
    )
    return client, answer


class TestAdminDoor:
    def test_lets_staff_in(self) -> None:
        client, answer = sign_in_to_admin(StaffFactory.create().email)
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        assert client.get("/admin/").status_code == 200

    def test_leads_to_the_admin_from_its_own_address(self) -> None:
        form = {"username": StaffFactory.create().email, "password": PASSWORD, "code": ""}
        assert Client(REMOTE_ADDR=App().address).post(reverse("admin:login"), form)["Location"] == "/admin/"

    def test_shows_a_form_with_a_field_for_the_code(self) -> None:
        page = Client().get(reverse("admin:login")).content.decode()
        for name in ("username", "password", "code"):
            assert f'name="{name}"' in page

    def test_keeps_others_out(self) -> None:
        client, answer = sign_in_to_admin(AccountFactory.create().email)
        assert answer.status_code == 200
        assert client.get("/admin/").status_code == 302

    def test_stops_guessing(self) -> None:
        user = StaffFactory.create()
        for _ in range(5):
            sign_in_to_admin(user.email, "not the password")
        _, answer = sign_in_to_admin(user.email)
        assert answer.status_code == 200
        assert "Too many failed login attempts" in answer.content.decode()

    def test_requires_a_second_factor_where_the_operator_does(self, settings: Any) -> None:
        settings.STAFF_SECOND_FACTOR_REQUIRED = True
        client, answer = sign_in_to_admin(StaffFactory.create().email)
        assert "Staff need a second factor here" in answer.content.decode()
        assert client.get("/admin/").status_code == 302

    def test_lets_nobody_in_by_a_session_begun_without_one(self, settings: Any) -> None:
        user = StaffFactory.create()
        browser, app = Client(), App()
        app.auth("auth/login", email=user.email, password=PASSWORD)
        assert app.token
        browser.cookies["sessionid"] = app.token
        assert browser.get("/admin/").status_code == 200
        settings.STAFF_SECOND_FACTOR_REQUIRED = True
        assert browser.get("/admin/").status_code == 302

    def test_takes_a_code_and_each_recovery_code_once(self, settings: Any, forget_tries: Any) -> None:
        settings.STAFF_SECOND_FACTOR_REQUIRED = True
        user = StaffFactory.create()
        factor = staff.set_up_second_factor(email=user.email, replace=False, now=NOW)
        secret = factor.url.partition("secret=")[2].partition("&")[0]
        code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
        for wrong in ("", "000000"):
            client, answer = sign_in_to_admin(user.email, code=wrong)
            assert "code is missing or wrong" in answer.content.decode()
            assert client.get("/admin/").status_code == 302
        client, _ = sign_in_to_admin(user.email, code=code)
        assert client.get("/admin/").status_code == 200

        forget_tries()
        recovery = factor.recovery_codes[0]
        assert sign_in_to_admin(user.email, code=recovery)[1].status_code == 302
        assert sign_in_to_admin(user.email, code=recovery)[1].status_code == 200
        codes = RecoveryCodes(Authenticator.objects.get(user=user, type="recovery_codes"))
        assert len(codes.get_unused_codes()) == 9


class TestSetUpSecondFactor:
    def test_shows_it_once_and_replaces_it_only_when_told(self) -> None:
        user = StaffFactory.create()
        output = StringIO()
        call_command("set_up_second_factor", user.email, stdout=output)
        assert "otpauth://totp/" in output.getvalue()
        with pytest.raises(CommandError, match="already"):
            call_command("set_up_second_factor", user.email, stdout=output)
        before = Authenticator.objects.get(user=user, type="totp").data
        call_command("set_up_second_factor", user.email, "--replace", stdout=output)
        assert Authenticator.objects.get(user=user, type="totp").data != before

    def test_is_for_staff_alone(self) -> None:
        account = AccountFactory.create()
        with pytest.raises(CommandError, match="not a member of staff"):
            call_command("set_up_second_factor", account.email)
        assert not Authenticator.objects.exists()


class TestSuspend:
    def test_ends_every_sign_in_for_good(self) -> None:
        account, by = AccountFactory.create(), in_group("support")
        app = App()
        app.token = sign_in(account)
        accounts.suspend(account_id=account.pk, reason="fraud", by=by, now=NOW)
        assert app.call("get", "/api/v1/profiles").status_code == 401
        account.refresh_from_db()
        assert (account.suspended_at, account.suspension_reason, account.is_active) == (NOW, "fraud", False)

        accounts.unsuspend(account_id=account.pk, reason="a slip", by=by, now=NOW)
        assert app.call("get", "/api/v1/profiles").status_code == 401
        assert App().auth("auth/login", email=account.email, password=PASSWORD).status_code == 200

    def test_refuses_what_makes_no_sense(self) -> None:
        account, by = AccountFactory.create(), StaffFactory.create()
        with pytest.raises(accounts.NotSuspended):
            accounts.unsuspend(account_id=account.pk, reason="a slip", by=by, now=NOW)
        accounts.suspend(account_id=account.pk, reason="fraud", by=by, now=NOW)
        with pytest.raises(accounts.AlreadySuspended):
            accounts.suspend(account_id=account.pk, reason="again", by=by, now=NOW)
        account.refresh_from_db()
        assert account.suspension_reason == "fraud"

    def test_refuses_staff(self) -> None:
        by = StaffFactory.create()
        for target in (by, StaffFactory.create()):
            with pytest.raises(accounts.SuspensionRefused):
                accounts.suspend(account_id=target.pk, reason="a slip", by=by, now=NOW)
        assert not User.objects.filter(is_active=False).exists()


class TestAdmin:
    PAGES = ("accounts_user", "accounts_outgoingemail", "auth_group")

    def test_pages_open(self) -> None:
        profile = ProfileFactory.create()
        token = sign_in(profile.account)
        client, _ = sign_in_to_admin(in_group("administrator", is_superuser=True).email)
        for page in self.PAGES:
            assert client.get(reverse(f"admin:{page}_changelist")).status_code == 200
        assert client.get(reverse("admin:accounts_user_add")).status_code == 200
        page = client.get(reverse("admin:accounts_user_change", args=[profile.account_id])).content.decode()
        assert profile.name in page
        assert "192.0.2.1" in page
        assert token not in page
        assert (
            client.get(reverse("admin:accounts_user_changelist"), {"q": profile.account.email[:8]}).status_code == 200
        )

    def test_adds_staff_with_a_canonical_address(self) -> None:
        client, _ = sign_in_to_admin(in_group("administrator", is_superuser=True).email)
        answer = client.post(
            reverse("admin:accounts_user_add"),
            {"email": "New@Example.com", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD,
             **{f"{form}-{kind}_FORMS": 0 for form in FORMS for kind in ("TOTAL", "INITIAL")}},
        )  # fmt: skip
        assert answer.status_code == 302
        assert User.objects.filter(email="new@example.com").exists()

    def test_shows_support_an_account_and_lets_it_change_nothing(self) -> None:
        account = AccountFactory.create(country="DE")
        client, _ = sign_in_to_admin(in_group("support").email)
        address = reverse("admin:accounts_user_change", args=[account.pk])
        page = client.get(address)
        assert page.status_code == 200
        assert account.password not in page.content.decode()
        assert client.post(address, {"country": "FR", "is_superuser": "on"}).status_code == 403
        assert client.post(reverse("admin:accounts_user_delete", args=[account.pk])).status_code == 403
        account.refresh_from_db()
        assert (account.country, account.is_superuser) == ("DE", False)

    def test_lets_an_administrator_give_no_rights_either(self) -> None:
        administrator = in_group("administrator")
        client, _ = sign_in_to_admin(administrator.email)
        answer = client.post(
            reverse("admin:accounts_user_change", args=[administrator.pk]),
            {"country": "FR", "language": "de", "is_superuser": "on", "is_staff": "on",
             **{f"{form}-{kind}_FORMS": 0 for form in FORMS for kind in ("TOTAL", "INITIAL")}},
        )  # fmt: skip
        assert answer.status_code == 302
        assert client.get(f"/admin/accounts/user/{administrator.pk}/password/").status_code == 403
        administrator.refresh_from_db()
        assert (administrator.country, administrator.is_superuser) == ("FR", False)

    def test_suspends_with_a_reason_and_writes_it_down(self) -> None:
        account = AccountFactory.create()
        client, _ = sign_in_to_admin(in_group("support").email)
        action = {"action": "suspend", "_selected_action": [str(account.pk)]}
        client.post(reverse("admin:accounts_user_changelist"), action)
        account.refresh_from_db()
        assert account.is_active  # without a reason, nothing

        client.post(reverse("admin:accounts_user_changelist"), {**action, "reason": "chargebacks"})
        account.refresh_from_db()
        assert (account.is_active, account.suspension_reason) == (False, "chargebacks")
        assert LogEntry.objects.get(object_id=str(account.pk)).change_message == "Suspended: chargebacks"
        client.post(reverse("admin:accounts_user_changelist"), {**action, "action": "unsuspend"})
        account.refresh_from_db()
        assert not account.is_active  # again nothing without a reason
        client.post(
            reverse("admin:accounts_user_changelist"), {**action, "action": "unsuspend", "reason": "paid in full"}
        )
        account.refresh_from_db()
        assert account.is_active
        record = AuditEntry.objects.filter(account=account, actor="staff").order_by("at").values_list("act", "detail")
        assert list(record) == [
            ("suspended", {"reason": "chargebacks"}), ("unsuspended", {"reason": "paid in full"}),
        ]  # fmt: skip

    def test_lets_nobody_suspend_without_the_right(self) -> None:
        account = AccountFactory.create()
        client, _ = sign_in_to_admin(in_group("billing").email)
        client.post(
            reverse("admin:accounts_user_changelist"),
            {"action": "suspend", "_selected_action": [str(account.pk)], "reason": "because"},
        )
        account.refresh_from_db()
        assert account.is_active

    def test_never_shows_a_code(self) -> None:
        App().sign_up("ada@example.com")
        mail = OutgoingEmail.objects.get()
        client, _ = sign_in_to_admin(in_group("administrator", is_superuser=True).email)
        for address in (
            reverse("admin:accounts_outgoingemail_changelist"),
            reverse("admin:accounts_outgoingemail_change", args=[mail.pk]),
        ):
            page = client.get(address)
            assert page.status_code == 200
            assert mail.context["code"] not in page.content.decode()


class TestRights:
    """Each group's rights over people, written out: a new table gives nobody a right unnoticed."""

    ACCOUNTS = {
        "support": {
            "account.view_emailaddress", "accounts.suspend_user", "accounts.view_accountdeletion",
            "accounts.view_auditentry", "accounts.view_outgoingemail", "accounts.view_profile",
            "accounts.view_profiletransfer", "accounts.view_recovery", "accounts.view_suppressedaddress",
            "accounts.view_user", "usersessions.view_usersession",
        },
        "content": set(),
        "billing": {"accounts.view_outgoingemail", "accounts.view_user"},
    }  # fmt: skip

    @pytest.mark.parametrize("name", ["support", "content", "billing"])
    def test_over_people_are_these_and_no_others(self, name: str) -> None:
        labels = {"account", "accounts", "admin", "auth", "mfa", "sessions", "socialaccount", "usersessions"}
        held = {f"{label}.{codename}" for label, codename in rights(name) if label in labels}
        assert held == self.ACCOUNTS[name]

    @pytest.mark.parametrize("name", ["support", "content", "billing", "administrator"])
    def test_never_reach_second_factors_sessions_or_linked_sign_ins(self, name: str) -> None:
        assert not {right for right in rights(name) if right[0] in {"mfa", "sessions", "socialaccount"}}

    def test_of_support_over_money_and_titles_are_to_look(self) -> None:
        over = {codename.split("_")[0] for label, codename in rights("support") if label in {"billing", "catalog"}}
        assert over == {"view"}


class TestRecordsOfPeople:
    @pytest.fixture
    def pages(self) -> dict[str, str]:
        """The lists of what concerns people who leave or lost something, with one entry each."""
        account = AccountFactory.create()
        deletion = deletions.request(account_id=account.pk, by=account, now=NOW, origin=NOWHERE)
        assert deletions.carry_out(deletion_id=deletion.pk, now=deletion.erase_at)
        other = AccountFactory.create()
        Recovery.objects.create(
            account=other, requested_at=NOW, effective_at=NOW + timedelta(hours=1), expires_at=NOW + timedelta(days=1),
            cancel_hash="secret of the link", code_hash="secret of the code",
        )  # fmt: skip
        suppressions.suppress(address="ada@example.com", reason=suppressions.Reason.BOUNCE, detail="", now=NOW)
        entries = {"accountdeletion": deletion.pk, "recovery": Recovery.objects.get().pk}
        return {name: reverse(f"admin:accounts_{name}_change", args=[key]) for name, key in entries.items()}

    def test_are_read_by_support_without_a_secret_and_changed_by_nobody(self, pages: dict[str, str]) -> None:
        client = Client()
        client.force_login(in_group("support"))
        for page in pages.values():
            shown = client.get(page)
            assert shown.status_code == 200
            assert "secret of the" not in shown.content.decode()
            assert client.post(page, {}).status_code == 403
        assert "1 accounts.User" in client.get(pages["accountdeletion"]).content.decode()

    def test_find_a_suppressed_address_by_the_whole_of_it(self, pages: dict[str, str]) -> None:
        client = Client()
        client.force_login(in_group("support"))
        for address, found in (("Ada@example.com", 1), ("ada", 0)):
            listed = client.get(reverse("admin:accounts_suppressedaddress_changelist"), {"q": address})
            assert listed.context["cl"].result_count == found
