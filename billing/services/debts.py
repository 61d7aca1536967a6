"""Debts of customers: what stands on a paid invoice in place of money, until another invoice charges it.

A debt is a negative grant of credit with two uses: the one of the invoice that it stands for, and that of the invoice
which collected it. Both come back together where the card that paid it gets the money again.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db.models import Sum

from billing import amounts
from billing.models import CreditGrant, CreditUse, Invoice
from core.errors import DomainError


class DebtInAnotherCurrency(DomainError):
    """Something is owed that an invoice of this currency would not charge; `amount` and `currency` say what."""

    code: ClassVar[str] = "debt_in_another_currency"
    title: ClassVar[str] = (
        "An amount in another currency is owed from before, which this purchase would not charge. Ask our support."
    )
    status: ClassVar[int] = 409


def check_currency(account_id: UUID, currency: str) -> None:
    """Raise DebtInAnotherCurrency where an account owes in a currency that its next invoices will not be in."""
    for other, amount in sorted(_owed(account_id).items()):
        if other != currency:
            raise DebtInAnotherCurrency(amount=amount, currency=other)


def is_owed(account_id: UUID, currency: str) -> bool:
    """Answer whether an account owes more in a currency than its credit there pays."""
    return currency in _owed(account_id)


def _owed(account_id: UUID) -> dict[str, int]:
    """Answer what is owed by currency, credit taken off; what is too little to be charged is not asked for."""
    balances = (
        CreditGrant.objects.of(account_id).exclude(remaining=0).values_list("currency").annotate(Sum("remaining"))
    )
    return {
        currency: -balance for currency, balance in balances.order_by() if -balance >= amounts.minimum_charge(currency)
    }


def new(
    invoice: Invoice, amount: int, *, kind: CreditGrant.Kind, source_key: str, by: str, now: datetime
) -> CreditGrant:
    """Answer an unsaved debt of a part of an invoice, which the next invoice takes."""
    return CreditGrant(
        account_id=invoice.account_id,
        kind=kind,
        currency=invoice.currency,
        amount=-amount,
        remaining=-amount,
        source_key=source_key,
        requested_by=by,
        created_at=now,
    )


def owe_again(invoice: Invoice, amount: int, *, cause: UUID, by: str, now: datetime) -> None:
    """Let a customer owe a part of a locked paid invoice, which was given back to the card; the next invoice takes it.

    It stands for what the card had paid, so that it comes back first if the invoice is given back too. `cause` is the
    refund; the caller books it.
    """
    debt = new(invoice, amount, kind=CreditGrant.Kind.OWED, source_key=f"owed:{cause}", by=by, now=now)
    debt.save(force_insert=True)
    CreditUse.objects.create(grant=debt, invoice=invoice, amount=amount, used_at=now)


def owe_no_more(invoice: Invoice, *, cause: UUID) -> None:
    """Forget what was owed again, for the card has paid after all; what was collected of it meanwhile becomes credit."""
    debt = CreditGrant.objects.locked().get(source_key=f"owed:{cause}")
    use = CreditUse.objects.get(grant=debt, invoice=invoice)
    debt.remaining += use.amount
    use.returned = use.amount
    debt.save(update_fields=["remaining"])
    use.save(update_fields=["returned"])


def forgivable(invoice: Invoice) -> int:
    """Answer what of an invoice is a debt that nobody has collected yet, in minor units."""
    uses = CreditUse.objects.select_related("grant").filter(
        invoice=invoice, grant__amount__lt=0, grant__remaining__lt=0
    )
    return sum(min(use.amount - use.returned, -use.grant.remaining) for use in uses if use.amount > use.returned)


def collected(invoice: Invoice) -> dict[UUID, int]:
    """Answer, by the paid invoice that charged it, what was collected of debts that stand for an invoice."""
    found: dict[UUID, int] = defaultdict(int)
    for standing, collecting in _collected(invoice.pk):
        found[collecting.invoice_id] += min(
            standing.amount - standing.returned, collecting.returned - collecting.amount
        )
    return {invoice_id: amount for invoice_id, amount in found.items() if amount > 0}


def uncollect(invoice: Invoice, collector: UUID, amount: int) -> None:
    """Let a debt neither stand for a locked invoice any more nor be charged with another: its card gets it back."""
    for standing, collecting in _collected(invoice.pk, collector):
        part = min(amount, standing.amount - standing.returned, collecting.returned - collecting.amount)
        amount -= _shift(standing, collecting, max(0, part))
    if amount:
        raise ValueError(f"Invoice {collector} collected too little of {invoice.number}: {amount} are missing.")


def collect_again(invoice: Invoice, collector: UUID, amount: int) -> None:
    """Take `uncollect` back: the card did not get it."""
    for standing, collecting in _collected(invoice.pk, collector):
        part = min(amount, standing.returned, -collecting.returned)
        amount += _shift(standing, collecting, -max(0, part))


def _shift(standing: CreditUse, collecting: CreditUse, amount: int) -> int:
    """Return an amount of both uses of a debt, of which nothing else remains to be paid or spent then."""
    standing.returned += amount
    collecting.returned -= amount
    standing.save(update_fields=["returned"])
    collecting.save(update_fields=["returned"])
    return amount


def _collected(invoice_id: UUID, collector: UUID | None = None) -> list[tuple[CreditUse, CreditUse]]:
    """Answer the uses of debts that stand for an invoice, each with that of a paid invoice which charged it."""
    standing = {
        use.grant_id: use for use in CreditUse.objects.filter(invoice=invoice_id, amount__gt=0, grant__amount__lt=0)
    }
    charging = CreditUse.objects.filter(grant__in=standing, amount__lt=0, invoice__status=Invoice.Status.PAID)
    charging = charging.filter(invoice=collector) if collector else charging
    return [(standing[use.grant_id], use) for use in charging.order_by("pk")]
