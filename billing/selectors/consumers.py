"""What the law of a place gives a subscriber, and what a buyer agrees to there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from billing.models import ConsumerLaw, LegalDocument, Subscription
from billing.rules import to_instant


class Laws:
    """The law of some countries, read once."""

    def __init__(self, countries: Collection[str]) -> None:
        found = {law.country: law for law in ConsumerLaw.objects.filter(country__in={"", *countries})}
        self._elsewhere = found.get("", ConsumerLaw())
        self._found = found

    def of(self, country: str) -> ConsumerLaw:
        """Answer the law of a country, or what holds where there is none of its own."""
        return self._found.get(country, self._elsewhere)


def law_of(country: str) -> ConsumerLaw:
    """Answer the law of one country."""
    return Laws({country}).of(country)


def withdrawal_ends(subscription: Subscription, law: ConsumerLaw) -> datetime | None:
    """Answer until when a contract can be withdrawn from: the end of the last of the days after that of buying."""
    if not law.withdrawal_days:
        return None
    zone = ZoneInfo(subscription.billing_tz)
    bought: date = subscription.created_at.astimezone(zone).date()
    return to_instant(bought + timedelta(days=law.withdrawal_days + 1), time(), zone)


def documents_for(*, country: str) -> QuerySet[LegalDocument]:
    """Answer the current documents of a country; of each kind its own, or the one for everywhere."""
    current = LegalDocument.objects.current().filter(country__in={country, ""})
    own = current.filter(country=country).exclude(country="").values("kind")
    return current.exclude(country="", kind__in=own).order_by("kind")
