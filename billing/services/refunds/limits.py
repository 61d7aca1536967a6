"""How much of what was paid can go back, and where: to the card that paid, to one that collected a debt, to credit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, Sum

from billing.amounts import Taxed
from billing.models import Dispute, Invoice, PaymentAttempt, Refund
from billing.models.refunds import RefundQuerySet
from billing.services import crediting, debts

State = Refund.State

NOT_ISSUED = (State.REQUESTED, State.APPROVED)
"""Asked for, and neither documented nor booked yet."""


def parts_of(invoice: Invoice) -> Taxed:
    """Answer an invoice's total with its tax apart."""
    sums = invoice.lines.aggregate(gross=Sum("amount"), tax=Sum("tax"))
    return Taxed(sums["gross"] - sums["tax"], sums["tax"])


def paid_by_card(invoice: Invoice) -> int:
    """Answer what was charged for an invoice, in minor units; of one that is owed without the debts charged with it."""
    return invoice.due if invoice.status == Invoice.Status.VOID else min(invoice.due, parts_of(invoice).gross)


def given_back(invoice: Invoice) -> Taxed:
    """Answer what was given back of an invoice, or is about to be; what is owed again is not."""
    return total_of(Refund.objects.filter(invoice=invoice, owed_again=False))


def refundable(invoice: Invoice) -> int:
    """Answer what of a paid invoice has not been given back, in minor units with tax.

    Of one that was not owed when it was charged, it is what was charged.
    """
    paid = invoice.due if invoice.status == Invoice.Status.VOID else parts_of(invoice).gross
    return max(0, paid - given_back(invoice).gross)


def charge_left(attempt: PaymentAttempt) -> int:
    """Answer what of a charge that succeeded has not gone back to its card: for its invoice, or for a debt it collected."""
    return attempt.invoice.due - total_of(Refund.objects.filter(attempt=attempt)).gross


def unreturned(attempt: PaymentAttempt) -> int:
    """Answer what of a charge its card has not got back, and will not without somebody's word."""
    return attempt.invoice.due - total_of(Refund.objects.filter(attempt=attempt).exclude(state=State.REQUESTED)).gross


def own_left(attempt: PaymentAttempt, invoice: Invoice) -> int:
    """Answer what of a charge can go back to its card for its own invoice.

    What went back and is owed again is taken of what was charged besides first.
    """
    back = total_of(Refund.objects.filter(attempt=attempt, invoice=invoice, owed_again=False)).gross
    return max(0, min(paid_by_card(invoice) - back, charge_left(attempt)))


def total_of(refunds: RefundQuerySet) -> Taxed:
    """Answer what refunds come to that have not failed, or were paid in another way then."""
    sums = refunds.counted().aggregate(net=Sum("net"), tax=Sum("tax"))
    return Taxed(sums["net"] or 0, sums["tax"] or 0)


@dataclass(frozen=True)
class Sources:
    """Where a locked invoice's money can come from, in the order in which it goes back.

    A debt that nobody collected yet is `forgiven` first. Then come the invoice's `own` charge, and `others` that
    collected debts which stand for it. The rest is `credit`, of which the debts are a part, but for what was collected by
    charges that a bank has taken back: their customer has that already, unless the bank decides otherwise.
    """

    forgiven: int
    own: tuple[PaymentAttempt | None, int]
    others: Mapping[PaymentAttempt, int]
    credit: int

    def split(self, amount: int) -> list[tuple[PaymentAttempt | None, int]] | None:
        """Answer the parts of an amount, those of cards first and that of credit last; None where it is too much."""
        attempt, own = self.own
        to_credit = min(amount, self.forgiven)
        to_card = min(amount - to_credit, own)
        rest, parts = amount - to_credit - to_card, [(attempt, to_card)]
        if to_credit + rest > self.credit:
            return None
        for other, at_most in self.others.items():
            parts.append((other, min(rest, at_most)))
            rest -= parts[-1][1]
        parts.append((None, to_credit + rest))
        return [(source, part) for source, part in parts if part]


def sources_of(invoice: Invoice, attempt: PaymentAttempt | None) -> Sources:
    """Say where a locked paid invoice's money can come from, and lock the charges that it would come from."""
    asked = Refund.objects.filter(invoice=invoice, state__in=NOT_ISSUED, owed_again=False)
    to_credit = total_of(asked.filter(attempt=None)).gross
    # Sent, it takes of what stands for the invoice, whichever way it goes.
    waiting = to_credit + total_of(_elsewhere(asked)).gross
    # And of a debt of another invoice that its charge had collected, which is about to go back to that card.
    leaving = total_of(Refund.objects.filter(attempt=attempt, state__in=NOT_ISSUED).exclude(invoice=invoice)).gross
    others, with_banks = _collectors(invoice, asked)
    credit = max(0, crediting.returnable(invoice) + (leaving if attempt else 0)) - waiting - with_banks
    return Sources(
        # A debt that stands for what collected another one is owed, however the invoice is given back.
        forgiven=max(0, min(debts.forgivable(invoice) - to_credit, credit)),
        own=(attempt, own_left(attempt, invoice) if attempt else 0),
        others=others,
        credit=max(0, credit),
    )


def _elsewhere(refunds: RefundQuerySet) -> RefundQuerySet:
    """Those that go back to a card which paid another invoice, with a debt that stood for theirs."""
    return refunds.exclude(attempt=None).exclude(attempt__invoice=F("invoice"))


def _collectors(invoice: Invoice, asked: RefundQuerySet) -> tuple[dict[PaymentAttempt, int], int]:
    """Answer what can go back to each charge that collected a debt of an invoice, and what banks have of such."""
    collected = debts.collected(invoice)
    charges = PaymentAttempt.objects.locked().select_related("invoice")
    found, with_banks = {}, 0
    for charge in charges.filter(invoice__in=collected, state=PaymentAttempt.State.SUCCEEDED):
        if Dispute.objects.blocking().filter(attempt=charge).exists():
            with_banks += collected[charge.invoice_id]
            continue
        left = collected[charge.invoice_id] - total_of(asked.filter(attempt=charge)).gross
        if (at_most := min(left, charge_left(charge))) > 0:
            found[charge] = at_most
    return found, with_banks


def collector_of(refund: Refund) -> UUID | None:
    """Answer the invoice whose charge a refund goes back to, if it is another one than it corrects."""
    attempt = refund.attempt
    return attempt.invoice_id if attempt is not None and attempt.invoice_id != refund.invoice_id else None
