"""Staff read no more than their group may, not by filters and not letter by letter."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse

from accounts.models import AccountDeletion, OutgoingEmail, Recovery, User
from accounts.services import deletions, recoveries
from accounts.services.audit import NOWHERE
from core.clock import now
from tests.accounts.test_staff import in_group, sign_in_to_admin
from tests.factories.accounts import AccountFactory, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def support() -> Client:
    return sign_in_to_admin(in_group("support").email)[0]


@pytest.fixture
def account() -> User:
    """Somebody who leaves, and who has lost a second factor."""
    account: User = AccountFactory.create()
    TOTP.activate(account, generate_totp_secret())
    recoveries.request(account_id=account.pk, now=now(), origin=NOWHERE)
    Recovery.objects.update(code_hash="c" * 64, cancel_hash="d" * 64)
    asked = deletions.request(account_id=account.pk, by=account, now=now(), origin=NOWHERE)
    AccountDeletion.objects.filter(pk=asked.pk).update(started_at=now(), farewell_to="ada@example.com")
    OutgoingEmail.objects.update(context={"code": "BCDF-GHJK"})
    sign_in(account)
    return account


SECRETS = [
    ("recovery", {"code_hash__startswith": "c"}),
    ("recovery", {"cancel_hash__startswith": "d"}),
    ("recovery", {"account__password__startswith": "argon2"}),
    ("recovery", {"account__usersession__session_key__startswith": "a"}),
    ("accountdeletion", {"farewell_to__startswith": "a"}),
    ("accountdeletion", {"account__password__startswith": "argon2"}),
    ("outgoingemail", {"context__code__startswith": "B"}),
    ("outgoingemail", {"context__icontains": "BCDF"}),
    ("user", {"password__startswith": "argon2"}),
    ("user", {"usersession__session_key__startswith": "a"}),
    ("user", {"authenticator__data__icontains": "secret"}),
    ("user", {"pins__hash__startswith": "argon2"}),
    ("auditentry", {"account__password__startswith": "argon2"}),
]


class TestFilters:
    @pytest.mark.parametrize(("model", "query"), SECRETS, ids=[f"{model}-{next(iter(q))}" for model, q in SECRETS])
    def test_on_secrets_are_refused(self, support: Client, account: User, model: str, query: dict[str, str]) -> None:
        answer = support.get(reverse(f"admin:accounts_{model}_changelist"), query)
        assert answer.status_code == 400

    def test_on_what_is_shown_are_not(self, support: Client, account: User) -> None:
        for model, query in (("recovery", {"outcome__exact": ""}), ("accountdeletion", {"waits_for__exact": ""})):
            assert support.get(reverse(f"admin:accounts_{model}_changelist"), query).status_code == 200


class TestPages:
    def test_show_no_secret(self, support: Client, account: User) -> None:
        recovery, deletion = Recovery.objects.get(), AccountDeletion.objects.get()
        mail = OutgoingEmail.objects.first()
        assert mail
        things: list[tuple[str, Any]] = [
            ("recovery", recovery.pk), ("accountdeletion", deletion.pk), ("outgoingemail", mail.pk), ("user", account.pk),
        ]  # fmt: skip
        for model, pk in things:
            page = support.get(reverse(f"admin:accounts_{model}_change", args=[pk]))
            assert page.status_code == 200
            text = page.content.decode()
            for secret in ("c" * 64, "d" * 64, "BCDF-GHJK", account.password):
                assert secret not in text
        assert (
            "ada@example.com"
            not in support.get(reverse("admin:accounts_accountdeletion_change", args=[deletion.pk])).content.decode()
        )
