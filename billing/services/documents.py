"""What documents say of seller and buyer, and the mails that bring customers to them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.db import connection, transaction
from django.utils import translation

from accounts.services import mails
from billing.models import BillingDetails, CreditNote, Invoice, ReceiptMark, Refund, Seller, TaxPlace
from billing.selectors import documents, explanations
from billing.selectors.words import Words, card
from billing.services import moving, setbacks
from billing.services.setbacks import Sweep
from core import transactions
from core.errors import DomainError

LINK_LIVES = timedelta(days=30)
USEFUL_FOR = timedelta(days=3)
"""How long a receipt is still news; payments that are older are not mailed any more."""
BATCH = 500
_SALT = "billing.document"
_INVOICE, _CREDIT_NOTE = "i", "c"


class TooManyChanges(DomainError):
    """The details were changed more often than anybody needs in a day."""

    code = "too_many_changes"
    title = "The billing details were changed too often today. Try again tomorrow."
    status = 409


CHANGES_A_DAY = 20


def record_seller(*, now: datetime) -> Seller:
    """Keep what the settings say of the seller, if it is new: documents made from now on show it."""
    newest = Seller.objects.newest().first()
    wanted = settings.SELLER
    if newest and all(getattr(newest, name) == value for name, value in wanted.items()):
        return newest
    Seller.objects.bulk_create([Seller(since=now, **wanted)], ignore_conflicts=True)
    return Seller.objects.newest()[0]


@transaction.atomic
def set_billing_details(
    *,
    account_id: UUID,
    name: str,
    address: str,
    tax_id: str,
    now: datetime,
    postal_code: str = "",
    country: str = "",
) -> BillingDetails:
    """Name the buyer on the invoices that are made from now on; another country or postal code may change the tax.

    Raises TooManyChanges.
    """
    said = {"name": name, "address": address, "tax_id": tax_id, "postal_code": postal_code, "country": country}
    get_user_model().objects.locked().get(pk=account_id)
    mine = BillingDetails.objects.filter(account=account_id)
    newest = mine.at(now).first()
    if newest and all(getattr(newest, field) == value for field, value in said.items()):
        return newest
    if mine.filter(created_at__gt=now - timedelta(days=1)).count() >= CHANGES_A_DAY:
        raise TooManyChanges
    made = BillingDetails.objects.create(account_id=account_id, created_at=now, **said)
    moving.review(account_id=account_id, cause=TaxPlace.Cause.DECLARED, now=now)
    return made


# ---------------------------------------------------------------- links


def invoice_url(invoice_id: UUID) -> str:
    """Answer the address in a mail at which one invoice is shown to whoever has it, for LINK_LIVES."""
    return _url(_INVOICE, invoice_id)


def credit_note_url(note_id: UUID) -> str:
    """Answer the same for a credit note."""
    return _url(_CREDIT_NOTE, note_id)


def _url(kind: str, document_id: UUID) -> str:
    return f"{settings.PUBLIC_URL}/documents/{signing.dumps([kind, str(document_id)], salt=_SALT)}"


def linked(token: str) -> Invoice | CreditNote | None:
    """Answer the document of a link that is ours and not too old."""
    try:
        kind, document_id = signing.loads(token, salt=_SALT, max_age=LINK_LIVES)
    except signing.BadSignature:
        return None
    if kind == _CREDIT_NOTE:
        return documents.credit_notes().filter(pk=document_id).first()
    return documents.with_contents(Invoice.objects.exclude(number=None)).filter(pk=document_id).first()


# ---------------------------------------------------------------- mails

# Entries of transactions that are over, whole transactions at a time, in their order.
_PAID = """
WITH paid AS (
    SELECT entry.transaction, entry.invoice_id
    FROM billing_journalentry entry JOIN billing_invoice invoice ON invoice.id = entry.invoice_id
    WHERE entry.transaction >= %(mark)s AND entry.transaction < %(ceiling)s AND entry.booked_at > %(oldest)s
        AND invoice.status = 'paid' AND (
            -- What costs nothing may charge a debt of before.
            entry.kind = 'payment'
            OR (entry.kind = 'credit' AND invoice.total > 0 AND invoice.credit_applied = invoice.total)
        )
), upto AS (
    SELECT max(transaction) AS last FROM (SELECT transaction FROM paid ORDER BY transaction LIMIT %(limit)s) first
)
SELECT paid.transaction, paid.invoice_id FROM paid, upto WHERE paid.transaction <= upto.last
"""


@transaction.atomic
def send_receipts(*, now: datetime) -> int:
    """Queue a mail for each payment since the last time, once; answers how many.

    Apart from the settlement, which stays as fast as it is. The first run begins with what comes after it.
    """
    ceiling = transactions.first_open()
    with connection.cursor() as cursor:
        ReceiptMark.objects.bulk_create([ReceiptMark(transaction=ceiling)], ignore_conflicts=True)
        mark = ReceiptMark.objects.select_for_update().get()
        # A database that was restored counts its transactions anew.
        begin = min(mark.transaction, ceiling)
        values: dict[str, Any] = {"mark": begin, "ceiling": ceiling, "oldest": now - USEFUL_FOR, "limit": BATCH}
        cursor.execute(_PAID, values)
        rows = cursor.fetchall()
    paid = {invoice_id for _, invoice_id in rows}
    mark.transaction = max(at for at, _ in rows) + 1 if len(rows) >= BATCH else ceiling
    mark.save(update_fields=["transaction"])
    if not settings.RECEIPT_MAILS:
        setbacks.forget(Sweep.RECEIPTS)
        return 0
    # The mark passes what could not be mailed.
    paid.update(setbacks.due(Sweep.RECEIPTS, now=now, limit=BATCH))
    invoices = {each.pk: each for each in documents.with_contents(Invoice.objects.filter(pk__in=paid)).order_by("pk")}
    return len(setbacks.each(Sweep.RECEIPTS, invoices, lambda key: _mail_receipt(invoices[key], now=now), now=now))


@transaction.atomic
def _mail_receipt(invoice: Invoice, *, now: datetime) -> None:
    account = invoice.account
    with translation.override(account.language):
        words = Words(invoice)
        credit, debts = explanations.paid_from_credit(invoice), explanations.debts_charged(invoice)
        charged = next((each for each in invoice.attempts.all() if each.state == each.State.SUCCEEDED), None)
        context = {
            "number": invoice.number,
            "amount": words.amount(invoice.total),
            "charged": words.amount(invoice.due),
            "credit": words.amount(credit) if credit else "",
            "debts": words.amount(debts) if debts else "",
            "card": card(charged.payment_method) if charged else "",
            "paid_on": words.day(invoice.paid_at or now),
        }
    _mail("receipt", account, context | {"action_url": invoice_url(invoice.pk)}, now=now)


def mail_credit_note(note: CreditNote, *, now: datetime) -> None:
    """Tell a customer of money that goes back, in the transaction that issues its credit note."""
    account = get_user_model().objects.get(pk=note.invoice.account_id)
    refund, total = note.refund, note.net + note.tax
    with translation.override(account.language):
        words = Words(note.invoice)
        amount, forgiven = words.amount(total), words.amount(refund.forgiven) if refund.forgiven else ""
    context: dict[str, Any] = {"number": note.number, "invoice": note.invoice.number, "amount": amount}
    # A debt that is owed no more comes back to nobody.
    context |= {"forgiven": forgiven, "to_credit": refund.attempt_id is None and refund.forgiven < total}
    _mail("refunded", account, context | {"action_url": credit_note_url(note.pk)}, now=now)


def mail_owed_again(refund: Refund, *, now: datetime) -> None:
    """Tell a customer of money that goes back to the card and is charged again, in the transaction that says so."""
    account = get_user_model().objects.get(pk=refund.invoice.account_id)
    with translation.override(account.language):
        amount = Words(refund.invoice).amount(refund.amount)
    context = {"invoice": refund.invoice.number, "amount": amount, "action_url": invoice_url(refund.invoice_id)}
    _mail("refunded_owed_again", account, context, now=now)


def _mail(template: str, account: Any, context: dict[str, Any], *, now: datetime) -> None:
    mails.enqueue(
        template=f"billing/email/{template}",
        address=account.email,
        language=account.language,
        context=context,
        useful_for=USEFUL_FOR,
        now=now,
    )
