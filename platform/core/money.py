"""Money: whole minor units with their currency, exact until the one rounding that is asked for.

An amount of 1599 is 15.99 in EUR, 1,599 in JPY and 1.599 in KWD: how many digits follow the point
is the currency's exponent (ISO 4217). Nothing here reads text; people's input is validated where it
enters, in minor units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from types import MappingProxyType

import moneyed
from babel import Locale
from babel.numbers import get_currency_precision, parse_pattern
from django.utils.translation import get_language, to_locale

# What py-moneyed 3.0 lacks of ISO 4217 (list one, as published 2026-01-01).
_EXPONENTS_MISSING_FROM_MONEYED = {"XAD": 2, "XCG": 2, "ZWG": 2}

# ISO 4217 gives these a code and no minor unit: metals, units of account, tests, "no currency".
_WITHOUT_MINOR_UNIT = frozenset(
    {"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"}
)


def _exponents() -> Mapping[str, int]:
    # CLDR's digits will not do: they say how a currency is commonly shown (RSD 0), not what its
    # minor unit is (RSD 2). Withdrawn currencies stay, since old invoices are in them.
    exponents = {code: len(str(currency.sub_unit)) - 1 for code, currency in moneyed.CURRENCIES.items()}
    exponents |= _EXPONENTS_MISSING_FROM_MONEYED
    return MappingProxyType({code: exponents[code] for code in sorted(exponents.keys() - _WITHOUT_MINOR_UNIT)})


EXPONENTS = _exponents()
"""Every currency that money can be in, with its exponent."""

_LARGEST = 2**63 - 1


class UnknownCurrency(ValueError):
    """The code is no ISO 4217 currency that has a minor unit."""

    def __init__(self, currency: object) -> None:
        super().__init__(f"{currency!r} is no ISO 4217 currency code, such as 'EUR'.")


class MixedCurrencies(ValueError):
    """Two amounts in different currencies cannot be added or compared."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"Amounts in {left} and {right} cannot be combined.")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of a currency; negative for what is owed back.

    Raises TypeError if the amount is no int, ValueError if it does not fit the 64 bits that the
    database keeps for it, UnknownCurrency if the currency is unknown. Equality never raises: amounts
    in different currencies are unequal, zeros included.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError(f"An amount is an int of minor units, not {self.amount!r}.")
        if abs(self.amount) > _LARGEST:
            raise ValueError(f"The amount {self.amount} does not fit 64 bits.")
        exponent(self.currency)

    def __add__(self, other: Money) -> Money:
        """Add in one currency; raises MixedCurrencies."""
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.amount + self._comparable(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract in one currency; raises MixedCurrencies."""
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.amount - self._comparable(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.amount), self.currency)

    def __mul__(self, factor: int | Fraction) -> Money:
        """Multiply exactly and round once, half up on the magnitude; a float is refused."""
        if not isinstance(factor, Rational):
            return NotImplemented
        return Money(round_half_up(self.amount * Fraction(factor)), self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        """Compare in one currency; raises MixedCurrencies."""
        if not isinstance(other, Money):
            return NotImplemented
        return self.amount < self._comparable(other)

    def __le__(self, other: Money) -> bool:
        """Compare in one currency; raises MixedCurrencies."""
        if not isinstance(other, Money):
            return NotImplemented
        return self.amount <= self._comparable(other)

    def __str__(self) -> str:
        """Answer a form for logs, such as `15.99 EUR`; people read `format` and `shown`."""
        return f"{self.major:f} {self.currency}"

    @property
    def major(self) -> Decimal:
        """The amount in major units, exactly, with as many digits as the currency has."""
        digits = tuple(int(digit) for digit in str(abs(self.amount)))
        return Decimal((int(self.amount < 0), digits, -exponent(self.currency)))

    def _comparable(self, other: Money) -> int:
        if other.currency != self.currency:
            raise MixedCurrencies(self.currency, other.currency)
        return other.amount


def exponent(currency: str) -> int:
    """Answer how many digits the minor unit has: JPY 0, USD 2, KWD 3; raises UnknownCurrency."""
    try:
        return EXPONENTS[currency]
    except (KeyError, TypeError):
        raise UnknownCurrency(currency) from None


def round_half_up(value: Fraction) -> int:
    """Round to a whole number, halves away from zero: 774.5 is 775, -774.5 is -775."""
    doubled = 2 * abs(value.numerator) + value.denominator
    magnitude = doubled // (2 * value.denominator)
    return -magnitude if value.numerator < 0 else magnitude


def format(money: Money, locale: str) -> str:  # noqa: A001 - called as money.format
    """Write an amount as people of a locale do (CLDR): `$12.90`, `12,90 €`.

    `locale` is a language tag as Django names them (`de`, `de-at`, `pt-br`); an unknown one raises
    babel's UnknownLocaleError. Where custom drops the minor unit (RSD 1,299), it is still shown if
    the amount has one (RSD 1,299.50), so that what is written is what is charged.
    """
    cldr = Locale.parse(to_locale(locale))
    exact = exponent(money.currency)
    customary = min(get_currency_precision(money.currency), exact)
    hidden = money.amount % 10 ** (exact - customary)
    digits = exact if hidden else customary
    pattern = parse_pattern(cldr.currency_formats["standard"].pattern)
    pattern.frac_prec = (digits, digits)
    written: str = pattern.apply(money.major, cldr, currency=money.currency, currency_digits=False)
    return written


def shown(money: Money) -> str:
    """Write an amount as people of the language at hand do."""
    return format(money, get_language() or "en")
