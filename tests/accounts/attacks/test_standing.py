"""What a thief of a password or of a phone keeps after the owner acted. See docs/adr/0031."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.usersessions.models import UserSession
from django.core.management import call_command
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts import principals, rules
from accounts.models import AccountDeletion, AuditEntry, Device, User
from accounts.services import accounts, deletions, recoveries, televisions
from accounts.services.audit import NOWHERE
from core.clock import now
from tests.accounts.conftest import App, mailed_code, mails_to
from tests.factories.accounts import PASSWORD, AccountFactory, ProfileFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db
NEW = "quite another one"
CLIENT = "living-room-0123456789abcdef"


def app_of(account: User, **sign_in_as: Any) -> App:
    app = App()
    app.token = sign_in(account, **sign_in_as)
    return app


def status(app: App) -> int:
    return app.call("get", "/api/v1/account").status_code


def approved_television(account: User) -> str:
    """Let a television in that has not asked again yet; answers its device code."""
    started = televisions.start(client_id=CLIENT, name="Thief's", place="", now=now())
    televisions.approve(account_id=account.pk, user_code=started.user_code, now=now())
    return started.device_code


def poll(device_code: str) -> str:
    """Ask as the television does; answers the error, or nothing."""
    try:
        televisions.poll(device_code=device_code, client_id=CLIENT, address="::", user_agent="", now=now())
    except televisions.OAuthError as refusal:
        return refusal.code
    return ""


def change_password(account: User) -> None:
    app_of(account).auth("account/password/change", current_password=PASSWORD, new_password=NEW)


def reset_password(account: User) -> None:
    app = App()
    app.auth("auth/password/request", email=account.email)
    app.auth("auth/password/reset", key=mailed_code(account.email), password=NEW)


def sign_out_others(account: User) -> None:
    app_of(account).call("post", "/api/v1/devices/sign-out-others")


def suspend(account: User) -> None:
    accounts.suspend(account_id=account.pk, reason="fraud", by=StaffFactory.create(), now=now())
    accounts.unsuspend(account_id=account.pk, reason="a slip", by=StaffFactory.create(), now=now())


def set_password_as_staff(account: User) -> None:
    browser = Client(REMOTE_ADDR=App().address)
    browser.force_login(StaffFactory.create(is_superuser=True))
    form = {"usable_password": "true", "password1": NEW, "password2": NEW}
    assert browser.post(f"/admin/accounts/user/{account.pk}/password/", form).status_code == 302


ENDS = [change_password, reset_password, sign_out_others, suspend, set_password_as_staff]


@pytest.mark.parametrize("act", ENDS)
class TestWhatEndsEverySignIn:
    def test_also_ends_a_television_that_was_let_in_and_has_not_come_yet(self, act: Any) -> None:
        account = AccountFactory.create()
        device_code = approved_television(account)
        act(account)
        assert poll(device_code) == "access_denied"
        assert not UserSession.objects.filter(device__kind=rules.TELEVISION).exists()

    def test_leaves_none_on_the_list_of_devices(self, act: Any) -> None:
        account = AccountFactory.create()
        thief = app_of(account)
        act(account)
        assert status(thief) == 401
        assert not UserSession.objects.filter(session_key=thief.token).exists()
        left = Device.objects.filter(account=account, session__isnull=False)
        assert left.count() == (1 if act in {change_password, sign_out_others} else 0)


class TestEndOfOne:
    def test_leaves_a_television_that_another_let_in(self) -> None:
        account = AccountFactory.create()
        device_code = approved_television(account)
        app_of(account).auth("auth/session", "delete")
        assert poll(device_code) == ""


class TestPassword:
    def test_is_not_set_for_the_first_time_without_a_recent_proof(self) -> None:
        # Of an account that signs in by passkey or provider alone: nobody is asked for the present one.
        account: User = AccountFactory.create()
        account.set_unusable_password()
        account.save()
        stale, fresh = app_of(account, proved_at=now() - timedelta(hours=1)), app_of(account)
        assert stale.auth("account/password/change", new_password="the thief's password").status_code == 401
        account.refresh_from_db()
        assert not account.has_usable_password()
        assert status(fresh) == 200
        assert fresh.auth("account/password/change", new_password=NEW).status_code == 200
        account.refresh_from_db()
        assert account.check_password(NEW)
        assert (status(stale), status(fresh)) == (401, 200)

    def test_changed_in_a_browser_leaves_one_session_whatever_token_is_sent_along(self) -> None:
        account = AccountFactory.create()
        profile = ProfileFactory.create(account=account)
        browser = Client()
        browser.cookies["sessionid"] = before = sign_in(account, kind=rules.BROWSER, profile=profile)
        answer = browser.post(
            "/_allauth/browser/v1/account/password/change",
            {"current_password": PASSWORD, "new_password": NEW},
            content_type="application/json",
            headers={"X-Session-Token": "0" * 32},
        )
        assert answer.status_code == 200
        after = browser.cookies["sessionid"].value
        assert after != before
        assert list(UserSession.objects.values_list("session_key", flat=True)) == [after]
        device = Device.objects.get()
        assert (device.kind, device.session and device.session.session_key) == (rules.BROWSER, after)
        principal = principals.resolve(after, now=now())
        assert principal
        assert principal.profile == profile

    def test_of_ones_own_set_in_the_admin_leaves_the_session_that_did(self) -> None:
        staff_member: User = StaffFactory.create(is_superuser=True)
        other = app_of(staff_member)
        browser = Client(REMOTE_ADDR=App().address)
        browser.cookies["sessionid"] = before = sign_in(staff_member, kind=rules.BROWSER)
        form = {"usable_password": "true", "password1": NEW, "password2": NEW}
        assert browser.post(f"/admin/accounts/user/{staff_member.pk}/password/", form).status_code == 302
        after = browser.cookies["sessionid"].value
        assert after != before
        assert sign_ins() == {after}
        assert browser.get("/admin/").status_code == 200
        assert status(other) == 401

    def test_form_of_staff_that_is_refused_changes_and_records_nothing(self) -> None:
        account = AccountFactory.create()
        app, browser = app_of(account), Client(REMOTE_ADDR=App().address)
        browser.force_login(StaffFactory.create(is_superuser=True))
        form = {"usable_password": "true", "password1": NEW, "password2": "a slip"}
        assert browser.post(f"/admin/accounts/user/{account.pk}/password/", form).status_code == 200
        assert status(app) == 200
        assert not AuditEntry.objects.filter(act="staff_changed").exists()


class TestChangeOfAddress:
    """From the question for a proof to the last mail."""

    def test_tells_the_old_address_and_holds_with_the_next_request(self) -> None:
        account: User = AccountFactory.create(email="old@example.com", last_login=now())
        app, television = app_of(account), app_of(account, kind=rules.TELEVISION)
        assert app.call("get", "/api/v1/account").json()["email"] == "old@example.com"
        assert app.auth("account/email", email="new@example.com").status_code == 200
        # Nothing has changed until the new one is proven.
        account.refresh_from_db()
        assert account.email == "old@example.com"
        assert app.auth("auth/email/verify", key=mailed_code("new@example.com")).status_code == 200
        account.refresh_from_db()
        assert account.email == "new@example.com"
        assert list(EmailAddress.objects.values_list("email", "primary", "verified")) == [
            ("new@example.com", True, True)
        ]
        assert mails_to("old@example.com") == ["account/email/email_changed"]
        assert mails_to("new@example.com") == ["account/email/email_confirmation"]
        assert app.call("get", "/api/v1/account").json()["email"] == "new@example.com"
        # The owner who did not change it themselves must be able to act: see docs/adr/0031.
        assert status(television) == 200
        assert AuditEntry.objects.filter(act="email_changed", account=account).count() == 1

        assert App().auth("auth/login", email="old@example.com", password=PASSWORD).status_code == 400
        assert App().auth("auth/login", email="new@example.com", password=PASSWORD).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_is_seen_at_once_though_the_account_was_kept_in_the_cache(self) -> None:
        account: User = AccountFactory.create(email="old@example.com")
        app, other = app_of(account), app_of(account)
        for each in (app, other):
            assert each.call("get", "/api/v1/account").json()["email"] == "old@example.com"
        app.auth("account/email", email="new@example.com")
        app.auth("auth/email/verify", key=mailed_code("new@example.com"))
        for each in (app, other):
            assert each.call("get", "/api/v1/account").json()["email"] == "new@example.com"

    def test_asks_for_a_recent_proof_and_is_not_made_on_a_television(self) -> None:
        account: User = AccountFactory.create(email="old@example.com")
        stale = app_of(account, proved_at=now() - timedelta(minutes=16))
        assert stale.auth("account/email", email="new@example.com").status_code == 401
        assert app_of(account, kind=rules.TELEVISION).auth("account/email", email="new@example.com").status_code == 403
        assert mails_to("new@example.com") == []
        assert stale.auth("auth/reauthenticate", password=PASSWORD).status_code == 200
        assert stale.auth("account/email", email="new@example.com").status_code == 200

    def test_needs_the_code_where_it_was_asked_for(self) -> None:
        account: User = AccountFactory.create(email="old@example.com")
        app, other = app_of(account), app_of(account)
        app.auth("account/email", email="new@example.com")
        code = mailed_code("new@example.com")
        assert other.auth("auth/email/verify", key=code).status_code == 409
        assert app.auth("auth/email/verify", key="AAAA-AAAA").status_code == 400
        account.refresh_from_db()
        assert account.email == "old@example.com"


class TestSecondFactor:
    def test_set_up_leaves_other_sign_ins_and_tells_by_mail(
        self, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        account = AccountFactory.create()
        app, other = app_of(account), app_of(account)
        secret = app.auth("account/authenticators/totp", "get").json()["meta"]["secret"]
        code = format_hotp_value(hotp_value(secret, int(now().timestamp()) // 30))
        with django_capture_on_commit_callbacks(execute=True):
            assert app.auth("account/authenticators/totp", code=code).status_code == 200
        assert (status(app), status(other)) == (200, 200)
        assert "mfa/email/totp_activated" in mails_to(account.email)

    def test_of_staff_that_was_lost_takes_its_sign_ins_along(self) -> None:
        staff_member: User = StaffFactory.create()
        call_command("set_up_second_factor", staff_member.email, stdout=StringIO())
        lost = app_of(staff_member)
        call_command("set_up_second_factor", staff_member.email, "--replace", stdout=StringIO())
        assert status(lost) == 401
        acts = AuditEntry.objects.filter(account=staff_member).order_by("pk").values_list("act", flat=True)
        assert list(acts) == ["authenticator_added", "authenticator_reset"]

    def test_of_staff_is_not_recovered_by_mail(self) -> None:
        staff_member: User = StaffFactory.create()
        TOTP.activate(staff_member, generate_totp_secret())
        asked = App().call("post", "/api/v1/recovery", {"email": staff_member.email, "password": PASSWORD})
        assert (asked.status_code, asked.json()["code"]) == (400, "recovery_refused")
        assert mails_to(staff_member.email) == []

    def test_of_somebody_who_became_staff_meanwhile_is_not_recovered_either(self, settings: Any) -> None:
        account: User = AccountFactory.create()
        TOTP.activate(account, generate_totp_secret())
        asked = recoveries.request(account_id=account.pk, now=now(), origin=NOWHERE)
        User.objects.filter(pk=account.pk).update(is_staff=True)
        with time_machine.travel(asked.effective_at + timedelta(seconds=1)):
            recoveries.mail_code(recovery_id=asked.pk, now=now())
            body = {"email": account.email, "password": PASSWORD, "code": mailed_code(account.email)}
            assert App().call("post", "/api/v1/recovery/complete", body).status_code == 400
        assert Authenticator.objects.filter(user=account).count() == 1


class TestSuspension:
    def test_that_ends_brings_no_sign_in_back_that_slipped_in(self) -> None:
        # The password was right just before the suspension, and the session was stored just after it.
        account, by = AccountFactory.create(), StaffFactory.create()
        accounts.suspend(account_id=account.pk, reason="fraud", by=by, now=now())
        slipped_in = app_of(account)
        assert status(slipped_in) == 401
        accounts.unsuspend(account_id=account.pk, reason="a slip", by=by, now=now())
        assert status(slipped_in) == 401

    def test_that_ends_while_the_account_is_erased_opens_nothing(self) -> None:
        account, by = AccountFactory.create(), StaffFactory.create()
        asked = deletions.request(account_id=account.pk, by=account, now=now(), origin=NOWHERE)
        accounts.suspend(account_id=account.pk, reason="fraud", by=by, now=now())
        AccountDeletion.objects.filter(pk=asked.pk).update(started_at=asked.erase_at)
        accounts.unsuspend(account_id=account.pk, reason="a slip", by=by, now=now())
        account.refresh_from_db()
        assert (account.is_active, account.suspended_at) == (False, None)
        assert App().auth("auth/login", email=account.email, password=PASSWORD).status_code == 401


class TestManySignIns:
    def test_end_those_that_were_not_used_for_longest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Whoever knows a password makes no endless lists with it; nobody is refused.
        monkeypatch.setattr(rules, "SIGN_INS", 3)
        account, other = AccountFactory.create(), AccountFactory.create()
        theirs = sign_in(other)
        keys = [sign_in(account) for _ in range(3)]
        for days, key in zip((2, 3, 1), keys, strict=True):
            UserSession.objects.filter(session_key=key).update(last_seen_at=now() - timedelta(days=days))
        newest = App()
        assert newest.auth("auth/login", email=account.email, password=PASSWORD).status_code == 200
        assert sign_ins() == {theirs, keys[0], keys[2], newest.token}
        assert poll(approved_television(account)) == ""
        assert {theirs, keys[2], newest.token} < sign_ins()
        assert UserSession.objects.filter(user=account).count() == 3
        ended = App()
        ended.token = keys[0]
        assert status(ended) == 401


def sign_ins() -> set[str]:
    return set(UserSession.objects.values_list("session_key", flat=True))
