"""PINs of a household: one that guards its limits, and one for each profile that wants it."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from accounts.models.profiles import Profile
from accounts.models.users import User


class PinQuerySet(models.QuerySet["Pin"]):
    """Questions about PINs."""

    def master(self) -> Self:
        """Those that guard a household's limits."""
        return self.filter(profile__isnull=True)


class Pin(models.Model):
    """The hash of a PIN, and the wrong ones that were tried. It is never read into a cache and never answered.

    Whoever tries or changes one holds the lock of the account's row.
    """

    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="pins")
    profile = models.OneToOneField(Profile, on_delete=models.CASCADE, null=True, related_name="pin")
    """Whose door it is; None: the master PIN."""
    hash = models.CharField(max_length=128)
    """As Django stores passwords (argon2)."""
    wrong_tries = models.PositiveSmallIntegerField(default=0)
    """In a row, since a right one."""
    locked_until = models.DateTimeField(null=True)
    """No PIN is tried before, not even the right one; None: at once."""
    changed_at = models.DateTimeField()

    objects = PinQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two master PINs would each open what the other guards.
            models.UniqueConstraint(
                fields=["account"], name="pin_one_master_an_account", condition=Q(profile__isnull=True)
            ),
        ]
