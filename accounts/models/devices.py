"""Devices of a household: what is signed in, and what is registered to play.

A device is one entry of the list that people see: an app that says which device it runs on, or a browser.
It is signed in while it has a session. Being signed in is never limited; being registered is, by the plan.
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts import rules
from accounts.models.users import User
from core.ids import new_id


class DeviceQuerySet(models.QuerySet["Device"]):
    """Questions about devices."""

    def locked(self) -> Self:
        """Lock these devices until the transaction ends; the account's lock comes first."""
        return self.order_by("pk").select_for_update(of=("self",))

    def of_account(self, account_id: object) -> Self:
        """The devices of one household."""
        return self.filter(account_id=account_id)

    def listed(self) -> Self:
        """Devices that their owner sees: signed in, or holding a place."""
        held = DeviceRegistration.objects.filter(device=OuterRef("pk"), ended_at__isnull=True)
        return self.filter(Q(session__isnull=False) | Exists(held))

    def left_over(self) -> Self:
        """Devices that are neither signed in nor part of a registration's history."""
        return self.filter(session__isnull=True, registrations__isnull=True)


class Device(models.Model):
    """A device or browser of an account."""

    class Kind(models.TextChoices):
        """What it is; how long a sign-in lasts depends on it, see `rules.SESSION_LIFETIME`."""

        BROWSER = rules.BROWSER
        PHONE = rules.PHONE
        TABLET = rules.TABLET
        TELEVISION = rules.TELEVISION
        OTHER = rules.OTHER

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices", db_index=False)
    session = models.OneToOneField(
        "usersessions.UserSession", on_delete=models.SET_NULL, null=True, related_name="device"
    )
    """Its sign-in; none once it is signed out."""
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=rules.NAME_LENGTH, blank=True)
    """What people call it; empty until they, or the app, say so."""
    client_hash = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001 - unique where it is known
    """SHA-256 of the stable id that the app gave; none until it gave one."""
    place = models.CharField(max_length=120, blank=True)
    """Roughly where it was last seen, by its address: "Berlin, DE"."""
    created_at = models.DateTimeField(editable=False)
    last_seen_at = models.DateTimeField(editable=False)
    """At most five minutes behind: see `sessions.touch`."""

    objects = DeviceQuerySet.as_manager()

    class Meta:
        constraints = [
            # One app is one device, however often it signs in; also serves the list of an account's devices.
            models.UniqueConstraint(fields=["account", "client_hash"], name="device_client_unique_in_account"),
            models.CheckConstraint(condition=Q(kind__in=rules.DEVICE_KINDS), name="device_kind_is_known"),
        ]

    def __str__(self) -> str:
        return self.name or self.kind


class DeviceRegistration(models.Model):
    """A place of the plan that a device takes, or took. The history says how often places changed hands.

    Not for deciding who may sign in: signing in is never refused by a cap.
    """

    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="device_registrations")
    device = models.ForeignKey(Device, on_delete=models.SET_NULL, null=True, related_name="registrations")
    """None once its owner has removed the device; the place it took still counts as changed."""
    kind = models.CharField(max_length=12, choices=Device.Kind)
    is_swap = models.BooleanField()
    """Whether it took a place that another device had given up within the plan's period."""
    registered_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Two first playbacks at once take one place.
            models.UniqueConstraint(
                fields=["device"], condition=Q(ended_at__isnull=True), name="device_registered_once"
            ),
            # A place without its device could never be given up.
            models.CheckConstraint(
                condition=Q(device__isnull=False) | Q(ended_at__isnull=False), name="device_registration_has_a_device"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=models.F("registered_at")),
                name="device_registration_ends_after_it_begins",
            ),
        ]
