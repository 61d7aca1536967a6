"""Access that nobody pays for: given by staff, for a time, with its reason."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models.plans import Plan
from core.ids import new_id


class AccessGrantQuerySet(models.QuerySet["AccessGrant"]):
    """Questions about grants, and their lock."""

    def ahead(self, now: datetime) -> AccessGrantQuerySet:
        """Those that give access now or will."""
        return self.filter(ends_at__gt=now, revoked_at=None)

    def locked(self) -> AccessGrantQuerySet:
        return self.order_by("pk").select_for_update(of=("self",))


class AccessGrant(models.Model):
    """A plan for an account from `starts_at` up to, and without, `ends_at`. Never edited: revoked and given anew."""

    class Kind(models.TextChoices):
        COMPLIMENTARY = "complimentary", _("complimentary")
        PARTNER = "partner", _("partner")
        PRESS = "press", _("press")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="access_grants")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=13, choices=Kind.choices)
    reason = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    granted_by = models.CharField(max_length=100)
    granted_at = models.DateTimeField()
    revoked_by = models.CharField(max_length=100, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AccessGrantQuerySet.as_manager()

    class Meta:
        permissions = [
            ("grant_access", "Can give an account access without payment"),
            ("revoke_access", "Can end access that was given"),
        ]
        constraints = [
            # Nothing is given for ever by leaving a field empty, nor for less than no time.
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="access_grant_lasts"),
            models.CheckConstraint(
                condition=Q(revoked_at=None, revoked_by="") | (Q(revoked_at__isnull=False) & ~Q(revoked_by="")),
                name="access_grant_revoked_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        values = {"kind": self.get_kind_display(), "day": f"{self.ends_at:%Y-%m-%d}"}
        return gettext("%(kind)s until %(day)s") % values
