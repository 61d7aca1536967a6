"""Customers' credit: given, taken by invoices, given back.

Credit is a means of payment and no discount: an invoice takes it after tax, oldest first, in the invoice's own
transaction, and what it took comes back when nobody has to pay the invoice any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.services import mails
from billing import amounts
from billing.amounts import Tender
from billing.models import CreditGrant, CreditUse, Invoice, PaymentAttempt
from billing.services import _rows, debts, ledger
from billing.services.ledger import Account, Kind
from core import money
from core.errors import DomainError
from core.ids import new_id
from core.money import Money

SYSTEM = "system"
MAIL_USEFUL_FOR = timedelta(days=7)

State = CreditGrant.State


class CreditNotGrantable(DomainError):
    """Not a positive amount."""

    code: ClassVar[str] = "credit_not_grantable"
    title: ClassVar[str] = "Credit is a positive amount in minor units."
    status: ClassVar[int] = 409


class SecondPersonRequiredForCredit(DomainError):
    """Who asked for credit cannot approve it."""

    code: ClassVar[str] = "credit_needs_second_person"
    title: ClassVar[str] = "Somebody else has to approve this credit."
    status: ClassVar[int] = 409


class CreditNotWaiting(DomainError):
    """The credit was approved or refused already."""

    code: ClassVar[str] = "credit_not_waiting"
    title: ClassVar[str] = "This credit does not wait for approval."
    status: ClassVar[int] = 409


# ---------------------------------------------------------------- paying invoices


@dataclass(frozen=True)
class Owed:
    """What an invoice about to be written comes to."""

    account_id: UUID
    currency: str
    total: int


@dataclass(frozen=True)
class Reservation:
    """How an invoice about to be written is paid, with the locked grants that its uses take from."""

    tender: Tender
    grants: tuple[CreditGrant, ...]


def reserve(owed: Sequence[Owed], *, now: datetime) -> list[Reservation]:
    """Take credit for invoices that the caller's transaction writes; `apply` must follow in it.

    The grants stay locked, so that nobody else spends them meanwhile.
    """
    return _reserve(owed, CreditGrant.objects.locked().spendable({each.account_id for each in owed}, now))


def foresee(owed: Sequence[Owed], *, now: datetime, without: Iterable[UUID] = ()) -> list[Tender]:
    """Answer how invoices would be paid that were written now, debts of before included; takes nothing.

    What the invoices `without` hold is counted as if they were void: they will be before these are written.
    """
    grants = {grant.pk: grant for grant in CreditGrant.objects.spendable({each.account_id for each in owed}, now)}
    if without:
        for use in CreditUse.objects.filter(invoice__in=without).select_related("grant"):
            grants.setdefault(use.grant_id, use.grant).remaining += use.amount - use.returned
    return [reservation.tender for reservation in _reserve(owed, grants.values())]


def _reserve(owed: Sequence[Owed], open_grants: Iterable[CreditGrant]) -> list[Reservation]:
    grants: dict[tuple[UUID, str], list[CreditGrant]] = defaultdict(list)
    for grant in sorted(open_grants, key=lambda grant: (grant.created_at, grant.pk)):
        grants[grant.account_id, grant.currency].append(grant)
    reserved = []
    for each in owed:
        candidates = tuple(grants[each.account_id, each.currency])
        tender = amounts.tender(each.total, [grant.remaining for grant in candidates], currency=each.currency)
        for grant, use in zip(candidates, tender.uses, strict=True):
            grant.remaining -= use
        reserved.append(Reservation(tender, candidates))
    return reserved


def apply(reserved: Iterable[tuple[Reservation, Invoice]], *, now: datetime) -> None:
    """Write down and book what the invoices of reservations have taken; a carried rest becomes a debt."""
    uses, touched, rests = [], {}, []
    for reservation, invoice in reserved:
        for grant, amount in zip(reservation.grants, reservation.tender.uses, strict=True):
            if amount:
                uses.append(CreditUse(grant=grant, invoice=invoice, amount=amount, used_at=now))
                touched[grant.pk] = grant
        if carried := reservation.tender.carried:
            kind, cause = CreditGrant.Kind.CARRIED, f"carried:{invoice.pk}"
            rest = debts.new(invoice, carried, kind=kind, source_key=cause, by=SYSTEM, now=now)
            rests.append(rest)
            uses.append(CreditUse(grant=rest, invoice=invoice, amount=carried, used_at=now))
    if not uses:
        return
    _rows.insert(rests)
    _rows.update(list(touched.values()), ["remaining"])
    CreditUse.objects.bulk_create(uses)
    ledger.book_credit({use.invoice_id for use in uses}, now=now)


def lock(invoice_ids: Collection[UUID]) -> None:
    """Lock the credit that locked invoices took or that came of them, before any of it is changed or a number is taken."""
    used = CreditUse.objects.filter(invoice__in=invoice_ids).values("grant")
    charges = PaymentAttempt.objects.filter(invoice__in=invoice_ids).values_list("pk", flat=True)
    came_of_them = [*(f"change:{key}" for key in invoice_ids), *(f"overpaid:{key}" for key in charges)]
    list(CreditGrant.objects.locked().filter(Q(source_key__in=came_of_them) | Q(pk__in=used)))


def release(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Give back what invoices took that nobody has to pay any more, in the transaction that closes them."""
    uses = _held(invoice_ids)
    if not uses:
        return
    ledger.release_credit({use.invoice_id for use in uses}, now=now)
    for use in uses:
        use.grant.remaining += use.amount - use.returned
        use.returned = use.amount
    _rows.update([use.grant for use in uses], ["remaining"])
    _rows.update(uses, ["returned"])


