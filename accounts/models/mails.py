"""Mail on its way."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from accounts.models.users import User
from core.ids import new_id


class OutgoingEmailQuerySet(models.QuerySet["OutgoingEmail"]):
    """Questions about mail."""

    def due(self, now: datetime) -> Self:
        """Unsent mail whose next attempt has come."""
        return self.filter(sent_at__isnull=True, given_up_at__isnull=True, next_attempt_at__lte=now)


class OutgoingEmail(models.Model):
    """One mail to one address: the intent to send it, and what became of it.

    Rendered when it is sent. `context` may hold a one-time code until then, and is emptied once the
    mail is sent or given up: the row never outlives the secret's use.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    template = models.CharField(max_length=100)
    """Prefix of the templates: `<prefix>_subject.txt`, `_message.txt`, `_message.html`."""
    address = models.EmailField(db_index=True, blank=True)
    language = models.CharField(max_length=12)
    context = models.JSONField(default=dict)
    topic = models.CharField(max_length=20, blank=True, default="", db_default="")
    """What optional mail is about, see `rules.MAIL_TOPICS`; empty for what is not optional."""
    account = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    """Whose wish decides about optional mail."""
    forgets_address = models.BooleanField(default=False, db_default=False)
    """Whether the address goes too, once the mail is sent or given up: the last one to somebody who left."""
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    """Also the lease of who is sending it now."""
    useful_until = models.DateTimeField()
    """After this it is not worth sending: a code has run out."""
    last_error = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    objects = OutgoingEmailQuerySet.as_manager()

    class Meta:
        constraints = [
            # Optional mail is somebody's, who may leave it.
            models.CheckConstraint(
                condition=Q(topic="") | Q(account__isnull=False), name="outgoing_email_optional_is_somebodys"
            ),
            # A mail is sent or given up, not both, and then keeps no code.
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True)
                | (Q(context={}) & (Q(sent_at__isnull=True) | Q(given_up_at__isnull=True))),
                name="outgoing_email_ends_once",
            ),
        ]
        indexes = [
            # The minute's sweep for mail whose message to a worker was lost.
            models.Index(
                fields=["next_attempt_at"],
                name="outgoing_email_due",
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
            ),
            # The daily purge.
            models.Index(fields=["created_at"], name="outgoing_email_created"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.address}"
