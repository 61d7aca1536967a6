"""Devices: the list, their end, and the places of a plan."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import Device, DeviceRegistration, User
from accounts.rules import DeviceLimits, Place, rule_on_place
from accounts.services import devices
from core.ids import new_id
from tests.accounts.conftest import App
from tests.factories.accounts import AccountFactory, sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CLIENT = "0123456789abcdef"


def app_of(account: User, kind: str = "other") -> App:
    app = App()
    app.token = sign_in(account, kind=kind)
    return app


def device_of(app: App) -> Device:
    return Device.objects.get(session__session_key=app.token)


def another(account: User, kind: str = "phone") -> Device:
    return device_of(app_of(account, kind))


def register(device: Device, limits: DeviceLimits, now: datetime = NOW) -> dict[str, Any] | None:
    """Answer the refusal, if it is refused."""
    try:
        devices.register_for_playback(device_id=device.pk, limits=limits, now=now)
    except devices.DeviceNotRegistered as refused:
        return refused.extra
    return None


def held() -> set[Any]:
    return set(DeviceRegistration.objects.filter(ended_at=None).values_list("device_id", flat=True))


class TestList:
    def test_shows_devices_and_browsers_together(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        account = AccountFactory.create()
        app = app_of(account)
        for kind in ("browser", "television", "phone"):
            another(account, kind)
        another(AccountFactory.create())
        with django_assert_num_queries(2):
            answer = app.call("get", "/api/v1/devices")
        assert answer.status_code == 200
        listed = answer.json()
        assert {each["kind"] for each in listed} == {"other", "browser", "television", "phone"}
        [current] = [each for each in listed if each["is_current"]]
        device = device_of(app)
        assert current == {
            "id": str(device.pk), "name": "", "kind": "other", "user_agent": "tests", "place": "",
            "is_signed_in": True, "is_current": True, "registered_at": None,
            "created_at": device.created_at.isoformat().replace("+00:00", "Z"),
            "last_seen_at": device.last_seen_at.isoformat().replace("+00:00", "Z"),
        }  # fmt: skip

    def test_shows_what_is_signed_out_while_it_holds_a_place(self) -> None:
        account = AccountFactory.create()
        app, device = app_of(account), another(account)
        register(device, DeviceLimits(1))
        assert app.call("post", "/api/v1/devices/sign-out-others").status_code == 204
        [shown] = [each for each in app.call("get", "/api/v1/devices").json() if each["id"] == str(device.pk)]
        assert (shown["is_signed_in"], shown["registered_at"]) == (False, "2026-03-01T12:00:00Z")


class TestEnd:
    def test_of_one_signs_it_out_and_frees_its_place(self) -> None:
        account = AccountFactory.create()
        app, other = app_of(account), app_of(account)
        device = device_of(other)
        register(device, DeviceLimits(1))
        assert app.call("delete", f"/api/v1/devices/{device.pk}").status_code == 204
        assert other.call("get", "/api/v1/account").status_code == 401
        assert app.call("get", "/api/v1/account").status_code == 200
        assert [each["is_current"] for each in app.call("get", "/api/v1/devices").json()] == [True]
        assert held() == set()

    def test_of_all_others_leaves_the_one_that_asks(self) -> None:
        account = AccountFactory.create()
        app, others = app_of(account), [app_of(account) for _ in range(3)]
        assert app.call("post", "/api/v1/devices/sign-out-others").status_code == 204
        assert [each.call("get", "/api/v1/account").status_code for each in (app, *others)] == [200, 401, 401, 401]

    def test_and_names_answer_the_same_for_foreign_and_unknown_ids(self) -> None:
        foreign = another(AccountFactory.create())
        app = app_of(AccountFactory.create())
        for device_id in (foreign.pk, new_id()):
            for method, data in (("delete", None), ("patch", {"name": "Mine"})):
                answer = app.call(method, f"/api/v1/devices/{device_id}", data)
                assert (answer.status_code, answer.json()["code"]) == (404, "device_not_found")
        foreign.refresh_from_db()
        assert foreign.name == ""
        assert foreign.session_id

    def test_and_names_are_not_for_televisions(self) -> None:
        account = AccountFactory.create()
        device, television = another(account), app_of(account, "television")
        calls = (
            ("delete", f"devices/{device.pk}", None),
            ("patch", f"devices/{device.pk}", {"name": "x"}),
            ("post", "devices/sign-out-others", None),
        )
        for method, path, data in calls:
            assert television.call(method, f"/api/v1/{path}", data).status_code == 403
        assert UserSession.objects.count() == 2


class TestRename:
    @pytest.mark.parametrize(("name", "status"), [(" Living  room ", 200), ("", 400), ("x" * 41, 400), ("\u202e", 400)])
    def test_takes_what_can_be_shown(self, name: str, status: int) -> None:
        app = app_of(AccountFactory.create())
        device = device_of(app)
        assert app.call("patch", f"/api/v1/devices/{device.pk}", {"name": name}).status_code == status
        device.refresh_from_db()
        assert device.name == ("Living room" if status == 200 else "")


class TestIdentify:
    def identify(self, app: App, **data: str) -> tuple[int, Any]:
        answer = app.call("put", "/api/v1/devices/current", {"client_id": CLIENT, "kind": "phone"} | data)
        return answer.status_code, answer.json()

    def test_names_the_device_and_lengthens_its_sign_in(self) -> None:
        app = app_of(AccountFactory.create())
        status, answer = self.identify(app, name="Ada's phone")
        assert (status, answer["kind"], answer["name"]) == (200, "phone", "Ada's phone")
        assert Session.objects.get(session_key=app.token).get_decoded()["_session_expiry"] == 180 * 24 * 3600
        assert CLIENT not in str(Device.objects.values())

    def test_takes_the_device_up_again_when_it_signs_in_anew(self) -> None:
        account = AccountFactory.create()
        first, again = app_of(account), app_of(account)
        self.identify(first, name="Ada's phone")
        device = device_of(first)
        register(device, DeviceLimits(1))
        assert self.identify(again)[1]["id"] == str(device.pk)
        device.refresh_from_db()
        assert (device.name, held()) == ("Ada's phone", {device.pk})
        assert first.call("get", "/api/v1/account").status_code == 401
        assert Device.objects.count() == 1

    def test_says_so_once(self) -> None:
        app = app_of(AccountFactory.create())
        assert self.identify(app)[0] == 200
        assert self.identify(app)[0] == 200
        for other in ({"kind": "television"}, {"client_id": CLIENT[::-1]}):
            status, answer = self.identify(app, **other)
            assert (status, answer["code"]) == (409, "device_kind_fixed")
        assert device_of(app).kind == "phone"

    @pytest.mark.parametrize(("kind", "status"), [("browser", 200), ("phone", 409), ("television", 409)])
    def test_lets_a_browser_be_a_browser_alone(self, kind: str, status: int) -> None:
        app = app_of(AccountFactory.create(), "browser")
        assert self.identify(app, kind=kind)[0] == status
        assert device_of(app).kind == "browser"

    def test_keeps_accounts_apart(self) -> None:
        one, other = app_of(AccountFactory.create()), app_of(AccountFactory.create())
        ids = {self.identify(each)[1]["id"] for each in (one, other)}
        assert len(ids) == 2
        assert one.call("get", "/api/v1/account").status_code == 200

    @pytest.mark.parametrize("data", [{"client_id": "short"}, {"kind": "fridge"}, {"client_id": "x" * 201}])
    def test_refuses_what_makes_no_sense(self, data: dict[str, str]) -> None:
        app = app_of(AccountFactory.create())
        assert self.identify(app, **data)[0] == 400
        assert device_of(app).client_hash is None


class TestRegisterForPlayback:
    def test_takes_a_place_once(self) -> None:
        device = another(AccountFactory.create())
        assert [register(device, DeviceLimits(1)) for _ in range(2)] == [None, None]
        assert DeviceRegistration.objects.count() == 1

    def test_refuses_one_too_many_and_says_who_holds_the_places(self) -> None:
        account = AccountFactory.create()
        first, second = another(account), another(account)
        register(first, DeviceLimits(1, swaps=1))
        assert register(second, DeviceLimits(1, swaps=1), NOW + DAY) == {
            "reason": "cap",
            "registered": [
                {
                    "id": str(first.pk), "name": "", "kind": "phone", "registered_at": NOW.isoformat(),
                    "last_seen_at": first.last_seen_at.isoformat(),
                }
            ],
            "next_swap_at": None,
        }  # fmt: skip
        assert held() == {first.pk}

    def test_counts_swaps_for_thirty_days(self) -> None:
        account = AccountFactory.create()
        limits = DeviceLimits(1, swaps=1)
        first, second, third = (another(account) for _ in range(3))
        register(first, limits)
        devices.remove(account_id=account.pk, device_id=first.pk, now=NOW + DAY)
        assert register(second, limits, NOW + 2 * DAY) is None
        devices.remove(account_id=account.pk, device_id=second.pk, now=NOW + 3 * DAY)
        refused = register(third, limits, NOW + 4 * DAY)
        assert refused == {"reason": "swaps", "registered": [], "next_swap_at": (NOW + 32 * DAY).isoformat()}
        assert register(third, limits, NOW + 32 * DAY - timedelta(seconds=1)) == refused
        assert register(third, limits, NOW + 32 * DAY) is None

    def test_leaves_the_registered_after_a_downgrade_and_lets_nobody_else_in(self) -> None:
        account = AccountFactory.create()
        old = [another(account) for _ in range(3)]
        assert [register(each, DeviceLimits(3)) for each in old] == [None] * 3
        smaller, new = DeviceLimits(2), another(account)
        assert [register(each, smaller) for each in old] == [None] * 3
        for device in old[:2]:
            assert (register(new, smaller) or {})["reason"] == "cap"
            devices.remove(account_id=account.pk, device_id=device.pk, now=NOW)
        assert register(new, smaller) is None
        assert held() == {old[2].pk, new.pk}

    def test_counts_kinds_of_their_own(self) -> None:
        account = AccountFactory.create()
        limits = DeviceLimits(3, per_kind={"television": 1, "browser": 0})
        assert register(another(account, "television"), limits) is None
        assert (register(another(account, "television"), limits) or {})["reason"] == "kind_cap"
        assert (register(another(account, "browser"), limits) or {})["reason"] == "kind_cap"
        assert register(another(account, "phone"), limits) is None

    def test_knows_no_unknown_device(self) -> None:
        with pytest.raises(devices.DeviceNotFound):
            devices.register_for_playback(device_id=new_id(), limits=DeviceLimits(1), now=NOW)

    def test_locks_the_account(self) -> None:
        device = another(AccountFactory.create())
        with CaptureQueriesContext(connection) as queries:
            register(device, DeviceLimits(1))
        locks = [query["sql"] for query in queries if "FOR UPDATE" in query["sql"]]
        assert "accounts_user" in locks[0]


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_take_one_place(self) -> None:
        account = AccountFactory.create()
        both = [another(account) for _ in range(2)]
        barrier, refusals = threading.Barrier(2), []

        def play(device: Device) -> None:
            try:
                barrier.wait(10)
                refusals.append(register(device, DeviceLimits(1)))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=play, args=[device]) for device in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(refusal is None for refusal in refusals) == [False, True]
        assert DeviceRegistration.objects.count() == 1


def place(days: int, ended: int | None = None, *, kind: str = "phone", is_swap: bool = False) -> Place:
    """A place taken and given up, in days from NOW."""
    return Place(kind, NOW + days * DAY, None if ended is None else NOW + ended * DAY, is_swap)


class TestRuling:
    @pytest.mark.parametrize(
        ("places", "limits", "ruling"),
        [
            ([], DeviceLimits(1, swaps=0), (None, False, None)),
            ([], DeviceLimits(0), ("cap", True, None)),
            # A place that stood empty for long is as good as new.
            ([place(-60, -30)], DeviceLimits(1, swaps=0), (None, False, None)),
            ([place(-60, -29)], DeviceLimits(1, swaps=0), ("swaps", True, 1)),
            # Room beside it: nothing changes hands.
            ([place(-60, -1)], DeviceLimits(2, swaps=0), (None, False, None)),
            ([place(-60, -1)], DeviceLimits(1), (None, True, None)),
            ([place(-60, -9), place(-8, -7, is_swap=True)], DeviceLimits(1, swaps=1), ("swaps", True, 22)),
            ([place(-60, -9), place(-8, -7, is_swap=True)], DeviceLimits(1, swaps=2), (None, True, None)),
            # Full, and the swap is used up: the date is told beside the cap.
            ([place(-9, -8), place(-8, is_swap=True)], DeviceLimits(1, swaps=1), ("cap", True, 22)),
            ([place(-9)], DeviceLimits(1, swaps=0), ("cap", True, 30)),
            ([place(-60, -5, kind="television")], DeviceLimits(3, {"television": 1}, 0), (None, False, None)),
        ],
    )
    def test_of_a_phone(self, places: list[Place], limits: DeviceLimits, ruling: tuple[Any, ...]) -> None:
        found = rule_on_place("phone", places, limits, NOW)
        days = None if ruling[2] is None else NOW + ruling[2] * DAY
        assert (found.refusal, found.is_swap, found.next_swap_at) == (ruling[0], ruling[1], days)
