"""Leaving, over HTTP: asked for with a proof, taken back without one."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connections

from accounts import rules, tasks
from accounts.models import AccountDeletion, AuditEntry, OutgoingEmail, User
from accounts.services import deletions, mails
from accounts.services.audit import NOWHERE
from core.clock import now
from core.errors import DomainError
from core.models import OutboxEvent
from tests.accounts.conftest import App, mails_to
from tests.factories.accounts import AccountFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db
PATH = "/api/v1/account/deletion"


def app_of(account: User, **sign_in_as: Any) -> App:
    app = App()
    app.token = sign_in(account, **sign_in_as)
    return app


def events() -> list[str]:
    return list(OutboxEvent.objects.order_by("pk").values_list("type", flat=True))


class TestRequest:
    def test_gives_a_fortnight_to_think_and_says_so_by_mail(self) -> None:
        account = AccountFactory.create()
        app = app_of(account)
        assert app.call("get", PATH).status_code == 404
        asked = app.call("post", PATH)
        assert asked.status_code == 201
        deletion = AccountDeletion.objects.get()
        assert deletion.erase_at - deletion.requested_at == timedelta(days=14)
        assert app.call("get", PATH).json() == asked.json()
        assert mails_to(account.email) == ["account/email/deletion_requested"]
        assert events() == ["accounts.AccountDeletionRequested"]
        assert AuditEntry.objects.get().act == "deletion_requested"
        assert app.call("get", "/api/v1/account").status_code == 200

    def test_asked_for_twice_is_one(self) -> None:
        app = app_of(AccountFactory.create())
        assert app.call("post", PATH).json() == app.call("post", PATH).json()
        assert AccountDeletion.objects.count() == OutgoingEmail.objects.count() == 1

    def test_needs_a_recent_proof(self) -> None:
        app = app_of(AccountFactory.create(), proved_at=now() - timedelta(minutes=16))
        assert app.call("post", PATH).json()["code"] == "reauthentication_required"
        assert not AccountDeletion.objects.exists()

    def test_is_not_made_on_a_television(self) -> None:
        app = app_of(AccountFactory.create(), kind=rules.TELEVISION)
        assert {app.call(method, PATH).status_code for method in ("get", "post", "delete")} == {403}
        assert not AccountDeletion.objects.exists()

    def test_is_refused_to_staff(self) -> None:
        answer = app_of(StaffFactory.create()).call("post", PATH)
        assert (answer.status_code, answer.json()["code"]) == (409, "staff_cannot_leave")


class TestCancel:
    def test_takes_it_back_without_a_proof(self) -> None:
        account = AccountFactory.create()
        app_of(account).call("post", PATH)
        other = app_of(account, proved_at=now() - timedelta(days=1))
        assert other.call("delete", PATH).status_code == 204
        assert other.call("get", PATH).status_code == 404
        assert other.call("delete", PATH).json()["code"] == "deletion_not_requested"
        assert mails_to(account.email)[-1] == "account/email/deletion_cancelled"
        assert events() == ["accounts.AccountDeletionRequested", "accounts.AccountDeletionCancelled"]
        assert app_of(account).call("post", PATH).status_code == 201  # and again

    @pytest.mark.django_db(transaction=True)
    def test_or_the_erasure_wins_and_never_both(self) -> None:
        account = AccountFactory.create()
        asked = deletions.request(account_id=account.pk, by=account, now=now(), origin=NOWHERE)
        barrier, outcomes = threading.Barrier(2), {}

        def race(name: str, act: Any) -> None:
            barrier.wait(10)
            try:
                outcomes[name] = act()
            except DomainError as error:
                outcomes[name] = error.code
            finally:
                connections.close_all()

        acts = {
            "erase": lambda: deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at),
            "cancel": lambda: deletions.cancel(account_id=account.pk, by=account, now=asked.erase_at, origin=NOWHERE),
        }
        threads = [threading.Thread(target=race, args=item) for item in acts.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        asked.refresh_from_db()
        if asked.cancelled_at:
            assert outcomes == {"erase": False, "cancel": None}
            assert User.objects.get().email == account.email
        else:
            assert outcomes["erase"] is True
            assert outcomes["cancel"] in {"deletion_under_way", "deletion_not_requested"}


class TestErase:
    def test_is_done_by_beat_when_the_grace_is_over(self) -> None:
        account = AccountFactory.create()
        app = app_of(account)
        app.call("post", PATH)
        with time_machine.travel(now() + timedelta(days=14, seconds=1), tick=False):
            tasks.erase_due_accounts(unknown="argument of a later release")
            [due] = AccountDeletion.objects.due(now())
            tasks.erase_account(deletion_id=str(due.pk))
        assert User.objects.get().email == f"{account.pk}@erased.invalid"
        assert app.call("get", "/api/v1/account").status_code == 401
        assert events()[-1] == "accounts.AccountErased"

    def test_forgets_the_address_with_the_last_mail(self) -> None:
        account = AccountFactory.create()
        asked = deletions.request(account_id=account.pk, by=account, now=now(), origin=NOWHERE)
        assert deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at)
        mail = OutgoingEmail.objects.get()
        assert (mail.template, mail.address) == ("account/email/account_erased", account.email)
        assert mails.deliver(mail_id=mail.pk, now=asked.erase_at)
        mail.refresh_from_db()
        assert (mail.address, mail.sent_at) == ("", asked.erase_at)
        asked.refresh_from_db()
        assert (asked.farewell_to, asked.farewell_language) == ("", "")
