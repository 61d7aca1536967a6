"""Requests that must count once, and how each was answered.

A row lives for a day. What a request caused (its intent) lives in the app's own table, under the
unique `request_key` that `core.idempotency` derives, and that is what keeps a retry from counting
twice; this table tells a retry whether the first request is still at work, and what it was answered.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact


class IdempotencyKey(models.Model):
    """A client's key for one operation of one account."""

    # made of account, operation and key: the key itself is not kept
    id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    # SHA-256 of the canonical body
    fingerprint = models.BinaryField(max_length=32)
    # the execution that may answer it
    holder = models.UUIDField()
    # until then another request with the key is told that this one is at work
    leased_until = models.DateTimeField()
    expires_at = models.DateTimeField()
    # the final answer; empty while there is none
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(null=True)
    # empty when the answer holds secrets: it is then made again from the intent
    body = models.BinaryField(null=True)

    class Meta:
        constraints = [
            # Something shorter would not tell one body from another.
            models.CheckConstraint(
                condition=Exact(Length("fingerprint"), 32), name="idempotencykey_fingerprint_is_sha256"
            ),
            # A passing failure that would be replayed for a day.
            models.CheckConstraint(
                condition=Q(status__isnull=True) | (Q(status__range=(200, 499)) & ~Q(status=429)),
                name="idempotencykey_answer_is_final",
            ),
            # An answer without a status, or a status without its headers.
            models.CheckConstraint(
                condition=Q(status__isnull=True, headers__isnull=True, body__isnull=True)
                | Q(status__isnull=False, headers__isnull=False),
                name="idempotencykey_answer_is_whole",
            ),
            # A lease that outlives its row would be forgotten while it holds.
            models.CheckConstraint(
                condition=Q(expires_at__gte=F("leased_until")), name="idempotencykey_outlives_its_lease"
            ),
        ]
        indexes = [
            # the purge
            models.Index(fields=["expires_at"], name="idempotencykey_expires"),
            # an account's erasure
            models.Index(fields=["account_id"], name="idempotencykey_account"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.status or 'no answer yet'}"
