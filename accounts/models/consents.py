"""What people agreed to, what mail they want, and which addresses get none.

A consent is evidence: of a version of a document, at a time, from a place. It is withdrawn and never removed, but
for an erasure. Suppressed addresses are kept as digests, which tell nobody whose they are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts import rules
from accounts.models.users import User
from core.ids import new_id


class PolicyDocumentQuerySet(models.QuerySet["PolicyDocument"]):
    """Questions about documents."""

    def current(self, now: datetime) -> Self:
        """The version of each kind that holds now."""
        return self.filter(effective_at__lte=now).order_by("kind", "-effective_at").distinct("kind")


class PolicyDocument(models.Model):
    """A version of what people are asked to agree to. Never changed once somebody did: a new text is a new version."""

    class Kind(models.TextChoices):
        """What it is about."""

        TERMS = "terms", _("terms of use")
        PRIVACY = "privacy", _("privacy notice")
        MARKETING = "marketing", _("news and offers by mail")

    REQUIRED = ("terms", "privacy")
    """Nobody has an account without having agreed to these."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=12, choices=Kind)
    version = models.CharField(max_length=20)
    """What people call it: "2026-01"."""
    url = models.URLField(max_length=500)
    """Where the text is."""
    effective_at = models.DateTimeField()
    """From then on it is asked for, in place of the version before."""
    created_at = models.DateTimeField(editable=False)

    objects = PolicyDocumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="policy_document_version_unique"),
            # Two versions that begin at once would leave it to chance which one holds.
            models.UniqueConstraint(fields=["kind", "effective_at"], name="policy_document_begins_alone"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"

    @property
    def is_required(self) -> bool:
        """Whether nobody has an account without it."""
        return self.kind in self.REQUIRED


class Consent(models.Model):
    """That somebody agreed to a version, when and from where."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consents", editable=False)
    document = models.ForeignKey(
        PolicyDocument, on_delete=models.PROTECT, related_name="consents", db_index=False, editable=False
    )
    given_at = models.DateTimeField(editable=False)
    address = models.GenericIPAddressField(null=True, editable=False)
    place = models.CharField(max_length=120, blank=True, editable=False)
    user_agent = models.CharField(max_length=200, blank=True, editable=False)
    withdrawn_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            # Agreed to twice is agreed to once, until it is withdrawn.
            models.UniqueConstraint(
                fields=["account", "document"],
                condition=Q(withdrawn_at__isnull=True),
                name="account_consent_given_once",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | Q(withdrawn_at__gte=models.F("given_at")),
                name="account_consent_is_withdrawn_after_it_is_given",
            ),
        ]
        indexes = [
            # Before a document is changed: did anybody agree to it?
            models.Index(fields=["document"], name="account_consent_of_document"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} at {self.given_at:%Y-%m-%d %H:%M}"


class MailPreference(models.Model):
    """Whether an account wants mail about a topic; without a row, as its consent to marketing says."""

    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mail_preferences", db_index=False)
    topic = models.CharField(max_length=20)
    wanted = models.BooleanField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "topic"], name="mail_preference_unique"),
            models.CheckConstraint(condition=Q(topic__in=rules.MAIL_TOPICS), name="mail_preference_topic_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}: {self.wanted}"


class SuppressedAddress(models.Model):
    """An address that mail does not reach, or whose reader complained of it."""

    class Reason(models.TextChoices):
        """What happened to our mail."""

        BOUNCE = "bounce", _("mail comes back")
        COMPLAINT = "complaint", _("its reader called it spam")

    address_hash = models.CharField(max_length=64, primary_key=True)
    """SHA-256 of the canonical address."""
    reason = models.CharField(max_length=9, choices=Reason)
    detail = models.CharField(max_length=200, blank=True)
    """What the other server said, without the address."""
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "suppressed addresses"

    def __str__(self) -> str:
        return f"{self.reason}: {self.address_hash[:12]}"