def _held(invoice_ids: Collection[UUID]) -> list[CreditUse]:
    """Answer the uses of invoices that have something left of them, newest grant first, their grants locked."""
    if not invoice_ids:
        return []
    found = CreditUse.objects.filter(invoice__in=invoice_ids)
    grants = CreditGrant.objects.locked().in_bulk(found.values_list("grant", flat=True))
    uses = [use for use in found if use.amount != use.returned]
    for use in uses:
        # One object a grant: two invoices may give back to the same one.
        use.grant = grants[use.grant_id]
    return sorted(uses, key=lambda use: (use.grant.created_at, use.grant_id), reverse=True)


def take_again(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Take what was released by invoices that are paid after all; what was spent meanwhile is lost to us."""
    found = CreditUse.objects.filter(invoice__in=invoice_ids).exclude(returned=0).select_related("invoice")
    if not found:
        return
    grants = CreditGrant.objects.locked().in_bulk(found.values_list("grant", flat=True))
    lines: dict[UUID, dict[tuple[Account, str], int]] = defaultdict(lambda: defaultdict(int))
    currencies = {}
    for use in found:
        grant, wanted = grants[use.grant_id], use.returned
        taken = wanted if wanted < 0 or grant.kind == CreditGrant.Kind.CARRIED else min(wanted, grant.remaining)
        grant.remaining -= taken
        use.returned -= taken
        booked = lines[use.invoice_id]
        booked[_liability(grant), ""] += taken
        booked[Account.BAD_DEBT, ""] += wanted - taken
        booked[Account.RECEIVABLE, ""] -= wanted
        currencies[use.invoice_id] = use.invoice.currency
    _rows.update(list(grants.values()), ["remaining"])
    _rows.update(list(found), ["returned"])
    for invoice_id, booked in lines.items():
        ledger.book(
            source_key=f"credit_again:{invoice_id}",
            kind=Kind.CREDIT,
            currency=currencies[invoice_id],
            lines=booked,
            now=now,
            invoice_id=invoice_id,
        )


def _liability(grant: CreditGrant) -> Account:
    return Account.GIFTS if grant.kind == CreditGrant.Kind.GIFT else Account.CREDIT


def returnable(invoice: Invoice) -> int:
    """Answer how much of what an invoice took can come back, in minor units."""
    return sum(use.amount - use.returned for use in CreditUse.objects.filter(invoice=invoice))


@dataclass(frozen=True)
class Returned:
    """What came back of what an invoice took: by the account to book it in, and how much of it is a debt, `forgiven`."""

    lines: Mapping[tuple[Account, str], int]
    forgiven: int


def give_back(invoice: Invoice, amount: int) -> Returned:
    """Let `amount` of what a locked invoice took come back, the newest first.

    Gifts become gifts again and credit becomes credit; a debt that nobody has collected yet is owed no more.
    """
    lines: dict[tuple[Account, str], int] = defaultdict(int)
    forgiven = 0
    for use in _held([invoice.pk]):
        back = min(amount, use.amount - use.returned)
        if back <= 0:
            continue
        forgiven += min(back, max(0, -use.grant.remaining))
        use.grant.remaining += back
        use.returned += back
        use.grant.save(update_fields=["remaining"])
        use.save(update_fields=["returned"])
        lines[_liability(use.grant), ""] -= back
        amount -= back
    if amount:
        raise ValueError(f"Invoice {invoice.number} took too little credit: {amount} are missing.")
    return Returned(lines, forgiven)


# ---------------------------------------------------------------- giving


def grant_for_change(invoice: Invoice, *, now: datetime) -> CreditGrant:
    """Turn a change that costs less than nothing into credit, in the transaction that makes its invoice."""
    given = _grant(
        invoice.account_id, CreditGrant.Kind.CHANGE, -invoice.total, invoice.currency, f"change:{invoice.pk}", now=now
    )
    ledger.book(
        source_key=f"change:{invoice.pk}",
        kind=Kind.CREDIT,
        currency=invoice.currency,
        lines={(Account.RECEIVABLE, ""): given.amount, (Account.CREDIT, ""): -given.amount},
        now=now,
        invoice_id=invoice.pk,
    )
    return given


def grant_overpaid(attempt_ids: Collection[UUID], *, now: datetime) -> None:
    """Keep for customers what was charged for invoices that were not owed any more, and tell them.

    It is booked as their credit.
    """
    charged = PaymentAttempt.objects.select_related("invoice__account").filter(pk__in=attempt_ids)
    for attempt in charged:
        invoice = attempt.invoice
        _grant(
            invoice.account_id,
            CreditGrant.Kind.OVERPAID,
            invoice.due,
            invoice.currency,
            f"overpaid:{attempt.pk}",
            now=now,
        )
        language = invoice.account.language
        mails.enqueue(
            template="billing/email/paid_late",
            address=invoice.account.email,
            language=language,
            context={"number": invoice.number, "amount": money.format(Money(invoice.due, invoice.currency), language)},
            useful_for=MAIL_USEFUL_FOR,
            now=now,
        )


def withhold(attempt: PaymentAttempt, amount: int) -> bool:
    """Take back credit that came of an overpaid charge, for its refund; answers False where too little is left."""
    granted = CreditGrant.objects.locked().filter(source_key=f"overpaid:{attempt.pk}").first()
    if granted is None or amount > granted.remaining:
        return False
    granted.remaining -= amount
    granted.save(update_fields=["remaining"])
    return True


def forfeit(attempt: PaymentAttempt, amount: int) -> int | None:
    """Take credit back that came of an overpaid charge which its bank took back, as far as it is left.

    Answers how much, or None if the charge was none that became credit.
    """
    granted = CreditGrant.objects.locked().filter(source_key=f"overpaid:{attempt.pk}").first()
    return _take(granted, amount) if granted else None


def of_change(invoice: Invoice) -> CreditGrant | None:
    """Lock the credit that a change of plan gave."""
    return CreditGrant.objects.locked().filter(source_key=f"change:{invoice.pk}").first()


def use(granted: CreditGrant, invoice: Invoice, amount: int, *, now: datetime) -> None:
    """Let locked credit pay of an invoice that was just written; the caller books it."""
    granted.remaining -= amount
    granted.save(update_fields=["remaining"])
    CreditUse.objects.create(grant=granted, invoice=invoice, amount=amount, used_at=now)


def _take(granted: CreditGrant, at_most: int) -> int:
    taken = min(granted.remaining, at_most)
    granted.remaining -= taken
    granted.save(update_fields=["remaining"])
    return taken


def put_back(attempt: PaymentAttempt, amount: int) -> None:
    """Give credit again whose refund came to nothing."""
    granted = CreditGrant.objects.locked().get(source_key=f"overpaid:{attempt.pk}")
    granted.remaining += amount
    granted.save(update_fields=["remaining"])


def grant_gift(*, account_id: UUID, amount: int, currency: str, gift_id: UUID, by: str, now: datetime) -> CreditGrant:
    """Turn a gift into its receiver's credit, in the caller's transaction; in the books it stays a gift."""
    return _grant(account_id, CreditGrant.Kind.GIFT, amount, currency, f"gift:{gift_id}", by=by, now=now)


def _grant(
    account_id: UUID,
    kind: CreditGrant.Kind,
    amount: int,
    currency: str,
    source_key: str,
    *,
    now: datetime,
    by: str = SYSTEM,
) -> CreditGrant:
    return CreditGrant.objects.create(
        account_id=account_id,
        kind=kind,
        currency=currency,
        amount=amount,
        remaining=amount,
        source_key=source_key,
        requested_by=by,
        created_at=now,
    )


@transaction.atomic
def request_goodwill(
    *, account_id: UUID, amount: int, currency: str, reason: str, by: str, now: datetime
) -> CreditGrant:
    """Give a customer credit out of goodwill, in minor units; it pays the next invoices.

    Above REFUND_APPROVAL_LIMIT it counts once a second person has approved it. Raises CreditNotGrantable.
    """
    if amount <= 0:
        raise CreditNotGrantable
    grant_id = new_id()
    asked = CreditGrant.objects.create(
        id=grant_id,
        account_id=account_id,
        kind=CreditGrant.Kind.GOODWILL,
        state=State.REQUESTED,
        currency=currency,
        amount=amount,
        remaining=0,
        source_key=f"goodwill:{grant_id}",
        reason=reason[:200],
        requested_by=by,
        created_at=now,
    )
    return asked if amount > settings.REFUND_APPROVAL_LIMIT else _count(asked, now=now)


@transaction.atomic
def approve(*, grant_id: UUID, by: str, now: datetime) -> CreditGrant:
    """Let credit count. Raises CreditNotWaiting, SecondPersonRequiredForCredit."""
    waiting = _waiting(grant_id)
    if waiting.requested_by == by:
        raise SecondPersonRequiredForCredit
    waiting.approved_by = by
    return _count(waiting, now=now)


@transaction.atomic
def refuse(*, grant_id: UUID) -> CreditGrant:
    """Let asked-for credit be forgotten; who asked for it may do so too. Raises CreditNotWaiting."""
    waiting = _waiting(grant_id)
    waiting.state = State.REFUSED
    waiting.save(update_fields=["state"])
    return waiting


def _waiting(grant_id: UUID) -> CreditGrant:
    waiting = CreditGrant.objects.locked().get(pk=grant_id)
    if waiting.state != State.REQUESTED:
        raise CreditNotWaiting
    return waiting


def _count(granted: CreditGrant, *, now: datetime) -> CreditGrant:
    granted.state, granted.remaining = State.GRANTED, granted.amount
    granted.save(update_fields=["state", "remaining", "approved_by"])
    ledger.book(
        source_key=granted.source_key,
        kind=Kind.CREDIT,
        currency=granted.currency,
        lines={(Account.PROMO, ""): granted.amount, (Account.CREDIT, ""): -granted.amount},
        now=now,
    )
    return granted
