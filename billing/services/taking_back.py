"""Taking back credit that a change of plan gave, when the contract is withdrawn from: by an invoice that the credit pays.

The change was a document that lessened what its customer owed, so what undoes it is one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from billing import amounts
from billing.amounts import Taxed
from billing.models import Invoice, InvoiceLine, Price
from billing.services import crediting, invoicing, ledger, recognition, refunds
from billing.services.ledger import Account, Kind


def take_back(invoice: Invoice, *, at_most: int, now: datetime) -> int:
    """Take back what is left of the credit that a locked invoice of less than nothing gave, so that it can be refunded.

    Answers how much it was, in minor units with tax; the service that it was given for is owed again. In the caller's
    transaction.
    """
    granted = crediting.of_change(invoice)
    taken = min(granted.remaining, at_most) if granted else 0
    if granted is None or not taken:
        return 0
    whole = refunds.parts_of(invoice)
    parts = amounts.refund_parts(Taxed(-whole.net, -whole.tax), refunded=Taxed(0, 0), amount=taken)
    made = _invoice(invoice, parts, now=now)
    crediting.use(granted, made, taken, now=now)
    ledger.book_invoices([made.pk], now=now)
    ledger.book_credit([made.pk], now=now)
    _give_up(invoice, parts, key=f"taken_back:{made.pk}", now=now)
    return taken


def _invoice(invoice: Invoice, parts: Taxed, *, now: datetime) -> Invoice:
    lines = list(invoice.lines.select_related("price").order_by("position"))
    series, sequence = invoicing.reserve_numbers(1, now=now)
    made = Invoice.objects.create(
        account_id=invoice.account_id,
        subscription_id=invoice.subscription_id,
        kind=Invoice.Kind.DEBIT,
        status=Invoice.Status.PAID,
        currency=invoice.currency,
        country=invoice.country,
        total=parts.gross,
        credit_applied=parts.gross,
        line_count=len(lines),
        series=series,
        sequence=sequence,
        number=invoicing.number_of(series, sequence),
        created_at=now,
        finalised_at=now,
        paid_at=now,
    )
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=made,
            position=line.position,
            kind=InvoiceLine.Kind.TAKEN_BACK,
            price_id=line.price_id,
            description=line.description,
            amount=back.gross,
            tax=back.tax,
            tax_rate=line.tax_rate,
            service_start=line.service_start,
            service_end=line.service_end,
            derivation={
                "rule": "credit_taken_back",
                "line": line.pk,
                "invoice": invoice.number,
                "billed": line.amount,
                "taken": parts.gross,
                "of": -invoice.total,
                "amount": back.gross if _inclusive(line) else back.net,
            },
        )
        for line, back in zip(lines, _mirrored(lines, parts, of=-invoice.total), strict=True)
    )
    return made


def _inclusive(line: InvoiceLine) -> bool:
    return line.price is not None and line.price.tax_behavior == Price.TaxBehavior.INCLUSIVE


def _mirrored(lines: Sequence[InvoiceLine], parts: Taxed, *, of: int) -> list[Taxed]:
    """Answer the share of each line that is taken back; the first takes what rounding leaves."""
    shares = [
        Taxed(-amounts.share(line.net, parts.gross, of), -amounts.share(line.tax, parts.gross, of)) for line in lines
    ]
    rest = Taxed(parts.net - sum(each.net for each in shares), parts.tax - sum(each.tax for each in shares))
    return [Taxed(shares[0].net + rest.net, shares[0].tax + rest.tax), *shares[1:]]


def _give_up(invoice: Invoice, parts: Taxed, *, key: str, now: datetime) -> None:
    """Take back what the change had given up of revenue: what of it is over already is no service to come."""
    unserved = recognition.give_up(source_key=key, invoice=invoice, amount=-parts.net, now=now)
    over = parts.net + unserved
    ledger.book(
        source_key=key,
        kind=Kind.CREDIT,
        currency=invoice.currency,
        lines={(Account.DEFERRED, ""): over, (Account.REFUNDS, ""): -over},
        now=now,
        invoice_id=invoice.pk,
    )
