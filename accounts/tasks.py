"""Celery shells: read the clock, make one call."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import shared_task
from celery.contrib.django.task import DjangoTask

from accounts import selectors
from accounts.services import (
    accounts,
    audit,
    deletions,
    devices,
    exports,
    mails,
    recoveries,
    sessions,
    televisions,
    transfers,
)
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


# Shorter than the lease, so that never two workers write one archive.
@shared_task(base=DjangoTask, soft_time_limit=1_500, time_limit=1_560)
def build_export(*, export_id: str, **_: Any) -> None:
    """Make one archive of a person's data."""
    if exports.build(export_id=UUID(export_id), now=now()):
        deliver_due_mail.delay()


@shared_task
def build_due_exports(**_: Any) -> None:
    """Hand out exports whose first message was lost, or whose worker was killed."""
    for export_id in selectors.due_exports(now=now(), limit=SWEEP):
        build_export.delay(export_id=str(export_id))


@shared_task(soft_time_limit=480, time_limit=540)
def erase_account(*, deletion_id: str, **_: Any) -> None:
    """Erase one account whose grace is over."""
    if deletions.carry_out(deletion_id=UUID(deletion_id), now=now()):
        deliver_due_mail.delay()


@shared_task
def erase_due_accounts(**_: Any) -> None:
    """Hand out the erasures that are due."""
    for deletion_id in selectors.due_deletions(now=now(), limit=SWEEP):
        erase_account.delay(deletion_id=str(deletion_id))


@shared_task
def mail_recovery_codes(**_: Any) -> None:
    """Mail the codes of recoveries whose delay is over."""
    due = selectors.recoveries_awaiting_code(now=now(), limit=SWEEP)
    for recovery_id in due:
        recoveries.mail_code(recovery_id=recovery_id, now=now())
    if due:
        deliver_due_mail.delay()


@shared_task
def expire_profile_offers(**_: Any) -> None:
    """End offers of profiles that nobody answered in time."""
    due = selectors.due_transfers(now=now(), limit=SWEEP)
    for transfer_id in due:
        transfers.expire(transfer_id=transfer_id, now=now())
    if due:
        deliver_due_mail.delay()


@shared_task
def purge(**_: Any) -> None:
    """Delete what has run out: old mail, ended sessions, unfinished sign-ups, archives of data, ended transfers."""
    mails.purge(now=now())
    sessions.purge(now=now())
    accounts.purge_unfinished(now=now())
    televisions.purge(now=now())
    devices.forget_old_registrations(now=now())
    audit.purge(now=now())
    exports.purge(now=now())
    transfers.purge(now=now())
