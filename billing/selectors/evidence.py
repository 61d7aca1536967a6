"""What we hold that speaks for a payment in dispute: who bought, from where, what they agreed to, and what they were told."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import translation

from accounts import selectors as accounts
from accounts.models import AuditEntry, OutgoingEmail
from billing import pdf
from billing.models import Consent, Dispute, Invoice, PaymentAttempt, TaxPlace
from billing.selectors import documents, exports

MOST_ROWS = 200
"""Of each kind, the newest: a bank reads pages, not archives."""

MOST_TEXT = 20_000
"""Characters that Stripe takes of each text; of all together it takes 150,000, which so few do not reach."""
MOST_HEADING = 30
"""Characters of a table's name with what stands around it."""


@dataclass(frozen=True)
class Table:
    """Rows of one kind, as text, oldest first."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_text(self, most: int) -> str:
        """Answer one line a row, within so many characters: the newest rows that fit."""
        head = "; ".join(self.head)
        lines: list[str] = []
        left = most - len(head)
        for row in reversed(self.rows):
            line = "; ".join(row)
            left -= len(line) + 1
            if left < 0:
                break
            lines.append(line)
        return "\n".join([head, *reversed(lines)])

    def as_csv(self) -> str:
        """Answer the rows as a file."""
        return "".join(exports.as_csv(iter([self.head, *self.rows])))


@dataclass(frozen=True)
class Pack:
    """The evidence of one dispute: `texts` and `attachments` by Stripe's names, tables and files for whoever reads it.

    `attachments` name files.
    """

    texts: dict[str, str]
    tables: tuple[Table, ...]
    files: dict[str, bytes]
    attachments: dict[str, str]


def pack(dispute: Dispute) -> Pack:
    """Collect the evidence of a dispute."""
    invoice = documents.with_contents(Invoice.objects.filter(pk=dispute.attempt.invoice_id)).get()
    account = invoice.account
    consents, sign_ins = _consents(invoice), _sign_ins(invoice)
    mails, payments = _mails(invoice), _payments(invoice)
    places = _places(invoice)
    texts = {
        "product_description": _product(invoice),
        "customer_email_address": account.email,
        "customer_name": _buyer(invoice),
        "customer_purchase_ip": next((row[2] for row in consents.rows if row[2]), ""),
        "service_date": _service_dates(invoice),
        "access_activity_log": sign_ins.as_text(MOST_TEXT) if sign_ins.rows else "",
        "cancellation_policy_disclosure": "\n".join(row[1] for row in consents.rows),
        "uncategorized_text": "\n\n".join(
            f"{table.name.replace('_', ' ').capitalize()}:\n{table.as_text(MOST_TEXT // 4 - MOST_HEADING)}"
            for table in (consents, payments, mails, places)
            if table.rows
        ),
    }
    files = _files(invoice)
    return Pack(
        texts={name: text[:MOST_TEXT] for name, text in texts.items() if text},
        tables=(consents, sign_ins, mails, payments, places),
        files=files,
        attachments=_attachments(list(files)),
    )


def archive(evidence: Pack) -> bytes:
    """Answer a pack as a ZIP file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in evidence.texts.items():
            bundle.writestr(f"submitted/{name}.txt", text)
        for table in evidence.tables:
            bundle.writestr(f"{table.name}.csv", table.as_csv())
        for name, content in evidence.files.items():
            bundle.writestr(name, content)
    return file.getvalue()


def _product(invoice: Invoice) -> str:
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    described = "; ".join(line.description for line in lines)
    sold = (
        "Gift of credit for video streaming" if invoice.kind == Invoice.Kind.ONE_OFF else "Video streaming subscription"
    )
    return f"{sold}, delivered online. Invoice {invoice.number}: {described}."


def _buyer(invoice: Invoice) -> str:
    held = invoice.account.billing_details.at(invoice.finalised_at or invoice.created_at).first()
    return held.name if held else ""


def _service_dates(invoice: Invoice) -> str:
    lines = invoice.lines.all()
    starts = [line.service_start for line in lines if line.service_start]
    ends = [line.service_end for line in lines if line.service_end]
    return f"{min(starts)} to {max(ends)}" if starts and ends else ""


def _consents(invoice: Invoice) -> Table:
    found = Consent.objects.filter(subscription=invoice.subscription_id).select_related("document").order_by("pk")
    rows = [
        (_at(each.given_at), f"{each.document}: {each.document.text}", each.address or "", each.country)
        for each in found
    ]
    return Table("consents", ("at", "agreed to", "address", "country"), rows)


def _sign_ins(invoice: Invoice) -> Table:
    """Sign-ins of the account, each with whether it came from where the contract was agreed to."""
    agreed = set(
        Consent.objects.filter(subscription=invoice.subscription_id, address__isnull=False).values_list(
            "address", flat=True
        )
    )
    found = (
        accounts.activity_of(invoice.account_id).filter(act=AuditEntry.Act.SIGNED_IN).order_by("-at", "-pk")[:MOST_ROWS]
    )
    rows = [
        (_at(each.at), each.address or "", each.place, each.user_agent, "yes" if each.address in agreed else "no")
        for each in reversed(found)
    ]
    return Table("sign_ins", ("at", "address", "place", "device", "same address as the purchase"), rows)


def _mails(invoice: Invoice) -> Table:
    since = invoice.subscription.created_at if invoice.subscription else invoice.created_at
    found = OutgoingEmail.objects.filter(
        address=invoice.account.email, template__startswith="billing/", created_at__gte=since, sent_at__isnull=False
    ).order_by("-pk")[:MOST_ROWS]
    rows = [(_at(each.sent_at), each.template.rpartition("/")[2], each.address) for each in reversed(found)]
    return Table("mails_delivered", ("at", "mail", "to"), rows)


def _payments(invoice: Invoice) -> Table:
    """Payments of the account before, undisputed ones with the same card above all."""
    found = (
        PaymentAttempt.objects.filter(invoice__account=invoice.account_id, state=PaymentAttempt.State.SUCCEEDED)
        .select_related("invoice", "payment_method")
        .prefetch_related("disputes")
        .order_by("-pk")[:MOST_ROWS]
    )
    rows = [
        (
            _at(each.settled_at),
            each.invoice.number or "",
            f"{each.payment_method.brand} {each.payment_method.last4}",
            "disputed" if each.disputes.all() else "undisputed",
        )
        for each in reversed(found)
    ]
    return Table("payments", ("at", "invoice", "card", "dispute"), rows)


def _places(invoice: Invoice) -> Table:
    found = TaxPlace.objects.filter(subscription=invoice.subscription_id).order_by("pk")
    rows = [(_at(each.decided_at), each.declared, each.card, each.address) for each in found]
    return Table("countries", ("at", "declared", "of the card", "of the connection"), rows)


def _files(invoice: Invoice) -> dict[str, bytes]:
    """Answer the invoice and what corrects it, in this order, as PDF; a void credit note corrects nothing."""
    with translation.override("en"):
        files = {f"{invoice.number}.pdf": pdf.write(documents.of_invoice(invoice))}
        for note in documents.credit_notes().filter(invoice=invoice, voided_at=None).order_by("issued_at", "pk"):
            files[f"{note.number}.pdf"] = pdf.write(documents.of_credit_note(note))
    return files


def _attachments(names: list[str]) -> dict[str, str]:
    """Answer which of an invoice and its corrections, by name and in order, the bank gets: of corrections the last."""
    return {"receipt": names[0]} | ({"uncategorized_file": names[-1]} if names[1:] else {})


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
