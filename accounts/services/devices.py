"""Devices of a household: their names, their end, and the places of a plan that they take.

Signing in is never refused by a cap: a device takes a place at its first playback.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts import rules
from accounts.models import Device, DeviceRegistration, User
from accounts.services import sessions
from core.errors import DomainError


class DeviceNotFound(DomainError):
    """No such device in this account, whether or not another account has it."""

    code = "device_not_found"
    title = "This account has no such device."
    status = 404


class DeviceKindFixed(DomainError):
    """A sign-in said what it runs on, and cannot become something else; it may sign in anew."""

    code = "device_kind_fixed"
    title = "This sign-in belongs to a device already; sign in again to use another."


class DeviceNotRegistered(DomainError):
    """Every place of the plan is taken, or places have changed hands too often.

    `reason` is `cap`, `kind_cap` or `swaps`. `registered` lists the devices that hold a place (id, name,
    kind, registered_at, last_seen_at); `next_swap_at` is when a place may change hands again, and null
    when it may at once: end one of the listed, and this one takes its place.
    """

    code = "device_not_registered"
    title = "Your plan's places for devices are taken."
    status = 403


def identify(*, account_id: UUID, session_id: int, client_id: str, kind: str, name: str, now: datetime) -> Device:
    """Say which device a sign-in runs on, by an id that the app keeps for good.

    The device it was before is taken up again, name and place of the plan included, and a sign-in that it
    still had ends. A sign-in says so once; then it may only repeat itself. A browser stays a browser.
    Raises DeviceKindFixed, and SessionUnknown when the sign-in has ended meanwhile.
    """
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        client_hash = hash_client(kind, client_id)
        session = UserSession.objects.select_related("device").filter(pk=session_id, user_id=account_id).first()
        if session is None:
            raise sessions.SessionUnknown
        present: Device = session.device
        if present.client_hash is not None or (present.kind == rules.BROWSER) != (kind == rules.BROWSER):
            if (present.client_hash, present.kind) != (client_hash, kind):
                raise DeviceKindFixed
            return present
        return _bind(account_id, session, client_hash=client_hash, kind=kind, name=name, now=now)


def bind(
    *, account_id: UUID, session: UserSession, client_hash: str, kind: str, name: str, place: str, now: datetime
) -> Device:
    """Sign a device in by a session that is its own from the start; call it in a transaction."""
    User.objects.locked().get(pk=account_id)
    sessions.make_room(account_id=account_id, now=now)
    device = _bind(account_id, session, client_hash=client_hash, kind=kind, name=name, now=now)
    device.place = place
    device.save(update_fields=["place"])
    return device


def rename(*, account_id: UUID, device_id: UUID, name: str) -> Device:
    """Give a device a name. Raises DeviceNotFound."""
    with transaction.atomic():
        device = _locked(account_id, device_id)
        device.name = name
        device.save(update_fields=["name"])
        sessions.forget(account_id=account_id)
        return device


def remove(*, account_id: UUID, device_id: UUID, now: datetime) -> None:
    """Sign a device out, take it off the list, and free its place in the plan. Raises DeviceNotFound."""
    with transaction.atomic():
        device = _locked(account_id, device_id)
        if device.session_id is not None:
            sessions.end(account_id=account_id, only=[device.session_id], now=now)
        device.registrations.filter(ended_at__isnull=True).update(ended_at=now)
        Device.objects.filter(pk=device.pk).delete()


def register_for_playback(*, device_id: UUID, limits: rules.DeviceLimits, now: datetime) -> None:
    """Let a device take a place in its account's plan, unless it has one.

    A device that has a place keeps it, also when the plan now has fewer. A new one gets a place while the
    number registered is under the cap, and under that of its kind. It swaps when the place is one that
    another device gave up within the last 30 days, and swaps are counted.

    Raises DeviceNotFound and DeviceNotRegistered, which says who holds the places and when the next swap
    is allowed.
    """
    with transaction.atomic():
        known = Device.objects.filter(pk=device_id).values_list("account_id", flat=True).first()
        if known is None:
            raise DeviceNotFound
        device = _locked(known, device_id)
        taken = list(DeviceRegistration.objects.filter(account_id=known).select_related("device"))
        if any(each.device_id == device.pk and each.ended_at is None for each in taken):
            return
        places = [rules.Place(each.kind, each.registered_at, each.ended_at, each.is_swap) for each in taken]
        ruling = rules.rule_on_place(device.kind, places, limits, now)
        if ruling.refusal is not None:
            raise DeviceNotRegistered(
                reason=ruling.refusal,
                registered=[_told(each) for each in taken if each.ended_at is None],
                next_swap_at=ruling.next_swap_at.isoformat() if ruling.next_swap_at else None,
            )
        DeviceRegistration.objects.create(
            account_id=known, device=device, kind=device.kind, is_swap=ruling.is_swap, registered_at=now
        )


def forget_old_registrations(*, now: datetime) -> int:
    """Delete places given up so long ago that they count for nothing; answers how many."""
    long_ago = now - rules.SWAP_PERIOD
    return DeviceRegistration.objects.filter(ended_at__lt=long_ago, registered_at__lt=long_ago).delete()[0]


def _locked(account_id: UUID, device_id: UUID) -> Device:
    User.objects.locked().get(pk=account_id)
    try:
        return Device.objects.locked().get(pk=device_id, account_id=account_id)
    except Device.DoesNotExist:
        raise DeviceNotFound from None


def hash_client(kind: str, client_id: str) -> str:
    """Answer what is stored of an app's stable id; one id is another device on a phone than on a television."""
    return hashlib.sha256(f"{kind}:{client_id}".encode()).hexdigest()


def _bind(account_id: UUID, session: UserSession, *, client_hash: str, kind: str, name: str, now: datetime) -> Device:
    present = Device.objects.locked().filter(session=session).first()
    device = Device.objects.locked().filter(account_id=account_id, client_hash=client_hash).first()
    if device is None:
        device = present or Device(account_id=account_id, created_at=now)
    elif present is not None:
        present.session = None
        present.save(update_fields=["session"])
        Device.objects.left_over().filter(pk=present.pk).delete()
    if device.session_id not in {None, session.pk}:
        sessions.end(account_id=account_id, only=[device.session_id], now=now)
    device.session, device.client_hash, device.kind = session, client_hash, kind
    device.name = name or device.name
    device.place = device.place or (present.place if present else "")
    device.last_seen_at = now
    device.save()
    sessions.set_lifetime(session_key=session.session_key, kind=kind)
    sessions.forget(account_id=account_id)
    return device


def _told(registration: DeviceRegistration) -> dict[str, Any]:
    device = registration.device
    assert device is not None, "a place that is held has its device: see the constraint"
    return {
        "id": str(device.pk),
        "name": device.name,
        "kind": device.kind,
        "registered_at": registration.registered_at.isoformat(),
        "last_seen_at": device.last_seen_at.isoformat(),
    }
