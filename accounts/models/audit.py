"""Who did what to an account, when, from where.

Appended to, never changed: the database refuses it. The one thing that is ever taken from an entry is what
tells of the person (address, place, program, detail), when the account is erased. Nothing decides by these rows.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models.users import User
from core.ids import new_id


class AuditEntry(models.Model):
    """One act upon one account."""

    class Act(models.TextChoices):
        """What was done."""

        SIGNED_UP = "signed_up"
        SIGNED_IN = "signed_in"
        SIGN_IN_FAILED = "sign_in_failed"
        SECOND_FACTOR_FAILED = "second_factor_failed"
        CODE_REJECTED = "code_rejected"
        PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an act
        PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of an act
        EMAIL_ADDED = "email_added"
        EMAIL_CHANGED = "email_changed"
        EMAIL_CONFIRMED = "email_confirmed"
        EMAIL_REMOVED = "email_removed"
        AUTHENTICATOR_ADDED = "authenticator_added"
        AUTHENTICATOR_REMOVED = "authenticator_removed"
        AUTHENTICATOR_RESET = "authenticator_reset"
        PIN_SET = "pin_set"
        PIN_REMOVED = "pin_removed"
        PIN_FAILED = "pin_failed"
        PROFILE_OFFERED = "profile_offered"
        PROFILE_OFFER_CANCELLED = "profile_offer_cancelled"
        PROFILE_OFFER_DECLINED = "profile_offer_declined"
        PROFILE_OFFER_EXPIRED = "profile_offer_expired"
        PROFILE_GIVEN = "profile_given"
        PROFILE_RECEIVED = "profile_received"
        EXPORT_REQUESTED = "export_requested"
        EXPORT_DOWNLOADED = "export_downloaded"
        DELETION_REQUESTED = "deletion_requested"
        DELETION_CANCELLED = "deletion_cancelled"
        ERASED = "erased"
        RECOVERY_REQUESTED = "recovery_requested"
        RECOVERY_CANCELLED = "recovery_cancelled"
        RECOVERY_FAILED = "recovery_failed"
        RECOVERED = "recovered"
        CONSENT_GIVEN = "consent_given"
        CONSENT_WITHDRAWN = "consent_withdrawn"
        STAFF_VIEWED = "staff_viewed"
        STAFF_CHANGED = "staff_changed"
        SUSPENDED = "suspended"
        UNSUSPENDED = "unsuspended"

    class Actor(models.TextChoices):
        """Whose act it was, as the account's owner is told; never which member of staff."""

        OWNER = "owner"
        STAFF = "staff"
        UNKNOWN = "unknown"
        """Somebody who did not prove to be the owner: a sign-in that failed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="audit_entries", db_index=False, editable=False
    )
    """None for a try to sign in with an address that no account has."""
    act = models.CharField(max_length=40, choices=Act.choices, editable=False)
    actor = models.CharField(max_length=8, choices=Actor.choices, editable=False)
    by_id = models.UUIDField(null=True, editable=False)
    """The user who acted, where that is known."""
    at = models.DateTimeField(editable=False)
    address = models.GenericIPAddressField(null=True, editable=False)
    place = models.CharField(max_length=120, blank=True, editable=False)
    """Roughly where that address is."""
    user_agent = models.CharField(max_length=200, blank=True, editable=False)
    """What the program called itself."""
    detail = models.JSONField(default=dict, editable=False)
    """Scalars by name: a reason, a kind of authenticator. Never a secret."""

    class Meta:
        constraints = [
            # An act of staff is somebody's.
            models.CheckConstraint(condition=~Q(actor="staff") | Q(by_id__isnull=False), name="audit_staff_is_named"),
        ]
        indexes = [
            # The pages of what happened to an account, newest first.
            models.Index(fields=["account", "-at", "-id"], name="audit_of_account"),
            # Staff read the newest of all; the purge finds the oldest.
            models.Index(fields=["-at", "-id"], name="audit_newest"),
        ]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.act} at {self.at:%Y-%m-%d %H:%M}"
