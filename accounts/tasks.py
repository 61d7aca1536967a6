"""Celery shells: read the clock, make one call."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import shared_task
from celery.contrib.django.task import DjangoTask

from accounts import selectors
from accounts.services import audit, devices, mails, sessions, televisions
from core.clock import now

SWEEP = 500
"""Mails picked up in one sweep; the rest waits for the next."""


@shared_task(base=DjangoTask)
def deliver_mail(*, mail_id: str, **_: Any) -> None:
    """Send one mail."""
    mails.deliver(mail_id=UUID(mail_id), now=now())


@shared_task
def deliver_due_mail(**_: Any) -> None:
    """Hand out mail whose first message was lost, or that failed and may be tried again."""
    for mail_id in selectors.due_mail(now=now(), limit=SWEEP):
        deliver_mail.delay(mail_id=str(mail_id))


@shared_task
def purge(**_: Any) -> None:
    """Delete what has run out: old mail, ended sessions."""
    mails.purge(now=now())
    sessions.purge(now=now())
    televisions.purge(now=now())
    devices.forget_old_registrations(now=now())
    audit.purge(now=now())
