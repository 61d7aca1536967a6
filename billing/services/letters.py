"""Mails about a subscription, one or thousands, in each customer's language.

A letter is queued in the transaction that writes what it tells of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.contrib.auth import get_user_model
from django.utils.translation import to_locale

from accounts.services import mails
from billing.models import Subscription
from core import money
from core.money import Money

USEFUL_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Letter:
    """One mail to be written by a template of `billing/email`; values are written as people of its language write them.

    An instant is told as the day that it is in the subscription's zone.
    """

    template: str
    subscription: Subscription
    values: Mapping[str, Money | datetime | date | str | int] = field(default_factory=dict)


def write(letters: Sequence[Letter], *, now: datetime) -> None:
    """Queue letters, in the caller's transaction."""
    if not letters:
        return
    accounts = get_user_model().objects.in_bulk({letter.subscription.account_id for letter in letters})
    for letter in letters:
        account = accounts[letter.subscription.account_id]
        zone = ZoneInfo(letter.subscription.billing_tz)
        mails.enqueue(
            template=f"billing/email/{letter.template}",
            address=account.email,
            language=account.language,
            context={name: _written(value, account.language, zone) for name, value in letter.values.items()},
            useful_for=USEFUL_FOR,
            now=now,
        )


def _written(value: Money | datetime | date | str | int, language: str, zone: ZoneInfo) -> str | int:
    match value:
        case Money():
            return str(money.format(value, language))
        case datetime():
            return str(format_date(value.astimezone(zone).date(), locale=to_locale(language)))
        case date():
            return str(format_date(value, locale=to_locale(language)))
        case _:
            return value
