"""Telling customers of an unpaid renewal: one mail at each step, in their language.

The mail is a row of the same transaction as what it tells of, so that none tells of what did not happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.utils.translation import to_locale

from accounts.services import mails
from billing import rules
from billing.models import Invoice, PaymentAttempt, Subscription
from core import money
from core.money import Money

USEFUL_FOR = timedelta(days=3)
LINK_LIVES = timedelta(days=rules.CANCEL_DAYS)
_SALT = "billing.pay"


class Step(StrEnum):
    """What a mail tells; also the name of its template."""

    FAILED = "payment_failed"  # will be tried again by itself
    CARD_NEEDED = "card_needed"
    AUTHENTICATION_NEEDED = "authentication_needed"
    ON_HOLD = "on_hold"
    ENDED = "ended_unpaid"
    TRIAL_ENDED = "trial_ended"


@dataclass(frozen=True)
class Notice:
    """One mail to be written."""

    step: Step
    subscription: Subscription
    invoice: Invoice | None = None
    attempt: PaymentAttempt | None = None


def notice_of_failure(
    invoice: Invoice,
    attempt: PaymentAttempt | None,
    subscription: Subscription,
    declined: rules.DeclineClass,
    *,
    now: datetime,
) -> Notice:
    """Answer what to tell of a charge that did not go through."""
    match declined:
        case rules.DeclineClass.AUTHENTICATION:
            step = Step.AUTHENTICATION_NEEDED
        case rules.DeclineClass.SOFT if subscription.next_step == rules.Step.RETRY:
            step = Step.FAILED
        case _:
            step = Step.CARD_NEEDED
    return Notice(step, subscription, invoice, attempt)


def write_mails(notices: Sequence[Notice], *, now: datetime) -> None:
    """Queue the mails of a transaction, in its own."""
    if not notices:
        return
    accounts = get_user_model().objects.in_bulk({notice.subscription.account_id for notice in notices})
    for notice in notices:
        account = accounts[notice.subscription.account_id]
        mails.enqueue(
            template=f"billing/email/{notice.step}",
            address=account.email,
            language=account.language,
            context=_context(notice, language=account.language),
            useful_for=USEFUL_FOR,
            now=now,
        )


def _context(notice: Notice, *, language: str) -> dict[str, Any]:
    subscription = notice.subscription
    first_failed_at = subscription.first_failed_at or subscription.created_at
    grace_ends = first_failed_at + timedelta(days=rules.GRACE_DAYS)
    zone = ZoneInfo(subscription.billing_tz)

    def written(moment: datetime) -> str:
        return str(format_date(moment.astimezone(zone).date(), locale=to_locale(language)))

    context: dict[str, Any] = {
        "grace_ends": written(grace_ends),
        "ends": written(rules.after_hold(first_failed_at=first_failed_at)[1]),
        "can_watch": subscription.status == rules.Status.PAST_DUE,
        "is_declined": notice.attempt is not None,
    }
    if notice.invoice is not None:
        amount = Money(notice.invoice.due, notice.invoice.currency)
        context |= {"number": notice.invoice.number, "amount": money.format(amount, language)}
    if subscription.next_bill_at is not None:
        context["next_try"] = written(subscription.next_bill_at)
    if notice.step is Step.AUTHENTICATION_NEEDED and notice.attempt is not None:
        context["pay_url"] = pay_url(notice.attempt.pk)
    return context


def pay_url(attempt_id: UUID) -> str:
    """Answer the address at which a customer authenticates a payment; it says nothing to who guesses."""
    return f"{settings.PUBLIC_URL}/pay/{signing.dumps(str(attempt_id), salt=_SALT)}"


def attempt_of(token: str) -> UUID | None:
    """Answer the attempt of a link that is ours and not too old."""
    try:
        return UUID(signing.loads(token, salt=_SALT, max_age=LINK_LIVES))
    except signing.BadSignature:
        return None
