"""Profiles: how many, whose, and who answers for the account."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Profile, User
from accounts.services import pins, profiles, sessions
from core.errors import DomainError
from core.ids import new_id
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add(account: User, name: str = "Ada", **fields: Any) -> Profile:
    return profiles.create(account_id=account.pk, fields={"name": name, **fields}, now=NOW)


def household(account: User) -> list[tuple[str, bool]]:
    return list(Profile.objects.filter(account=account).order_by("pk").values_list("name", "is_kids"))


class TestCreate:
    def test_takes_the_accounts_language_and_lets_an_adult_watch_everything(self) -> None:
        profile = add(AccountFactory.create(language="de"))
        assert (profile.language, profile.is_kids, profile.highest_age, profile.allows_unrated) == (
            "de", False, 18, True,
        )  # fmt: skip
        assert (profile.created_at, profile.updated_at) == (NOW, NOW)

    def test_gives_a_child_the_limits_of_one(self) -> None:
        account = AccountFactory.create()
        add(account)
        child = add(account, "Kim", is_kids=True)
        assert (child.highest_age, child.allows_unrated) == (12, False)

    @pytest.mark.parametrize("limits", [{"highest_age": 13}, {"allows_unrated": True}])
    def test_refuses_a_child_a_grown_ups_limits(self, limits: dict[str, Any]) -> None:
        account = AccountFactory.create()
        add(account)
        with pytest.raises(profiles.KidsLimitsExceeded):
            add(account, "Kim", is_kids=True, **limits)
        assert household(account) == [("Ada", False)]

    def test_refuses_a_child_as_the_first(self) -> None:
        account = AccountFactory.create()
        with pytest.raises(profiles.AdultProfileRequired):
            add(account, "Kim", is_kids=True)
        assert household(account) == []

    def test_refuses_the_eighth(self) -> None:
        account = AccountFactory.create()
        ProfileFactory.create_batch(7, account=account)
        with pytest.raises(profiles.TooManyProfiles):
            add(account)
        assert len(household(account)) == 7

    def test_refuses_a_name_twice(self) -> None:
        account = AccountFactory.create()
        add(account, "Ada")
        with pytest.raises(profiles.ProfileNameTaken):
            add(account, "ADA")
        assert household(account) == [("Ada", False)]

    def test_locks_the_account(self) -> None:
        account = AccountFactory.create()
        with CaptureQueriesContext(connection) as queries:
            add(account)
        assert "accounts_user" in queries[1]["sql"]
        assert "FOR UPDATE" in queries[1]["sql"]


class TestChange:
    def test_changes_what_is_named_and_nothing_else(self) -> None:
        profile = ProfileFactory.create(name="Ada", autoplay=True)
        changed = profiles.change(
            account_id=profile.account_id, profile_id=profile.pk, fields={"name": "Bea", "language": "fr"}, now=NOW
        )
        assert (changed.name, changed.language, changed.autoplay, changed.updated_at) == ("Bea", "fr", True, NOW)

    def test_refuses_to_turn_the_last_adult_into_a_child(self) -> None:
        adult = ProfileFactory.create()
        KidsProfileFactory.create(account=adult.account)
        with pytest.raises(profiles.AdultProfileRequired):
            profiles.change(account_id=adult.account_id, profile_id=adult.pk, fields={"is_kids": True}, now=NOW)
        adult.refresh_from_db()
        assert not adult.is_kids

    def test_turns_one_of_two_adults_into_a_child(self) -> None:
        adult = ProfileFactory.create()
        ProfileFactory.create(account=adult.account)
        changed = profiles.change(account_id=adult.account_id, profile_id=adult.pk, fields={"is_kids": True}, now=NOW)
        assert (changed.is_kids, changed.highest_age, changed.allows_unrated) == (True, 12, False)

    def test_keeps_the_limits_of_a_child_that_grows_up(self) -> None:
        child = KidsProfileFactory.create(account=ProfileFactory.create().account)
        changed = profiles.change(account_id=child.account_id, profile_id=child.pk, fields={"is_kids": False}, now=NOW)
        assert (changed.is_kids, changed.highest_age, changed.allows_unrated) == (False, 6, False)

    def test_knows_no_foreign_profile(self) -> None:
        mine, foreign = ProfileFactory.create(), ProfileFactory.create(name="Eve")
        for profile_id in (foreign.pk, new_id()):
            with pytest.raises(pins.ProfileNotFound):
                profiles.change(account_id=mine.account_id, profile_id=profile_id, fields={"name": "Mine"}, now=NOW)
        foreign.refresh_from_db()
        assert foreign.name == "Eve"


class TestDelete:
    def test_refuses_the_last_adult(self) -> None:
        adult = ProfileFactory.create()
        KidsProfileFactory.create(account=adult.account)
        with pytest.raises(profiles.AdultProfileRequired):
            profiles.delete(account_id=adult.account_id, profile_id=adult.pk, now=NOW)
        assert Profile.objects.filter(account=adult.account).count() == 2

    def test_deletes_a_child_and_one_of_two_adults(self) -> None:
        adult = ProfileFactory.create(name="Ada")
        other, child = ProfileFactory.create(account=adult.account), KidsProfileFactory.create(account=adult.account)
        for profile in (other, child):
            profiles.delete(account_id=adult.account_id, profile_id=profile.pk, now=NOW)
        assert household(adult.account) == [("Ada", False)]

    def test_knows_no_foreign_profile(self) -> None:
        mine, foreign = ProfileFactory.create(), ProfileFactory.create()
        with pytest.raises(pins.ProfileNotFound):
            profiles.delete(account_id=mine.account_id, profile_id=foreign.pk, now=NOW)
        assert Profile.objects.filter(pk=foreign.pk).exists()


def at_once(*calls: Callable[[], Any]) -> list[str]:
    """Run calls on connections of their own, started together; answers each one's error code, or ok."""
    barrier, results = threading.Barrier(len(calls)), ["" for _ in calls]

    def run(index: int) -> None:
        try:
            barrier.wait(10)
            calls[index]()
            results[index] = "ok"
        except DomainError as error:
            results[index] = error.code
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[index]) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(results)


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_make_no_more_than_seven(self) -> None:
        account = AccountFactory.create()
        ProfileFactory.create_batch(6, account=account)
        results = at_once(*(lambda name=name: add(account, name) for name in ("Ada", "Bea", "Cleo", "Dora")))
        assert results == ["ok", "too_many_profiles", "too_many_profiles", "too_many_profiles"]
        assert Profile.objects.filter(account=account).count() == 7

    def test_do_not_both_delete_the_last_two_adults(self) -> None:
        first = ProfileFactory.create()
        second = ProfileFactory.create(account=first.account)

        def delete(profile_id: UUID) -> Callable[[], None]:
            return lambda: profiles.delete(account_id=first.account_id, profile_id=profile_id, now=NOW)

        assert at_once(delete(first.pk), delete(second.pk)) == ["adult_profile_required", "ok"]
        assert Profile.objects.filter(account=first.account).count() == 1

    def test_do_not_leave_children_alone_by_deleting_and_turning(self) -> None:
        first = ProfileFactory.create()
        second = ProfileFactory.create(account=first.account)
        results = at_once(
            lambda: profiles.delete(account_id=first.account_id, profile_id=first.pk, now=NOW),
            lambda: profiles.change(
                account_id=first.account_id, profile_id=second.pk, fields={"is_kids": True}, now=NOW
            ),
        )
        assert results == ["adult_profile_required", "ok"]
        assert Profile.objects.filter(account=first.account, is_kids=False).count() == 1

    @pytest.mark.parametrize("verb", ["create", "change", "delete", "enter"])
    def test_wait_for_the_accounts_lock(self, verb: str) -> None:
        profile = ProfileFactory.create()
        ProfileFactory.create(account=profile.account)
        session_key = sign_in(profile.account)
        account_id, fields = profile.account_id, {"name": "Bea"}
        calls: dict[str, Callable[[], Any]] = {
            "create": lambda: profiles.create(account_id=account_id, fields=fields, now=NOW),
            "change": lambda: profiles.change(account_id=account_id, profile_id=profile.pk, fields=fields, now=NOW),
            "delete": lambda: profiles.delete(account_id=account_id, profile_id=profile.pk, now=NOW),
            "enter": lambda: profiles.enter(
                account_id=account_id, profile_id=profile.pk, session_key=session_key, now=NOW
            ),
        }
        with transaction.atomic():
            User.objects.locked().get(pk=account_id)
            waiting = threading.Thread(target=at_once, args=[calls[verb]])
            waiting.start()
            waiting.join(0.5)
            assert waiting.is_alive()
        waiting.join(30)
        assert not waiting.is_alive()


class TestEnter:
    def test_holds_for_the_one_sign_in(self) -> None:
        profile = ProfileFactory.create()
        phone, browser = sign_in(profile.account), sign_in(profile.account)
        profiles.enter(account_id=profile.account_id, profile_id=profile.pk, session_key=phone, now=NOW)
        assert list(profile.sessions.values_list("session__session_key", flat=True)) == [phone]
        assert browser != phone

    def test_changes_the_profile_of_a_sign_in(self) -> None:
        profile = ProfileFactory.create()
        other = ProfileFactory.create(account=profile.account)
        session_key = sign_in(profile.account, profile=profile)
        profiles.enter(account_id=profile.account_id, profile_id=other.pk, session_key=session_key, now=NOW)
        assert not profile.sessions.exists()
        assert other.sessions.count() == 1

    def test_refuses_another_accounts_sign_in(self) -> None:
        profile, stranger = ProfileFactory.create(), AccountFactory.create()
        with pytest.raises(sessions.SessionUnknown):
            profiles.enter(account_id=profile.account_id, profile_id=profile.pk, session_key=sign_in(stranger), now=NOW)
        assert not profile.sessions.exists()
