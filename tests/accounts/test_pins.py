"""PINs: set, tried, locked, forgotten; and what they guard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.db import IntegrityError, connection, transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts import rules
from accounts.models import AuditEntry, Pin, Profile, SessionProfile, User
from accounts.services import audit, pins, profiles
from core.errors import DomainError
from tests.accounts.conftest import App, Postbox, mails_to, plain
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory, sign_in
from tests.factories.catalog import NOW

pytestmark = pytest.mark.django_db

MASTER, OWN = "8264", "907135"


def household(*, master: bool = True) -> tuple[Profile, Profile]:
    """Answer an adult's and a child's profile of one household, with a master PIN."""
    adult = ProfileFactory.create()
    child = KidsProfileFactory.create(account=adult.account)
    if master:
        pins.put(account_id=adult.account_id, profile_id=None, pin=MASTER, now=NOW)
    return adult, child


def try_pin(account_id: Any, pin: str | None, *, now: Any = NOW) -> DomainError | None:
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        return pins.refusal_of(account_id, None, pin, origin=audit.NOWHERE, now=now)


class TestRules:
    @pytest.mark.parametrize(
        "pin",
        ["1234", "4321", "0000", "7777", "1212", "123123", "8901", "2580", "1984", "12", "123456789", "12a4", "١٢٣٤", ""],
    )  # fmt: skip
    def test_weak_pins_are_refused(self, pin: str) -> None:
        assert rules.is_weak_pin(pin)

    @pytest.mark.parametrize("pin", [MASTER, OWN, "1357", "90817263"])
    def test_others_are_not(self, pin: str) -> None:
        assert not rules.is_weak_pin(pin)

    def test_delay_grows_from_the_fourth_wrong_one_to_a_day(self) -> None:
        seconds = [rules.pin_delay(tries).total_seconds() for tries in range(10)]
        assert seconds == [0, 0, 0, 0, 30, 120, 480, 1920, 7680, 30720]
        assert rules.pin_delay(rules.MOST_WRONG_TRIES) == timedelta(days=1)

    @given(st.integers(0, 2000))
    def test_delay_never_shrinks(self, tries: int) -> None:
        assert rules.pin_delay(tries) <= rules.pin_delay(tries + 1) <= timedelta(days=1)


class TestTry:
    def test_refuses_a_wrong_one_counts_it_and_puts_it_on_record(self) -> None:
        adult, _ = household()
        assert isinstance(try_pin(adult.account_id, "1111"), pins.PinWrong)
        assert Pin.objects.get().wrong_tries == 1
        entry = AuditEntry.objects.filter(act="pin_failed").get()
        assert (entry.account_id, entry.detail) == (adult.account_id, {"pin": "master", "tries": 1})
        assert try_pin(adult.account_id, MASTER) is None
        assert Pin.objects.get().wrong_tries == 0

    def test_locks_after_the_fourth_even_for_the_right_one_until_its_time(self) -> None:
        adult, _ = household()
        for _ in range(4):
            assert isinstance(try_pin(adult.account_id, "1111"), pins.PinWrong)
        assert Pin.objects.get().locked_until == NOW + timedelta(seconds=30)
        almost = NOW + timedelta(seconds=30) - timedelta(microseconds=1)
        assert isinstance(try_pin(adult.account_id, MASTER, now=almost), pins.PinLocked)
        # Tries at a locked door do not lengthen the wait.
        assert Pin.objects.get().wrong_tries == 4
        assert try_pin(adult.account_id, MASTER, now=NOW + timedelta(seconds=30)) is None

    def test_asks_for_one_without_counting(self) -> None:
        adult, _ = household()
        assert isinstance(try_pin(adult.account_id, None), pins.PinRequired)
        assert Pin.objects.get().wrong_tries == 0

    def test_stores_no_pin(self) -> None:
        household()
        stored = Pin.objects.get().hash
        # As passwords are: argon2 in production, something quick in tests.
        assert identify_hasher(stored).algorithm == get_hasher().algorithm
        assert MASTER not in stored


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_wrong_ones_are_both_counted(self) -> None:
        adult, child = household()
        token = sign_in(adult.account, profile=child)

        def enter() -> None:
            try:
                profiles.enter(
                    account_id=adult.account_id, profile_id=adult.pk, session_key=token, master_pin="1111", now=NOW
                )
            except pins.PinWrong:
                pass
            finally:
                connection.close()

        both = [threading.Thread(target=enter) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert Pin.objects.get().wrong_tries == 2
        assert SessionProfile.objects.get().profile == child


class TestPut:
    def test_replaces_a_forgotten_one_and_ends_its_lock(self) -> None:
        adult, _ = household()
        for _ in range(4):
            try_pin(adult.account_id, "1111")
        pins.put(account_id=adult.account_id, profile_id=None, pin=OWN, now=NOW)
        assert try_pin(adult.account_id, OWN) is None
        assert isinstance(try_pin(adult.account_id, MASTER), pins.PinWrong)
        assert Pin.objects.count() == 1

    def test_of_a_profile_ends_what_acts_as_it(self) -> None:
        adult, child = household(master=False)
        sign_in(adult.account, profile=adult)
        kept = sign_in(adult.account, profile=child)
        pins.put(account_id=adult.account_id, profile_id=adult.pk, pin=OWN, now=NOW)
        assert SessionProfile.objects.get().session.session_key == kept

    def test_of_the_household_lets_no_child_out(self) -> None:
        adult, child = household()
        kept = sign_in(adult.account, profile=child)
        pins.put(account_id=adult.account_id, profile_id=None, pin=OWN, now=NOW)
        pins.remove(account_id=adult.account_id, profile_id=None, now=NOW)
        assert SessionProfile.objects.get().session.session_key == kept

    def test_refuses_a_weak_one_and_another_households_profile(self) -> None:
        adult, _ = household(master=False)
        stranger = ProfileFactory.create()
        with pytest.raises(pins.PinWeak):
            pins.put(account_id=adult.account_id, profile_id=None, pin="1234", now=NOW)
        with pytest.raises(pins.ProfileNotFound):
            pins.put(account_id=adult.account_id, profile_id=stranger.pk, pin=OWN, now=NOW)
        assert Pin.objects.count() == 0

    def test_keeps_one_master_pin_by_the_database_too(self) -> None:
        adult, _ = household()
        with transaction.atomic(), pytest.raises(IntegrityError, match="pin_one_master_an_account"):
            Pin.objects.create(account=adult.account, hash="x", changed_at=NOW)


class TestRemove:
    def test_opens_the_door_again(self) -> None:
        adult, _ = household()
        pins.remove(account_id=adult.account_id, profile_id=None, now=NOW)
        pins.remove(account_id=adult.account_id, profile_id=None, now=NOW)
        assert try_pin(adult.account_id, None) is None
        assert AuditEntry.objects.filter(act="pin_removed").count() == 1
        assert mails_to(adult.account.email) == ["account/email/pin_set", "account/email/pin_removed"]

    def test_of_a_profile_ends_what_acts_as_it(self) -> None:
        adult, child = household(master=False)
        pins.put(account_id=adult.account_id, profile_id=adult.pk, pin=OWN, now=NOW)
        sign_in(adult.account, profile=adult)
        kept = sign_in(adult.account, profile=child)
        pins.remove(account_id=adult.account_id, profile_id=adult.pk, now=NOW)
        assert SessionProfile.objects.get().session.session_key == kept


class TestNotices:
    @pytest.mark.parametrize(
        ("language", "subjects", "said"),
        [
            ("en", ["A PIN was set", "A PIN was changed", "A PIN was removed"], "The PIN of the profile “Mia & Co”"),
            (
                "de",
                ["Eine PIN wurde gesetzt", "Eine PIN wurde geändert", "Eine PIN wurde entfernt"],
                "Die PIN des Profils „Mia & Co“",
            ),
        ],
    )
    def test_reach_the_owner_by_smtp(self, postbox: Postbox, language: str, subjects: list[str], said: str) -> None:
        account = AccountFactory.create(language=language)
        profile = ProfileFactory.create(account=account, name="Mia & Co")
        app = App()
        app.token = sign_in(account)
        for method, pin in (("put", MASTER), ("put", OWN), ("delete", None)):
            for address in ("/api/v1/account/master-pin", f"/api/v1/profiles/{profile.pk}/pin"):
                assert app.call(method, address, {"pin": pin} if pin else None).status_code == 204
        received = postbox.collect()
        assert [mail["Subject"] for mail in received] == [subject for subject in subjects for _ in range(2)]
        assert {mail["To"] for mail in received} == {account.email}
        assert said in plain(received[3], "plain")
        assert said.replace("&", "&amp;") in plain(received[3], "html")
        assert app.address in plain(received[3], "plain")
        told = [part for mail in received for part in (plain(mail, "plain"), plain(mail, "html"))]
        assert not any(pin in text for pin in (MASTER, OWN) for text in told)

    def test_are_not_sent_of_what_was_refused_or_was_not_there(self) -> None:
        adult, _ = household(master=False)
        with pytest.raises(pins.PinWeak):
            pins.put(account_id=adult.account_id, profile_id=None, pin="1234", now=NOW)
        pins.remove(account_id=adult.account_id, profile_id=None, now=NOW)
        assert mails_to(adult.account.email) == []


class TestGuards:
    def test_limits_change_with_the_master_pin_alone(self) -> None:
        adult, child = household()

        def change(**options: Any) -> Profile:
            return profiles.change(account_id=adult.account_id, profile_id=child.pk, now=NOW, **options)

        with pytest.raises(pins.PinRequired):
            change(fields={"highest_age": 12})
        with pytest.raises(pins.PinWrong):
            change(fields={"highest_age": 12}, master_pin="1111")
        child.refresh_from_db()
        assert child.highest_age != 12
        change(fields={"name": "Mia"})
        assert change(fields={"highest_age": 12}, master_pin=MASTER).highest_age == 12

    def test_a_profile_is_added_with_the_master_pin_alone(self) -> None:
        adult, _ = household()
        with pytest.raises(pins.PinRequired):
            profiles.create(account_id=adult.account_id, fields={"name": "New"}, now=NOW)
        assert adult.account.profiles.count() == 2
        profiles.create(account_id=adult.account_id, fields={"name": "New"}, master_pin=MASTER, now=NOW)

    def test_a_kids_profile_is_left_with_the_master_pin_alone(self) -> None:
        adult, child = household()
        token = sign_in(adult.account, profile=child)

        def acts_as() -> Profile | None:
            entered = SessionProfile.objects.filter(session__session_key=token).first()
            return entered.profile if entered else None

        enter: Callable[..., Profile] = lambda **pin: profiles.enter(  # noqa: E731 - one call, said twice
            account_id=adult.account_id, profile_id=adult.pk, session_key=token, now=NOW, **pin
        )
        leave: Callable[..., None] = lambda **pin: profiles.leave(  # noqa: E731 - as above
            account_id=adult.account_id, session_key=token, now=NOW, **pin
        )
        for act in (enter, leave):
            with pytest.raises(pins.PinRequired):
                act()
            assert acts_as() == child
        enter(master_pin=MASTER)
        assert acts_as() == adult
        leave()
        assert acts_as() is None

    def test_a_profile_is_entered_with_its_own_pin(self) -> None:
        adult, _ = household(master=False)
        pins.put(account_id=adult.account_id, profile_id=adult.pk, pin=OWN, now=NOW)
        token = sign_in(adult.account)
        with pytest.raises(pins.PinRequired):
            profiles.enter(account_id=adult.account_id, profile_id=adult.pk, session_key=token, now=NOW)
        profiles.enter(account_id=adult.account_id, profile_id=adult.pk, session_key=token, pin=OWN, now=NOW)
        assert SessionProfile.objects.get().profile == adult


class TestApi:
    @pytest.fixture
    def owner(self, client: Client) -> tuple[Client, Profile, Profile]:
        adult, child = household(master=False)
        client.cookies["sessionid"] = sign_in(adult.account, profile=adult)
        return client, adult, child

    def put(self, client: Client, address: str, body: Any) -> Any:
        return client.put(address, body, content_type="application/json")

    def post(self, client: Client, address: str, body: Any) -> Any:
        return client.post(address, body, content_type="application/json")

    def test_sets_guards_and_opens(self, owner: tuple[Client, Profile, Profile]) -> None:
        client, adult, child = owner
        assert self.put(client, "/api/v1/account/master-pin", {"pin": MASTER}).status_code == 204
        assert client.get("/api/v1/account/master-pin").json() == {"is_set": True}
        assert self.put(client, f"/api/v1/profiles/{child.pk}/pin", {"pin": OWN}).status_code == 204
        assert {item["id"]: item["has_pin"] for item in client.get("/api/v1/profiles").json()} == {
            str(adult.pk): False, str(child.pk): True,
        }  # fmt: skip
        entered = self.post(client, f"/api/v1/profiles/{child.pk}/enter", {"pin": OWN})
        assert (entered.status_code, entered.json()["has_pin"]) == (200, True)
        refused = self.post(client, f"/api/v1/profiles/{adult.pk}/enter", {})
        assert (refused.status_code, refused.json()["code"]) == (403, "pin_required")
        assert client.get("/api/v1/account").json()["code"] == "profile_restricted"
        assert self.post(client, "/api/v1/profiles/leave", {"master_pin": "1111"}).json()["code"] == "pin_wrong"
        assert self.post(client, "/api/v1/profiles/leave", {"master_pin": MASTER}).status_code == 204
        assert client.get("/api/v1/account").json()["profile_id"] is None

    def test_asks_who_acts_as_the_profile_to_enter_it_anew(self, owner: tuple[Client, Profile, Profile]) -> None:
        client, adult, _ = owner
        for change in (lambda path: self.put(client, path, {"pin": OWN}), client.delete):
            assert client.get("/api/v1/account").json()["profile_id"] == str(adult.pk)
            assert change(f"/api/v1/profiles/{adult.pk}/pin").status_code == 204
            assert client.get("/api/v1/account").json()["profile_id"] is None
            self.post(client, f"/api/v1/profiles/{adult.pk}/enter", {"pin": OWN})

    def test_says_when_a_locked_one_may_be_tried(self, owner: tuple[Client, Profile, Profile]) -> None:
        client, _, child = owner
        self.put(client, f"/api/v1/profiles/{child.pk}/pin", {"pin": OWN})
        for _ in range(4):
            assert self.post(client, f"/api/v1/profiles/{child.pk}/enter", {"pin": "1111"}).status_code == 403
        locked = self.post(client, f"/api/v1/profiles/{child.pk}/enter", {"pin": OWN})
        assert (locked.status_code, locked.json()["code"]) == (429, "pin_locked")

    def test_never_answers_a_pin(self, owner: tuple[Client, Profile, Profile]) -> None:
        client, _, child = owner
        self.put(client, "/api/v1/account/master-pin", {"pin": MASTER})
        self.put(client, f"/api/v1/profiles/{child.pk}/pin", {"pin": OWN})
        answers = [client.get(path).content.decode() for path in ("/api/v1/account", "/api/v1/profiles")]
        assert not any(secret in answer for answer in answers for secret in (MASTER, OWN, "$"))

    def test_keeps_how_subtitles_are_liked(self, owner: tuple[Client, Profile, Profile]) -> None:
        client, adult, _ = owner
        wanted = {"subtitles": "on", "subtitle_language": "pt-br", "subtitles_for_deaf": True}
        answer = client.patch(f"/api/v1/profiles/{adult.pk}", wanted, content_type="application/json").json()
        assert {name: answer[name] for name in wanted} == wanted | {"subtitle_language": "pt-BR"}
        wrong = client.patch(f"/api/v1/profiles/{adult.pk}", {"subtitles": "some"}, content_type="application/json")
        assert wrong.status_code == 400
