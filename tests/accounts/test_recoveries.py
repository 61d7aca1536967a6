"""Getting in when the second factor is lost: announced everywhere, delayed, stoppable, and only with proof."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.db import IntegrityError, connections
from django.test import Client

from accounts import rules, tasks
from accounts.models import AuditEntry, OutgoingEmail, Recovery, User
from accounts.services import recoveries
from accounts.services.audit import NOWHERE
from core.clock import now
from core.errors import DomainError
from tests.accounts.conftest import App, mailed_code, mails_to
from tests.factories.accounts import PASSWORD, AccountFactory, sign_in

pytestmark = pytest.mark.django_db
DELAY = timedelta(hours=72)


@pytest.fixture
def account() -> User:
    account: User = AccountFactory.create(email="ada@example.com")
    EmailAddress.objects.create(user=account, email="second@example.com", verified=True)
    EmailAddress.objects.create(user=account, email="third@example.com", verified=False)
    TOTP.activate(account, generate_totp_secret())
    RecoveryCodes.activate(account)
    return account


def ask(password: str = PASSWORD, email: str = "ada@example.com") -> Any:
    return App().call("post", "/api/v1/recovery", {"email": email, "password": password})


def complete(code: str, password: str = PASSWORD) -> Any:
    body = {"email": "ada@example.com", "password": password, "code": code}
    return App().call("post", "/api/v1/recovery/complete", body)


def outcomes() -> list[str]:
    return list(Recovery.objects.order_by("pk").values_list("outcome", flat=True))


class TestRequest:
    def test_tells_every_verified_address_and_changes_nothing_yet(self, account: User) -> None:
        answer = ask()
        assert answer.status_code == 202
        recovery = Recovery.objects.get()
        assert recovery.effective_at - recovery.requested_at == DELAY
        for address, count in (("ada@example.com", 1), ("second@example.com", 1), ("third@example.com", 0)):
            assert len(mails_to(address)) == count
        assert Authenticator.objects.filter(user=account).count() == 2
        app = App()
        assert app.auth("auth/login", email=account.email, password=PASSWORD).status_code == 401

    def test_asked_for_again_does_not_begin_anew(self, account: User) -> None:
        first = ask().json()
        with time_machine.travel(now() + timedelta(hours=10)):
            assert ask().json() == first
        assert Recovery.objects.count() == 1

    def test_is_refused_the_same_way_whatever_does_not_fit(self, account: User) -> None:
        AccountFactory.create(email="bea@example.com")  # without a second factor
        answers = [ask("wrong"), ask(email="nobody@example.com"), ask(email="bea@example.com")]
        assert {answer.status_code for answer in answers} == {400}
        assert {answer.json()["code"] for answer in answers} == {"recovery_refused"}
        assert not Recovery.objects.exists()

    def test_stops_guessing(self, account: User) -> None:
        for _ in range(5):
            assert ask("wrong").status_code == 400
        answer = ask()
        assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
        assert not Recovery.objects.exists()


class TestStop:
    def test_is_for_whoever_is_signed_in_a_television_too(self, account: User) -> None:
        for kind in (rules.PHONE, rules.TELEVISION):
            ask()
            app = App()
            app.token = sign_in(account, kind=kind)
            assert app.call("get", "/api/v1/account/recovery").status_code == 200
            assert app.call("delete", "/api/v1/account/recovery").status_code == 204
            assert app.call("delete", "/api/v1/account/recovery").status_code == 404
        assert outcomes() == ["cancelled", "cancelled"]
        assert mails_to("second@example.com")[-1] == "account/email/recovery_cancelled"

    def test_is_for_whoever_reads_the_mail_and_not_for_programs_that_follow_links(self, account: User) -> None:
        ask()
        mail = OutgoingEmail.objects.get(address="second@example.com")
        link = mail.context["action_url"]
        browser = Client(enforce_csrf_checks=True)
        page = browser.get(link)
        assert (page.status_code, page["Cache-Control"]) == (200, "no-store")
        assert outcomes() == [""]
        token = re.search(r"token=(.+)$", link).group(1)  # type: ignore[union-attr]  # there is one
        csrf = browser.cookies["csrftoken"].value
        stopped = browser.post("/recovery/stop", {"token": token, "csrfmiddlewaretoken": csrf})
        assert "Your second factor stays" in stopped.content.decode()
        assert outcomes() == ["cancelled"]
        again = browser.post("/recovery/stop", {"token": token, "csrfmiddlewaretoken": csrf})
        assert "There is nothing to stop here" in again.content.decode()


class TestComplete:
    def test_removes_the_second_factor_and_every_sign_in_after_the_delay(self, account: User) -> None:
        signed_in = App()
        signed_in.token = sign_in(account)
        ask()
        tasks.mail_recovery_codes()
        assert "account/email/recovery_code" not in mails_to(account.email)
        with time_machine.travel(now() + DELAY + timedelta(seconds=1)):
            tasks.mail_recovery_codes(unknown="argument of a later release")
            tasks.mail_recovery_codes()
            assert mails_to(account.email).count("account/email/recovery_code") == 1
            code = mailed_code(account.email)
            assert complete(code, "wrong").json()["code"] == "recovery_refused"
            assert complete(code.lower().replace("-", " ")).status_code == 204
            assert complete(code).status_code == 400
            assert App().auth("auth/login", email=account.email, password=PASSWORD).status_code == 200
        assert not Authenticator.objects.filter(user=account).exists()
        assert signed_in.call("get", "/api/v1/account").status_code == 401
        assert mails_to("second@example.com")[-1] == "account/email/recovered"
        acts = set(AuditEntry.objects.values_list("act", flat=True))
        assert {"recovery_requested", "recovered"} <= acts

    def test_is_refused_before_the_delay_whatever_the_code(self, account: User) -> None:
        ask()
        Recovery.objects.update(code_hash=recoveries._hash("BCDFGHJK"))
        assert complete("BCDFGHJK").status_code == 400
        assert outcomes() == [""]
        with pytest.raises(IntegrityError, match="recovery_waits_its_delay"):
            Recovery.objects.update(outcome="completed", ended_at=now())

    def test_ends_after_five_wrong_codes(self, account: User) -> None:
        ask()
        with time_machine.travel(now() + DELAY + timedelta(seconds=1)):
            tasks.mail_recovery_codes()
            code = mailed_code(account.email)
            for _ in range(5):
                assert complete("BBBB-BBBB").status_code == 400
            assert complete(code).status_code == 400
        assert outcomes() == ["failed"]
        assert Authenticator.objects.filter(user=account).count() == 2

    def test_ends_when_it_is_not_completed_in_time(self, account: User) -> None:
        ask()
        with time_machine.travel(now() + DELAY + timedelta(seconds=1)):
            tasks.mail_recovery_codes()
        with time_machine.travel(now() + DELAY + timedelta(days=7)):
            assert complete(mailed_code(account.email)).status_code == 400
            assert ask().status_code == 202
        assert outcomes() == ["expired", ""]


@pytest.mark.django_db(transaction=True)
class TestRace:
    def test_of_stopping_and_completing_has_one_winner(self, account: User) -> None:
        asked = recoveries.request(account_id=account.pk, now=now() - DELAY, origin=NOWHERE)
        Recovery.objects.update(code_hash=recoveries._hash("BCDFGHJK"))
        barrier, refused = threading.Barrier(2), []

        def race(act: Any) -> None:
            barrier.wait(10)
            try:
                act()
            except DomainError as error:
                refused.append(error.code)
            finally:
                connections.close_all()

        acts = (
            lambda: recoveries.complete(account_id=account.pk, code="BCDFGHJK", now=now(), origin=NOWHERE),
            lambda: recoveries.cancel(account_id=account.pk, by=account, now=now(), origin=NOWHERE),
        )
        threads = [threading.Thread(target=race, args=[act]) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        asked.refresh_from_db()
        left = Authenticator.objects.filter(user=account).count()
        assert (asked.outcome, left, refused) in [
            ("completed", 0, ["recovery_not_found"]),
            ("cancelled", 2, ["recovery_refused"]),
        ]
