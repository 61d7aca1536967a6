"""Handing a profile over: offered to an address, agreed by both sides, with all that hangs on its id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.admin.sites import site
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts import holdings, tasks
from accounts.models import AuditEntry, OutgoingEmail, Pin, Profile, ProfileTransfer, SessionProfile, User
from accounts.personal_data import CONTRIBUTOR
from accounts.services import accounts, deletions, pins, profiles, transfers
from accounts.services.audit import Origin
from core.clock import now
from core.errors import DomainError
from core.models import OutboxEvent
from tests.accounts.conftest import App, Postbox, mails_to, plain
from tests.accounts.test_profiles import at_once
from tests.erasures import Tally
from tests.factories.accounts import (
    AccountFactory,
    KidsProfileFactory,
    ProfileFactory,
    ProfileTransferFactory,
    StaffFactory,
    sign_in,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Origin(address="192.0.2.9", place="Bonn, DE", user_agent="Phone/1")
MASTER = "8264"
LIST = "/api/v1/profile-transfers"


@pytest.fixture
def mia() -> Profile:
    """A grown-up child's profile, beside a parent's."""
    parent = ProfileFactory.create(account=AccountFactory.create(email="ada@example.com"), name="Ada")
    return ProfileFactory.create(account=parent.account, name="Mia", highest_age=16)


@pytest.fixture
def household() -> User:
    """The account that Mia moves to, which has a profile of its own."""
    own = ProfileFactory.create(account=AccountFactory.create(email="bea@example.com"), name="Bea")
    return own.account


def offer(profile: Profile, email: str = "bea@example.com", at: datetime = NOW) -> ProfileTransfer:
    return transfers.offer(account_id=profile.account_id, profile_id=profile.pk, email=email, now=at, origin=HERE)


def accept(account: User, made: ProfileTransfer, at: datetime = NOW, **options: Any) -> Profile:
    return transfers.accept(account_id=account.pk, transfer_id=made.pk, now=at, origin=HERE, **options)


def cancel(made: ProfileTransfer, at: datetime = NOW) -> None:
    transfers.cancel(account_id=made.from_account_id, transfer_id=made.pk, now=at, origin=HERE)


def decline(account: User, made: ProfileTransfer, at: datetime = NOW) -> None:
    transfers.decline(account_id=account.pk, transfer_id=made.pk, now=at, origin=HERE)


def refusal(call: Callable[[], Any]) -> str:
    """Answer the code with which a call is refused."""
    with pytest.raises(DomainError) as refused:
        call()
    return refused.value.code


def outcomes() -> list[str]:
    return list(ProfileTransfer.objects.order_by("pk").values_list("outcome", flat=True))


def acts(account: User) -> list[tuple[str, str, str | None]]:
    entries = AuditEntry.objects.filter(account=account).order_by("at", "pk")
    return list(entries.values_list("act", "actor", "address"))


def household_of(account: User) -> set[str]:
    return set(Profile.objects.filter(account=account).values_list("name", flat=True))


class TestOffer:
    def test_is_open_for_a_week_and_told_to_both_sides(self, mia: Profile, household: User) -> None:
        made = offer(mia, "BEA@example.com")
        assert (made.to_email, made.expires_at - made.offered_at) == ("bea@example.com", timedelta(days=7))
        assert mails_to("ada@example.com") == ["account/email/profile_offered"]
        assert mails_to("bea@example.com") == ["account/email/profile_offered_to_you"]
        assert acts(mia.account) == [("profile_offered", "owner", "192.0.2.9")]
        assert AuditEntry.objects.get().detail == {"transfer": str(made.pk), "profile": str(mia.pk)}
        assert acts(household) == []
        mia.refresh_from_db()
        assert mia.account.email == "ada@example.com"

    def test_tells_a_stranger_nothing_of_the_senders_choice(self, mia: Profile) -> None:
        offer(mia, "nobody@example.com")
        context = OutgoingEmail.objects.get(address="nobody@example.com").context
        assert context.keys() == {"from_email", "timestamp"}

    def test_costs_the_same_whether_or_not_an_account_has_the_address(self, mia: Profile, household: User) -> None:
        costs = []
        for email in ("bea@example.com", "nobody@example.com"):
            with CaptureQueriesContext(connection) as queries, transaction.atomic():
                made = offer(mia, email)
            cancel(made)
            costs.append([re.match(r'\w+(?:.*? (?:FROM|INTO) "\w+")?', query["sql"]) for query in queries])
        known, unknown = ([found[0] for found in cost if found] for cost in costs)
        assert known == unknown
        assert 'INSERT INTO "accounts_outgoingemail"' in known

    @pytest.mark.parametrize("address", ["ada@example.com", "Ada@Example.com", "second@example.com"])
    def test_is_not_made_to_oneself(self, mia: Profile, address: str) -> None:
        EmailAddress.objects.create(user=mia.account, email="second@example.com", verified=True)
        assert refusal(lambda: offer(mia, address)) == "transfer_to_self"
        assert (ProfileTransfer.objects.count(), OutgoingEmail.objects.count()) == (0, 0)

    def test_is_not_made_of_the_last_adult_or_anothers_profile(self, mia: Profile, household: User) -> None:
        KidsProfileFactory.create(account=household)
        own = Profile.objects.get(account=household, is_kids=False)
        assert refusal(lambda: offer(own, "cleo@example.com")) == "adult_profile_required"
        stolen = Profile(pk=mia.pk, account=household)
        assert refusal(lambda: offer(stolen, "cleo@example.com")) == "profile_not_found"
        assert not ProfileTransfer.objects.exists()

    def test_is_made_of_a_childs_profile(self, mia: Profile) -> None:
        assert offer(KidsProfileFactory.create(account=mia.account)).outcome == ""

    def test_is_one_at_a_time_until_it_runs_out(self, mia: Profile) -> None:
        offer(mia)
        assert refusal(lambda: offer(mia, "cleo@example.com")) == "transfer_open"
        assert outcomes() == [""]
        offer(mia, "cleo@example.com", at=NOW + timedelta(days=7))
        assert outcomes() == ["expired", ""]
        with transaction.atomic(), pytest.raises(IntegrityError, match="profile_transfer_one_open"):
            ProfileTransferFactory.create(profile=mia, from_account=mia.account)

    def test_is_made_ten_times_a_day(self, mia: Profile) -> None:
        for _ in range(10):
            cancel(offer(mia))
        with pytest.raises(transfers.TooManyTransfers) as refused:
            offer(mia, at=NOW + timedelta(hours=23))
        assert refused.value.extra == {"retry_after": 3600}
        assert ProfileTransfer.objects.count() == 10
        offer(mia, at=NOW + timedelta(hours=24))

    def test_is_not_made_by_who_is_leaving(self, mia: Profile) -> None:
        deletions.request(account_id=mia.account_id, by=mia.account, now=NOW, origin=HERE)
        assert refusal(lambda: offer(mia)) == "account_leaving"
        assert not ProfileTransfer.objects.exists()


class TestAccept:
    def test_moves_the_profile_with_its_id_and_limits(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        moved = accept(household, made)
        moved.refresh_from_db()
        assert (moved.pk, moved.account, moved.name, moved.highest_age) == (mia.pk, household, "Mia", 16)
        assert (moved.created_at, moved.updated_at) == (mia.created_at, NOW)
        made.refresh_from_db()
        assert (made.outcome, made.to_account, made.ended_at) == ("accepted", household, NOW)
        assert (household_of(mia.account), household_of(household)) == ({"Ada"}, {"Bea", "Mia"})

    def test_tells_whoever_keeps_something_of_the_profile(self, mia: Profile, household: User) -> None:
        accept(household, offer(mia))
        event = OutboxEvent.objects.get(type="accounts.ProfileTransferred")
        assert event.aggregate == f"account:{household.pk}"
        assert event.payload == {
            "profile_id": str(mia.pk), "from_account_id": str(mia.account_id), "to_account_id": str(household.pk),
        }  # fmt: skip

    def test_is_on_record_on_both_sides_and_tells_neither_where_the_other_is(
        self, mia: Profile, household: User
    ) -> None:
        accept(household, offer(mia))
        assert acts(mia.account)[1:] == [("profile_given", "owner", None)]
        assert acts(household) == [("profile_received", "owner", "192.0.2.9")]
        assert mails_to("ada@example.com")[1:] == ["account/email/profile_given"]
        assert mails_to("bea@example.com")[1:] == ["account/email/profile_received"]

    def test_takes_its_pin_away_and_keeps_the_households(self, mia: Profile, household: User) -> None:
        for profile_id in (mia.pk, None):
            pins.put(account_id=mia.account_id, profile_id=profile_id, pin=MASTER, now=NOW)
        accept(household, offer(mia))
        assert [(pin.account_id, pin.profile_id) for pin in Pin.objects.all()] == [(mia.account_id, None)]

    def test_ends_what_acts_as_it_on_the_next_request(self, mia: Profile, household: User) -> None:
        apps = {}
        for profile in (mia, Profile.objects.get(name="Ada")):
            apps[profile.name] = App()
            apps[profile.name].token = sign_in(mia.account, profile=profile)
        seen = {name: app.call("get", "/api/v1/account").json()["profile_id"] for name, app in apps.items()}
        assert seen["Mia"] == str(mia.pk)
        accept(household, offer(mia))
        now_seen = {name: app.call("get", "/api/v1/account").json()["profile_id"] for name, app in apps.items()}
        assert now_seen == {"Mia": None, "Ada": seen["Ada"]}
        entered = apps["Mia"].call("post", f"/api/v1/profiles/{mia.pk}/enter", {})
        assert (entered.status_code, entered.json()["code"]) == (404, "profile_not_found")

    def test_is_for_whoever_has_verified_the_address(self, mia: Profile, household: User) -> None:
        made = offer(mia, "cleo@example.com")
        assert refusal(lambda: accept(household, made)) == "transfer_not_found"
        address = EmailAddress.objects.create(user=household, email="cleo@example.com", verified=False)
        assert refusal(lambda: accept(household, made)) == "transfer_not_found"
        assert refusal(lambda: accept(mia.account, made)) == "transfer_not_found"
        assert outcomes() == [""]
        address.verified = True
        address.save()
        assert accept(household, made).account == household

    def test_is_for_who_signs_up_because_of_it(self, mia: Profile) -> None:
        made = offer(mia, "cleo@example.com")
        cleo = AccountFactory.create(email="cleo@example.com")
        assert accept(cleo, made).account == cleo
        assert household_of(cleo) == {"Mia"}

    def test_is_refused_too_late(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        assert refusal(lambda: accept(household, made, at=made.expires_at)) == "transfer_ended"
        assert outcomes() == [""]
        accept(household, made, at=made.expires_at - timedelta(microseconds=1))
        assert refusal(lambda: accept(household, made)) == "transfer_ended"
        with transaction.atomic(), pytest.raises(IntegrityError, match="profile_transfer_is_in_time"):
            ProfileTransfer.objects.update(ended_at=made.expires_at)

    def test_is_refused_to_a_full_household(self, mia: Profile, household: User) -> None:
        ProfileFactory.create_batch(6, account=household)
        made = offer(mia)
        assert refusal(lambda: accept(household, made)) == "too_many_profiles"
        assert (outcomes(), Profile.objects.get(pk=mia.pk).account) == ([""], mia.account)

    def test_gives_another_name_where_that_one_is_taken(self, mia: Profile, household: User) -> None:
        ProfileFactory.create(account=household, name="MIA")
        made = offer(mia)
        assert refusal(lambda: accept(household, made)) == "profile_name_taken"
        assert (outcomes(), Profile.objects.get(pk=mia.pk).account) == ([""], mia.account)
        assert accept(household, made, name="Mia B.").name == "Mia B."
        [given] = OutgoingEmail.objects.filter(template="account/email/profile_given")
        assert given.context["profile"] == "Mia"

    def test_of_a_child_needs_an_adult(self, mia: Profile) -> None:
        made = offer(KidsProfileFactory.create(account=mia.account, name="Kim"))
        empty = AccountFactory.create(email="bea@example.com")
        assert refusal(lambda: accept(empty, made)) == "adult_profile_required"
        assert outcomes() == [""]
        ProfileFactory.create(account=empty)
        assert accept(empty, made).is_kids

    def test_asks_for_the_households_master_pin(self, mia: Profile, household: User) -> None:
        pins.put(account_id=household.pk, profile_id=None, pin=MASTER, now=NOW)
        made = offer(mia)
        assert refusal(lambda: accept(household, made)) == "pin_required"
        assert refusal(lambda: accept(household, made, master_pin="1111")) == "pin_wrong"
        assert (outcomes(), Pin.objects.get().wrong_tries) == ([""], 1)
        assert accept(household, made, master_pin=MASTER).account == household

    def test_is_refused_to_who_is_leaving(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        deletions.request(account_id=household.pk, by=household, now=NOW, origin=HERE)
        assert refusal(lambda: accept(household, made)) == "account_leaving"
        assert outcomes() == [""]
        deletions.cancel(account_id=household.pk, by=household, now=NOW, origin=HERE)
        assert accept(household, made).account == household

    def test_is_refused_while_the_giver_is_suspended(self, mia: Profile, household: User) -> None:
        made, staff = offer(mia), StaffFactory.create()
        accounts.suspend(account_id=mia.account_id, reason="abuse", by=staff, now=NOW)
        assert refusal(lambda: accept(household, made)) == "transfer_unavailable"
        assert outcomes() == [""]
        accounts.unsuspend(account_id=mia.account_id, reason="a mistake", by=staff, now=NOW)
        assert accept(household, made).account == household

    def test_is_refused_to_who_is_suspended_meanwhile(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        accounts.suspend(account_id=household.pk, reason="abuse", by=StaffFactory.create(), now=NOW)
        assert refusal(lambda: accept(household, made)) == "session_ended"
        assert (outcomes(), Profile.objects.get(pk=mia.pk).account) == ([""], mia.account)

    def test_leaves_the_giver_an_adult(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        profiles.delete(account_id=mia.account_id, profile_id=Profile.objects.get(name="Ada").pk, now=NOW)
        assert refusal(lambda: accept(household, made)) == "transfer_unavailable"
        assert (outcomes(), household_of(mia.account)) == ([""], {"Mia"})

    def test_locks_accounts_profile_and_offer_in_this_order(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        with CaptureQueriesContext(connection) as queries:
            accept(household, made)
        locks = [query["sql"] for query in queries if "FOR UPDATE" in query["sql"]]
        assert ['FROM "accounts_user"' in locks[0], 'FROM "accounts_profile"' in locks[1]] == [True, True]
        assert 'ORDER BY "accounts_user"."id" ASC' in locks[0]
        assert 'FROM "accounts_profiletransfer"' in locks[2]


class TestDecline:
    def test_leaves_everything_and_is_told_to_both_sides(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        decline(household, made)
        assert outcomes() == ["declined"]
        assert ProfileTransfer.objects.get().to_account == household
        assert acts(mia.account)[1:] == [("profile_offer_declined", "unknown", None)]
        assert acts(household) == [("profile_offer_declined", "owner", "192.0.2.9")]
        assert mails_to("ada@example.com")[1:] == ["account/email/profile_offer_ended"]
        assert mails_to("bea@example.com")[1:] == ["account/email/profile_offered_to_you_ended"]
        for again in (lambda: decline(household, made), lambda: accept(household, made), lambda: cancel(made)):
            assert refusal(again) == "transfer_ended"
        assert household_of(household) == {"Bea"}


class TestCancel:
    def test_withdraws_what_was_offered(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        assert refusal(
            lambda: transfers.cancel(account_id=household.pk, transfer_id=made.pk, now=NOW, origin=HERE)
        ) == ("transfer_not_found")
        cancel(made)
        assert outcomes() == ["cancelled"]
        assert acts(mia.account)[1:] == [("profile_offer_cancelled", "owner", "192.0.2.9")]
        assert mails_to("bea@example.com")[1:] == ["account/email/profile_offered_to_you_ended"]
        assert refusal(lambda: accept(household, made)) == "transfer_ended"
        assert Profile.objects.get(pk=mia.pk).account == mia.account

    def test_comes_with_the_deletion_of_the_profile(self, mia: Profile) -> None:
        offer(mia)
        profiles.delete(account_id=mia.account_id, profile_id=mia.pk, now=NOW)
        ended = ProfileTransfer.objects.get()
        assert (ended.outcome, ended.profile) == ("cancelled", None)
        assert mails_to("bea@example.com")[1:] == ["account/email/profile_offered_to_you_ended"]

    def test_comes_with_the_wish_to_leave(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        deletions.request(account_id=mia.account_id, by=mia.account, now=NOW, origin=HERE)
        assert outcomes() == ["cancelled"]
        assert refusal(lambda: accept(household, made)) == "transfer_ended"


class TestExpire:
    def test_ends_what_nobody_answered(self, mia: Profile, household: User) -> None:
        made = offer(mia, at=now() - timedelta(days=7, seconds=1))
        kept = offer(KidsProfileFactory.create(account=mia.account), at=now())
        tasks.expire_profile_offers(unknown="argument of a later release")
        assert outcomes() == ["expired", ""]
        assert mails_to("ada@example.com")[-1] == "account/email/profile_offer_ended"
        assert mails_to("bea@example.com")[-1] == "account/email/profile_offered_to_you_ended"
        assert not transfers.expire(transfer_id=made.pk, now=now())
        assert not transfers.expire(transfer_id=kept.pk, now=now())
        assert acts(mia.account)[-1] == ("profile_offer_expired", "unknown", None)

    def test_is_followed_by_oblivion(self, mia: Profile) -> None:
        cancel(offer(mia))
        assert transfers.purge(now=NOW + timedelta(days=30)) == 0
        assert transfers.purge(now=NOW + timedelta(days=30, seconds=1)) == 1


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_accept_and_cancel_have_one_winner(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        assert at_once(lambda: accept(household, made), lambda: cancel(made)) == ["ok", "transfer_ended"]
        owner = Profile.objects.get(pk=mia.pk).account
        assert (outcomes(), owner) in [(["accepted"], household), (["cancelled"], mia.account)]

    def test_accept_and_accept_are_one(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        assert at_once(*[lambda: accept(household, made)] * 3) == ["ok", "transfer_ended", "transfer_ended"]
        assert OutboxEvent.objects.filter(type="accounts.ProfileTransferred").count() == 1
        assert mails_to("ada@example.com").count("account/email/profile_given") == 1

    def test_accept_and_deletion_of_the_profile_have_one_winner(self, mia: Profile, household: User) -> None:
        made = offer(mia)
        results = at_once(
            lambda: accept(household, made),
            lambda: profiles.delete(account_id=mia.account_id, profile_id=mia.pk, now=NOW),
        )
        if household_of(household) == {"Bea", "Mia"}:
            assert (results, outcomes()) == (["ok", "profile_not_found"], ["accepted"])
        else:
            assert (results, outcomes()) == (["ok", "transfer_ended"], ["cancelled"])
            assert not Profile.objects.filter(pk=mia.pk).exists()

    def test_accept_and_accept_fill_the_last_place_once(self, mia: Profile, household: User) -> None:
        ProfileFactory.create_batch(5, account=household)
        other = ProfileFactory.create(name="Max")
        ProfileFactory.create(account=other.account)
        both = [offer(mia), offer(other)]
        results = at_once(*(lambda made=made: accept(household, made) for made in both))
        assert results == ["ok", "too_many_profiles"]
        assert sorted(outcomes()) == ["", "accepted"]
        assert Profile.objects.filter(account=household).count() == 7

    def test_two_households_that_give_to_each_other_do_not_wait_for_each_other(
        self, mia: Profile, household: User
    ) -> None:
        back = offer(ProfileFactory.create(account=household, name="Max"), "ada@example.com")
        there = offer(mia)
        assert at_once(lambda: accept(household, there), lambda: accept(mia.account, back)) == ["ok", "ok"]
        assert (household_of(mia.account), household_of(household)) == ({"Ada", "Max"}, {"Bea", "Mia"})

    def test_the_last_two_adults_do_not_both_leave(self, mia: Profile, household: User) -> None:
        both = [offer(mia), offer(Profile.objects.get(name="Ada"))]
        results = at_once(*(lambda made=made: accept(household, made) for made in both))
        assert results == ["ok", "transfer_unavailable"]
        assert Profile.objects.filter(account=mia.account).count() == 1

    def test_entering_ends_before_or_is_refused_after(self, mia: Profile, household: User) -> None:
        made, token = offer(mia), sign_in(mia.account)
        results = at_once(
            lambda: accept(household, made),
            lambda: profiles.enter(account_id=mia.account_id, profile_id=mia.pk, session_key=token, now=NOW),
        )
        assert results in (["ok", "ok"], ["ok", "profile_not_found"])
        assert not SessionProfile.objects.exists()


class TestMails:
    @pytest.mark.parametrize(
        ("language", "subjects"),
        [
            (
                "en",
                [
                    ("ada", "You offered a profile to another account"),
                    ("bea", "Somebody offers you a profile"),
                    ("ada", "A profile that you offered was declined"),
                    ("bea", "You declined a profile"),
                    ("ada", "A profile is offered no more"),
                    ("bea", "A profile is offered to you no more"),
                    ("ada", "A profile that you offered was not accepted in time"),
                    ("bea", "The offer of a profile has expired"),
                    ("ada", "A profile left your account"),
                    ("bea", "A profile joined your account"),
                ],
            ),
            (
                "de",
                [
                    ("ada", "Sie haben einem anderen Konto ein Profil angeboten"),
                    ("bea", "Jemand bietet Ihnen ein Profil an"),
                    ("ada", "Ein Profil, das Sie angeboten haben, wurde abgelehnt"),
                    ("bea", "Sie haben ein Profil abgelehnt"),
                    ("ada", "Ein Profil wird nicht mehr angeboten"),
                    ("bea", "Ein Profil wird Ihnen nicht mehr angeboten"),
                    ("ada", "Ein Profil, das Sie angeboten haben, wurde nicht rechtzeitig angenommen"),
                    ("bea", "Das Angebot eines Profils ist abgelaufen"),
                    ("ada", "Ein Profil hat Ihr Konto verlassen"),
                    ("bea", "Ein Profil ist in Ihr Konto gekommen"),
                ],
            ),
        ],
    )
    def test_reach_both_sides_by_smtp(
        self, postbox: Postbox, mia: Profile, household: User, language: str, subjects: list[tuple[str, str]]
    ) -> None:
        User.objects.update(language=language)
        began = now()
        received = []
        for end in (
            lambda made: decline(household, made, at=began),
            cancel,
            lambda made: transfers.expire(transfer_id=made.pk, now=made.expires_at),
            lambda made: accept(household, made, at=began),
        ):
            made = offer(Profile.objects.get(pk=mia.pk), at=began)
            end(made)
            ProfileTransfer.objects.all().delete()
            OutgoingEmail.objects.update(useful_until=began + timedelta(days=9), next_attempt_at=began)
            received = postbox.collect()
        seen = [(str(mail["To"]).split("@")[0], str(mail["Subject"])) for mail in received]
        # Mail that is due at one instant goes in any order; each of the four offers is told to both sides.
        assert Counter(seen) == Counter([*subjects[:2] * 3, *subjects])
        for mail in received:
            for kind in ("plain", "html"):
                text = plain(mail, kind)
                assert ("Mia" in text) == (mail["To"] == "ada@example.com" or mail["Subject"] == subjects[-1][1])
                assert ("bea@example.com" if mail["To"] == "ada@example.com" else "ada@example.com") in text


class TestApi:
    @pytest.fixture
    def ada(self, mia: Profile) -> App:
        app = App()
        app.token = sign_in(mia.account, profile=Profile.objects.get(name="Ada"))
        return app

    @pytest.fixture
    def bea(self, household: User) -> App:
        app = App()
        app.token = sign_in(household, profile=Profile.objects.get(name="Bea"))
        return app

    def test_hands_a_profile_over(self, ada: App, bea: App, mia: Profile) -> None:
        offered = ada.call("post", f"/api/v1/profiles/{mia.pk}/transfer", {"email": "Bea@example.com"})
        assert offered.status_code == 201
        body = offered.json()
        assert {name: body[name] for name in body.keys() - {"id", "offered_at", "expires_at"}} == {
            "direction": "outgoing", "state": "open", "profile_id": str(mia.pk), "profile_name": "Mia", "is_kids": False,
            "from_email": "ada@example.com", "to_email": "bea@example.com", "ended_at": None,
        }  # fmt: skip
        [listed] = bea.call("get", LIST).json()["results"]
        assert listed == body | {"direction": "incoming"}
        accepted = bea.call("post", f"{LIST}/{body['id']}/accept", {"name": "Mia B."})
        assert (accepted.status_code, accepted.json()["id"], accepted.json()["name"]) == (200, str(mia.pk), "Mia B.")
        # What it is called in its new household is nothing to the old one.
        seen = ada.call("get", f"{LIST}/{body['id']}").json()
        assert (seen["state"], seen["profile_name"], seen["is_kids"], seen["from_email"]) == (
            "accepted",
            None,
            None,
            None,
        )
        assert str(mia.pk) not in {each["id"] for each in ada.call("get", "/api/v1/profiles").json()}
        assert bea.call("post", f"/api/v1/profiles/{mia.pk}/enter", {}).status_code == 200

    def test_answers_the_same_whether_or_not_an_account_has_the_address(self, ada: App, bea: App, mia: Profile) -> None:
        User.objects.filter(email="bea@example.com").update(is_active=False)
        answers = []
        for email in ("bea@example.com", "nobody@example.com"):
            with transaction.atomic(), time_machine.travel(now(), tick=False):
                answer = ada.call("post", f"/api/v1/profiles/{mia.pk}/transfer", {"email": email})
                transaction.set_rollback(True)
            body = answer.json()
            answers.append((answer.status_code, body.keys(), body["state"], body["to_email"] == email))
        assert answers[0] == answers[1] == (201, body.keys(), "open", True)

    def test_declines_and_withdraws(self, ada: App, bea: App, mia: Profile) -> None:
        def offered() -> str:
            answer = ada.call("post", f"/api/v1/profiles/{mia.pk}/transfer", {"email": "bea@example.com"})
            return str(answer.json()["id"])

        assert bea.call("post", f"{LIST}/{offered()}/decline", {}).status_code == 204
        withdrawn = offered()
        assert bea.call("delete", f"{LIST}/{withdrawn}").json()["code"] == "transfer_not_found"
        assert ada.call("delete", f"{LIST}/{withdrawn}").status_code == 204
        late = bea.call("post", f"{LIST}/{withdrawn}/accept", {})
        assert (late.status_code, late.json()["code"]) == (409, "transfer_ended")
        assert [each["state"] for each in ada.call("get", LIST).json()["results"]] == ["cancelled", "declined"]

    def test_shows_what_has_run_out_before_the_sweep_notices(self, ada: App, mia: Profile) -> None:
        offer(mia, at=now() - timedelta(days=7))
        [listed] = ada.call("get", LIST).json()["results"]
        assert (listed["state"], listed["ended_at"], listed["profile_name"]) == ("expired", None, None)

    @pytest.mark.parametrize("email", ["", "nobody", 7, None, "a@b", f"{'x' * 250}@example.com"])
    def test_refuses_what_is_no_address(self, ada: App, mia: Profile, email: Any) -> None:
        answer = ada.call("post", f"/api/v1/profiles/{mia.pk}/transfer", {"email": email})
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
        assert not ProfileTransfer.objects.exists()

    def test_says_when_offers_are_taken_again(self, ada: App, mia: Profile) -> None:
        for _ in range(10):
            cancel(offer(mia, at=now()), at=now())
        answer = ada.call("post", f"/api/v1/profiles/{mia.pk}/transfer", {"email": "bea@example.com"})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_transfers")
        assert 86_000 < int(answer.headers["Retry-After"]) <= 86_400

    @pytest.mark.parametrize("count", [1, 5])
    def test_lists_at_a_fixed_cost(
        self, ada: App, mia: Profile, count: int, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(count):
            cancel(offer(mia, at=now()), at=now())
        ada.call("get", LIST)
        with django_assert_num_queries(2):
            assert len(ada.call("get", LIST).json()["results"]) == count


class TestPersonalData:
    def test_is_told_to_both_sides_and_not_to_who_claims_the_address(self, mia: Profile, household: User) -> None:
        offer(mia)
        claiming = AccountFactory.create()
        EmailAddress.objects.create(user=claiming, email="bea@example.com", verified=False)

        def told(account: User) -> list[Any]:
            streams = {stream.name: stream for stream in CONTRIBUTOR.export(account_id=account.pk)}
            return [(each["direction"], each["to_email"]) for each in streams["profile_transfers"].records]

        assert told(mia.account) == [("outgoing", "bea@example.com")]
        assert told(household) == [("incoming", "bea@example.com")]
        assert told(claiming) == []

    @pytest.mark.parametrize("side", ["giver", "receiver"])
    @pytest.mark.parametrize("state", ["open", "accepted"])
    def test_goes_with_either_side(self, mia: Profile, household: User, side: str, state: str) -> None:
        made = offer(mia)
        if state == "accepted":
            accept(household, made)
        leaving = mia.account if side == "giver" else household
        somebody = holdings.person(leaving.pk)
        assert "accounts.ProfileTransfer" in {each.model for each in holdings.about(somebody)}
        tally = Tally()
        accounts.erase(account_id=leaving.pk, now=NOW, tally=tally)
        assert tally["accounts.ProfileTransfer"] == 1
        assert "accounts.ProfileTransfer" not in {each.model for each in holdings.about(somebody)}
        # The other household keeps what is its own.
        assert household_of(household if side == "giver" else mia.account)


class TestAdmin:
    def test_shows_and_changes_nothing(self, mia: Profile, client: Any) -> None:
        made = offer(mia)
        staff = StaffFactory.create(is_superuser=True)
        client.cookies["sessionid"] = sign_in(staff)
        page = client.get("/admin/accounts/profiletransfer/?q=ada")
        assert page.status_code == 200
        assert "bea@example.com" in page.content.decode()
        assert client.get(f"/admin/accounts/profiletransfer/{made.pk}/change/").status_code == 200
        registered = site._registry[ProfileTransfer]
        request = page.wsgi_request
        assert not registered.has_change_permission(request)
        assert not registered.has_delete_permission(request)
        assert not registered.has_add_permission(request)
