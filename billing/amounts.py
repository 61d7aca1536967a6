"""Billing's arithmetic: tax, discounts, proration, refunds. Pure; amounts are integer minor units.

Each line is an exact fraction that is rounded once, half up on the magnitude; totals are sums of rounded
lines and never rounded themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from core.money import round_half_up


def share(amount: int, part: int, whole: int) -> int:
    """Answer `part` of `whole` days of an amount."""
    return round_half_up(Fraction(amount * part, whole))


# ---------------------------------------------------------------- tax


@dataclass(frozen=True)
class Taxed:
    """An amount with its tax apart."""

    net: int
    tax: int

    @property
    def gross(self) -> int:
        return self.net + self.tax


def with_tax(amount: int, rate: Fraction, *, inclusive: bool) -> Taxed:
    """Split an amount that contains the tax, or add the tax to one that does not.

    Inclusive: the net is rounded and the tax is what remains (299 at 4 % is 288 + 11, not 287 + 12).
    """
    if not rate:
        return Taxed(amount, 0)
    if inclusive:
        net = round_half_up(Fraction(amount) / (1 + rate))
        return Taxed(net, amount - net)
    return Taxed(amount, round_half_up(amount * rate))


# ---------------------------------------------------------------- discounts


def discount(amount: int, *, percent: Fraction | None = None, fixed: int | None = None) -> int:
    """Answer what a coupon takes off an amount: never more than there is."""
    off = round_half_up(amount * percent / 100) if percent is not None else fixed or 0
    return max(0, min(amount, off))


# ---------------------------------------------------------------- changes in mid-period


@dataclass(frozen=True)
class Paid:
    """A line that covers days still to come: what it cost, for which days, and what was credited of it."""

    amount: int
    start: date
    end: date
    credited: int = 0

    @property
    def days(self) -> int:
        return (self.end - self.start).days


def unused(paid: Paid, *, on: date) -> int:
    """Answer what the days from `on` are worth; the day of the change belongs to what follows.

    Never more than was paid and not credited before.
    """
    remaining = (paid.end - max(on, paid.start)).days
    return min(share(paid.amount, remaining, paid.days), paid.amount - paid.credited)


@dataclass(frozen=True)
class Change:
    """What an upgrade now costs: credits for what is unused (not positive), and the debit."""

    credits: tuple[int, ...]
    debit: int

    @property
    def net(self) -> int:
        return sum(self.credits) + self.debit


def change(lines: Sequence[Paid], *, price: int, start: date, end: date, on: date) -> Change:
    """Price a change on a day of the period `[start, end)` to a plan that costs `price` for all of it."""
    return Change(tuple(-unused(paid, on=on) for paid in lines), share(price, (end - on).days, (end - start).days))


# ---------------------------------------------------------------- refunds


def refund_parts(line: Taxed, *, refunded: Taxed, amount: int) -> Taxed:
    """Split a refund of `amount` gross into net and tax; the last one takes what remains of both."""
    left = Taxed(line.net - refunded.net, line.tax - refunded.tax)
    if amount >= left.gross:
        return left
    net = round_half_up(Fraction(amount * line.net, line.gross))
    return Taxed(net, amount - net)


def unused_parts(line: Taxed, *, remaining: int, days: int) -> Taxed:
    """Answer a prorated credit note: net and tax rounded apart, their sum not rounded again."""
    return Taxed(share(line.net, remaining, days), share(line.tax, remaining, days))


# ---------------------------------------------------------------- the gateway's edges

MINIMUM_CHARGE = {
    "AED": 200,
    "BGN": 100,
    "CZK": 1500,
    "DKK": 250,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "THB": 1000,
}
"""In minor units (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts)."""
SMALLEST_ELSEWHERE = 50
"""Of USD, EUR, JPY and those that have none of their own."""


def minimum_charge(currency: str) -> int:
    """Answer the smallest amount that the gateway charges."""
    return MINIMUM_CHARGE.get(currency, SMALLEST_ELSEWHERE)


def below_minimum(amount: int, currency: str) -> bool:
    """Answer whether an amount owed is too small to be charged."""
    return 0 < amount < minimum_charge(currency)


# ---------------------------------------------------------------- means of payment


@dataclass(frozen=True)
class Tender:
    """How an invoice is paid: what it takes of each balance, what is charged, and what its successor will owe.

    `uses` are in the order of the balances; those of debts are negative.
    """

    uses: tuple[int, ...]
    due: int
    carried: int = 0

    @property
    def applied(self) -> int:
        """What the balances pay, the part that is carried on included; negative if more was owed than was there."""
        return sum(self.uses) + self.carried

    @property
    def credit(self) -> int:
        """What gifts and credit pay."""
        return sum(use for use in self.uses if use > 0)

    @property
    def debts(self) -> int:
        """What was owed from before and is added."""
        return -sum(use for use in self.uses if use < 0)


def tender(total: int, balances: Sequence[int], *, currency: str) -> Tender:
    """Pay `total` from balances, oldest first; negative ones are debts, which are added to it.

    What remains is charged. Too little to be charged, it is carried to the next invoice.
    """
    owed = total - sum(balance for balance in balances if balance < 0)
    uses = []
    for balance in balances:
        use = balance if balance < 0 else min(balance, owed)
        uses.append(use)
        owed -= max(use, 0)
    return Tender(tuple(uses), 0, owed) if below_minimum(owed, currency) else Tender(tuple(uses), owed)
