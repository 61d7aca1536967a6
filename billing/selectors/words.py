"""How amounts, days and places are written for people: in the language at hand, by the customer's calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_interval
from babel.numbers import format_percent
from django.utils.translation import get_language, gettext, to_locale

from billing.models import Invoice, InvoiceLine, PaymentMethod
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
        return period(start, end)

    def rate(self, rate: Decimal | None) -> str:
        """Write a share of one as percent, with all of its digits."""
        return "" if rate is None else percent(rate)

    def territory(self, code: str) -> str:
        """Name a country; a part of one by its code behind it: Spain (CN)."""
        country, _, part = code.partition("-")
        name = str(self._locale.territories.get(country, country))
        return f"{name} ({part})" if part else name


def percent(rate: Decimal) -> str:
    """Write a share of one as percent, with all of its digits."""
    return str(format_percent(rate, locale=to_locale(get_language() or "en"), decimal_quantization=False))


def period(start: date | None, end: date | None) -> str:
    """Write `[start, end)` with its last day; nothing where there are no days."""
    if start is None or end is None:
        return ""
    locale = Locale.parse(to_locale(get_language() or "en"))
    return str(format_interval(start, max(start, end - timedelta(days=1)), "yMMMd", locale=locale))


def title(kind: str, plan: str, otherwise: str) -> str:
    """Name what a line is for; one without a plan is called as it was `otherwise`."""
    match kind:
        case InvoiceLine.Kind.PLAN:
            return plan or otherwise
        case InvoiceLine.Kind.UNUSED:
            return gettext("%(plan)s, what is unused") % {"plan": plan or otherwise}
        case InvoiceLine.Kind.TAKEN_BACK:
            return gettext("%(plan)s, credit taken back") % {"plan": plan or otherwise}
        case InvoiceLine.Kind.GIFT:
            return gettext("Gift")
        case _:
            return otherwise


def description(line: InvoiceLine) -> str:
    """Say what a line is for, and for which days; its price and plan are read with it."""
    return described(
        line.kind, line.price.plan.name if line.price else "", line.description, line.service_start, line.service_end
    )


def described(kind: str, plan: str, otherwise: str, start: date | None, end: date | None) -> str:
    """Say what something is for, and for which days."""
    return ", ".join(filter(None, (title(kind, plan, otherwise), period(start, end))))


def card(method: PaymentMethod) -> str:
    """Name a card as its holder knows it; one that was stripped at an erasure is a card and no more."""
    return f"{method.brand.title()} •••• {method.last4}" if method.last4 else gettext("card")
