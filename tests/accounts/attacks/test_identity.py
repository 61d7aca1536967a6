"""Who is whom: addresses that look alike, names that look like nothing, two of them at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.account.models import EmailAddress
from django.db import connections
from django.test import Client

from accounts.models import Device, DeviceAuthorization, Profile, User
from tests.accounts.conftest import App, mailed_code, mails_to
from tests.accounts.passkeys import Passkey
from tests.factories.accounts import PASSWORD, AccountFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
NAMES = {
    "letters of another script": "\u0410\u0434\u0430",
    "right to left": "\u0633\u0627\u0631\u0629",
    "a Persian name with its joiner": "\u0645\u06cc\u200c\u0646\u0627",
    "emoji joined of three": FAMILY,
    "a flag made of tags": ENGLAND,
    "four marks on a letter": "a\u0316\u0317\u0318\u0319",
    "Vietnamese": "Nguy\u1ec5n",
    "Thai": "\u0e19\u0e49\u0e33\u0e1e\u0e36\u0e48",
    "markup": "<b>Ada</b>",
    "a quotation": "O'Brien\"; --",
}
NO_NAMES = {
    "nothing": "",
    "blanks": " \t\u00a0\u3000",
    "zero width alone": "\u200b\u200c\u200d\ufeff\u2060",
    "a Korean filler, which is a letter": "\u3164",
    "other fillers": "\u115f\u1160\uffa0",
    "Braille without a dot, which is a sign": "\u2800",
    "marks on nothing": "\u0301\u0302",
    "a control character": "Ada\x07",
    "direction overridden": "Ada\u202eaeB",
    "direction isolated": "\u2067Ada\u2069",
    "a name that looks like another": "A\u200bda",
    "the same with a soft hyphen": "A\u00adda",
    "the same with a byte order mark": "Ada\ufeff",
    "the same with a joiner": "A\u200dda",
    "a joiner of nothing": "\u0633\u0627\u0631\u0629\u200d",
    "tags without a flag": "Ada\U000e0062\U000e007f",
    "five marks on a letter": "a" + "\u0316" * 5,
    "ten thousand marks": "a" + "\u0301" * 10_000,
    "too long": "x" * 41,
    "far too long": "x" * 100_000,
    "private": "\ue000",
    "unassigned": "\u0378",
}


def profile(name: str) -> tuple[int, str | None]:
    """Name a profile; answer the status, and what is stored."""
    app, account = App(), AccountFactory.create()
    app.token = sign_in(account)
    status = app.call("post", "/api/v1/profiles", {"name": name}).status_code
    return status, Profile.objects.filter(account=account).values_list("name", flat=True).first()


def device(name: str) -> tuple[int, str | None]:
    app, account = App(), AccountFactory.create()
    app.token = sign_in(account)
    known = Device.objects.get(account=account)
    status = app.call("patch", f"/api/v1/devices/{known.pk}", {"name": name}).status_code
    known.refresh_from_db()
    return status, known.name or None


def television(name: str) -> tuple[int, str | None]:
    body = urlencode({"client_id": "living-room-0123456789abcdef", "device_name": name})
    answer = Client().post("/oauth/device_authorization", data=body, content_type="application/x-www-form-urlencoded")
    return answer.status_code, DeviceAuthorization.objects.values_list("name", flat=True).first()


class TestNames:
    @pytest.mark.parametrize("place", [profile, device, television])
    @pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
    def test_of_people_are_taken(self, place: Any, name: str) -> None:
        status, stored = place(name)
        assert (status in {200, 201}, stored) == (True, name)

    @pytest.mark.parametrize("place", [profile, device, television])
    @pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES.keys())
    def test_that_cannot_be_shown_are_refused(self, place: Any, name: str) -> None:
        if place is television and not name.strip():
            assert place(name) == (200, "TV")  # one that says nothing of itself
            return
        assert place(name) == (400, None)

    def test_of_passkeys_are_no_longer_than_they_can_be_stored(self) -> None:
        account, passkey, app = AccountFactory.create(), Passkey(), App()
        app.token = sign_in(account)
        options = app.auth("account/authenticators/webauthn?passwordless", "get").json()["data"]["creation_options"]
        credential = passkey.create(options)
        for name in ("x" * 101, "a" + "\u0301" * 10_000):
            answer = app.auth("account/authenticators/webauthn", name=name, credential=credential)
            assert answer.status_code == 400
        assert not account.authenticator_set.exists()


ALIKE = ["ADA@example.com", "\uff41da@example.com", "ada@\uff45xample.com", "\u1d43da@example.com", "ada@EXAMPLE.com"]
OTHERS = ["a.da@example.com", "ada+tv@example.com", "ada@example.org", "ad.a@example.com"]


class TestAddress:
    @pytest.mark.parametrize("spelling", ALIKE)
    def test_that_looks_alike_makes_no_second_account(self, spelling: str) -> None:
        account = AccountFactory.create(email="ada@example.com")
        assert App().sign_up(spelling).status_code in {400, 401}
        assert list(User.objects.all()) == [account]
        assert EmailAddress.objects.count() == 1
        # And no mail goes to a mailbox that is somebody else's.
        assert mails_to(spelling) == ([] if spelling != "ada@example.com" else mails_to("ada@example.com"))

    @pytest.mark.parametrize("spelling", ALIKE)
    def test_that_looks_alike_becomes_nobodys_by_a_change(self, spelling: str) -> None:
        AccountFactory.create(email="ada@example.com")
        thief, app = AccountFactory.create(email="thief@example.com"), App()
        app.token = sign_in(thief)
        assert app.auth("account/email", email=spelling).status_code in {200, 400}
        assert "account/email/email_confirmation" not in mails_to("ada@example.com")
        thief.refresh_from_db()
        assert thief.email == "thief@example.com"
        assert EmailAddress.objects.count() == 2

    @pytest.mark.parametrize("other", OTHERS)
    def test_with_dots_tags_and_other_letters_is_another_account(self, other: str) -> None:
        AccountFactory.create(email="ada@example.com")
        assert App().sign_up(other).status_code == 401
        assert set(User.objects.values_list("email", flat=True)) == {"ada@example.com", other}
        assert mails_to(other) == ["account/email/email_confirmation_signup"]
        assert mails_to("ada@example.com") == []

    @pytest.mark.parametrize("other", OTHERS)
    def test_of_another_gets_no_code_for_the_account(self, other: str) -> None:
        AccountFactory.create(email="ada@example.com")
        for path in ("auth/code/request", "auth/password/request"):
            App().auth(path, email=other)
        assert set(mails_to(other)) == {"account/email/unknown_account"}
        assert mails_to("ada@example.com") == []

    @pytest.mark.parametrize("address", ["ada@\ua7cb.example", "ada@\u0378.example"])
    def test_in_letters_newer_than_we_know_is_refused_as_such(self, address: str) -> None:
        # The database may know them, and would store another spelling than the one that was typed.
        answer = App().sign_up(address)
        assert answer.status_code == 400
        assert [error["param"] for error in answer.json()["errors"]] == ["email"]
        assert not User.objects.exists()


class TestAddressThatSomebodyElseTookMeanwhile:
    def test_is_not_verified_by_who_asked_first(self) -> None:
        slow, quick = App(), App()
        account = AccountFactory.create(email="old@example.com")
        slow.token = sign_in(account)
        slow.auth("account/email", email="new@example.com")
        late = mailed_code("new@example.com")
        other = AccountFactory.create(email="new@example.com")
        quick.token = sign_in(other)

        answer = slow.auth("auth/email/verify", key=late)
        assert (answer.status_code, [error["code"] for error in answer.json()["errors"]]) == (400, ["email_taken"])
        account.refresh_from_db()
        assert account.email == "old@example.com"
        assert list(EmailAddress.objects.filter(email="new@example.com").values_list("user", flat=True)) == [other.pk]
        assert quick.call("get", "/api/v1/account").json()["email"] == "new@example.com"

    def test_is_not_verified_though_the_other_has_not_verified_it_yet(self) -> None:
        account = AccountFactory.create(email="old@example.com")
        app = App()
        app.token = sign_in(account)
        app.auth("account/email", email="new@example.com")
        late = mailed_code("new@example.com")
        squatter = AccountFactory.create(email="new@example.com", verified=False)
        assert app.auth("auth/email/verify", key=late).status_code == 400
        account.refresh_from_db()
        squatter.refresh_from_db()
        assert (account.email, squatter.email) == ("old@example.com", "new@example.com")
        # Whoever reads the mailbox gets it all the same.
        owner = App()
        owner.auth("auth/password/request", email="new@example.com")
        owner.auth("auth/password/reset", key=mailed_code("new@example.com"), password="the owner's password")
        squatter.refresh_from_db()
        assert squatter.check_password("the owner's password")
        assert App().auth("auth/login", email="new@example.com", password=PASSWORD).status_code == 400

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_is_given_to_one(self, forget_tries: Callable[[], None]) -> None:
        accounts = [AccountFactory.create(email=f"{name}@example.com") for name in ("ada", "bea")]
        apps = [App(), App()]
        codes = []
        for app, account in zip(apps, accounts, strict=True):
            app.token = sign_in(account)
            app.auth("account/email", email="new@example.com")
            codes.append(mailed_code("new@example.com"))
            forget_tries()  # one mail in ten seconds goes to an address
        barrier, statuses = threading.Barrier(2), []

        def enter(app: App, code: str) -> None:
            try:
                barrier.wait(10)
                statuses.append(app.auth("auth/email/verify", key=code).status_code)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=enter, args=pair) for pair in zip(apps, codes, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200, 400]
        assert User.objects.filter(email="new@example.com").count() == 1
        assert EmailAddress.objects.filter(email="new@example.com").count() == 1


class TestProfileNames:
    def test_are_one_in_an_account_however_they_are_composed(self) -> None:
        known = ProfileFactory.create(name="Zo\u00eb")
        app = App()
        app.token = sign_in(known.account)
        for name in ("Zoe\u0308", "ZO\u00cb", " zo\u00eb "):
            answer = app.call("post", "/api/v1/profiles", {"name": name})
            assert (answer.status_code, answer.json()["code"]) == (409, "profile_name_taken")
        assert Profile.objects.filter(account=known.account).count() == 1
