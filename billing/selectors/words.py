"""How amounts, days and places are written for people: in the language at hand, by the customer's calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_interval
from babel.numbers import format_percent
from django.utils.translation import get_language, gettext, to_locale

from billing.models import Invoice, PaymentMethod
from core import money
from core.money import Money


class Words:
    """Writes what an invoice says, in its currency and the zone of its subscription."""

    def __init__(self, invoice: Invoice) -> None:
        self.language = get_language() or "en"
        self._locale = Locale.parse(to_locale(self.language))
        self._currency, self._zone = (
            invoice.currency,
            ZoneInfo(invoice.subscription.billing_tz if invoice.subscription else "UTC"),
        )

    def amount(self, amount: int) -> str:
        """Write minor units."""
        return money.format(Money(amount, self._currency), self.language)

    def day(self, moment: datetime) -> str:
        """Write the local day of an instant."""
        return self.local(moment.astimezone(self._zone).date())

    def local(self, day: date) -> str:
        """Write a day."""
        return str(format_date(day, "long", self._locale))

    def period(self, start: date | None, end: date | None) -> str:
        """Write `[start, end)` with its last day; nothing where there are no days."""
        if start is None or end is None:
            return ""
        return str(format_interval(start, max(start, end - timedelta(days=1)), "yMMMd", locale=self._locale))

    def rate(self, rate: Decimal | None) -> str:
        """Write a share of one as percent, with all of its digits."""
        return "" if rate is None else str(format_percent(rate, locale=self._locale, decimal_quantization=False))

    def territory(self, code: str) -> str:
        """Name a country; a part of one by its code behind it: Spain (CN)."""
        country, _, part = code.partition("-")
        name = str(self._locale.territories.get(country, country))
        return f"{name} ({part})" if part else name


def card(method: PaymentMethod) -> str:
    """Name a card as its holder knows it; one that was stripped at an erasure is a card and no more."""
    return f"{method.brand.title()} •••• {method.last4}" if method.last4 else gettext("card")
