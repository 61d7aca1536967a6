"""Comparing the books with the gateway's, movement by movement, every day.

The gateway's balance is the only proof of what really happened to money. Each of its movements must have
its entry in our clearing account, and each of our entries its movement. Fees and payouts are learned and
booked here, since nothing else tells of them.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, Max, Min, OuterRef, Sum

from billing.gateway import BalanceMovement, Gateway
from billing.models import GatewayTransaction, JournalEntry, JournalLine, TieOut
from billing.services import ledger
from billing.services.ledger import Account, Kind

logger = logging.getLogger(__name__)

SETTLES_WITHIN = timedelta(hours=2)
"""How long after the day's end its last replies and webhooks may still come."""
OVERLAP = timedelta(days=1)
"""Our entry and its movement may lie on two sides of midnight."""
BATCH = 500

Verdict = GatewayTransaction.Verdict

_CLEARING = """
SELECT entry.currency, sum(line.amount)
FROM billing_journalline line
JOIN billing_journalentry entry ON entry.id = line.entry_id
LEFT JOIN LATERAL (
    SELECT movement.made_at FROM billing_gatewaytransaction movement
    WHERE entry.reference <> '' AND movement.reference = entry.reference AND movement.amount = line.amount
    ORDER BY movement.made_at LIMIT 1
) movement ON true
WHERE line.account = 'cash:stripe_clearing' AND coalesce(movement.made_at, entry.booked_at) < %(ends)s
GROUP BY entry.currency
"""


PAYOUTS = {"payout", "payout_cancel", "payout_failure"}
"""Movements between the gateway and our bank; the latter two bring back what did not arrive."""
CHARGES = {"stripe_fee", "stripe_fx_fee", "tax_fee"}
"""What the gateway takes for itself apart from any payment: for its products, for exchange, and the tax on its fees."""


def tie_out_due(*, gateway: Gateway, now: datetime) -> list[TieOut]:
    """Compare all days that are over and not compared yet; answers the reports.

    A difference is stored in its day's report and logged as an error. Raises GatewayUnavailable.
    """
    last = (now - SETTLES_WITHIN).astimezone(UTC).date() - timedelta(days=1)
    compared = TieOut.objects.aggregate(day=Max("day"))["day"]
    if compared is not None:
        first = compared + timedelta(days=1)
    else:
        began = JournalEntry.objects.exclude(reference="").aggregate(at=Min("booked_at"))["at"]
        first = began.astimezone(UTC).date() if began else last
    reports = []
    for n in range((last - first).days + 1):
        reports += compare(day=first + timedelta(days=n), gateway=gateway, now=now)
    return reports


def compare(*, day: date, gateway: Gateway, now: datetime) -> list[TieOut]:
    """Compare the books with the gateway's up to the end of a day; answers a report for each currency.

    May be done again: what was learned before is not booked twice, and the day's report is replaced.
    Raises GatewayUnavailable.
    """
    begins = datetime.combine(day, time(), UTC)
    ends = begins + timedelta(days=1)
    movements = list(gateway.balance_movements(since=begins - OVERLAP, until=ends))
    for start in range(0, len(movements), BATCH):
        _take_in(movements[start : start + BATCH])
    return _report(day, ends, now=now)


@transaction.atomic
def _take_in(movements: Sequence[BalanceMovement]) -> None:
    """Keep movements with what our books say of them; book the fees and payouts they tell of."""
    known = set(
        GatewayTransaction.objects.filter(gateway_id__in=[each.id for each in movements]).values_list(
            "gateway_id", flat=True
        )
    )
    new = [each for each in movements if each.id not in known]
    ours: dict[str, list[int]] = defaultdict(list)
    for reference, amount in (
        JournalLine.objects.filter(account=Account.CLEARING, entry__reference__in=[each.reference for each in new])
        .exclude(entry__reference="")
        .values_list("entry__reference", "amount")
    ):
        ours[reference].append(amount)
    rows = []
    for each in new:
        verdict = _verdict(each, ours[each.reference])
        if each.kind in PAYOUTS:
            _book_payout(each)
        elif each.kind in CHARGES:
            _book_fee(each, -each.amount, cause="charge")
        if each.fee:
            _book_fee(each, each.fee, cause="fee")
        rows.append(
            GatewayTransaction(
                gateway_id=each.id,
                kind=each.kind,
                currency=each.currency,
                amount=each.amount,
                fee=each.fee,
                reference=each.reference,
                made_at=each.made_at,
                verdict=verdict,
            )
        )
    GatewayTransaction.objects.bulk_create(rows)


def _verdict(movement: BalanceMovement, amounts: list[int]) -> Verdict:
    if movement.kind in PAYOUTS | CHARGES:
        return Verdict.BOOKED
    if movement.amount in amounts:
        return Verdict.MATCHED
    return Verdict.DIFFERS if amounts else Verdict.UNKNOWN


def _book_payout(movement: BalanceMovement) -> None:
    ledger.book(
        source_key=f"payout:{movement.id}",
        kind=Kind.GATEWAY,
        currency=movement.currency,
        lines={(Account.BANK, ""): -movement.amount, (Account.CLEARING, ""): movement.amount},
        now=movement.made_at,
        reference=movement.reference,
    )


def _book_fee(movement: BalanceMovement, amount: int, *, cause: str) -> None:
    ledger.book(
        source_key=f"{cause}:{movement.id}",
        kind=Kind.GATEWAY,
        currency=movement.currency,
        lines={(Account.FEES, ""): amount, (Account.CLEARING, ""): -amount},
        now=movement.made_at,
    )


@transaction.atomic
def _report(day: date, ends: datetime, *, now: datetime) -> list[TieOut]:
    """Match again what did not match when it was taken in, and report what still does not."""
    details: dict[str, list[dict[str, Any]]] = defaultdict(list)
    gateway_net: dict[str, int] = {}
    for currency, amount, fee in (
        GatewayTransaction.objects.filter(made_at__lt=ends)
        .values_list("currency")
        .annotate(Sum("amount"), Sum("fee"))
        .order_by()
    ):
        gateway_net[currency] = amount - fee
    _match_again()
    for theirs in GatewayTransaction.objects.filter(verdict__in=[Verdict.UNKNOWN, Verdict.DIFFERS]).order_by("pk"):
        details[theirs.currency].append(
            {
                "what": "not in our books" if theirs.verdict == Verdict.UNKNOWN else "another amount in our books",
                "transaction": theirs.gateway_id,
                "kind": theirs.kind,
                "reference": theirs.reference,
                "amount": theirs.amount,
            }
        )
    for ours in _unanswered(ends):
        details[ours.entry.currency].append(
            {
                "what": "not at the gateway",
                "entry": ours.entry.source_key,
                "reference": ours.entry.reference,
                "amount": ours.amount,
            }
        )
    ledger_net = _clearing(ends)
    reports = []
    for currency in sorted(gateway_net.keys() | ledger_net.keys() | details.keys()):
        report, _ = TieOut.objects.update_or_create(
            day=day,
            currency=currency,
            defaults={
                "gateway_net": gateway_net.get(currency, 0),
                "ledger_net": ledger_net.get(currency, 0),
                "details": details[currency],
                "made_at": now,
            },
        )
        reports.append(report)
        if report.difference or report.details:
            logger.error(
                "The books differ from the gateway's.",
                extra={"day": str(day), "currency": currency, "difference": report.difference},
            )
    return reports


def _match_again() -> None:
    for theirs in GatewayTransaction.objects.filter(verdict__in=[Verdict.UNKNOWN, Verdict.DIFFERS]):
        amounts = JournalLine.objects.filter(
            account=Account.CLEARING, entry__reference=theirs.reference, amount=theirs.amount
        )
        if theirs.reference and amounts.exists():
            theirs.verdict = Verdict.MATCHED
            theirs.save(update_fields=["verdict"])


def _unanswered(ends: datetime) -> Iterable[JournalLine]:
    """Answer our movements of money of which the gateway knows nothing."""
    theirs = GatewayTransaction.objects.filter(reference=OuterRef("entry__reference"), amount=OuterRef("amount"))
    return (
        JournalLine.objects.filter(~Exists(theirs), account=Account.CLEARING, entry__booked_at__lt=ends)
        .exclude(entry__reference="")
        .select_related("entry")
        .order_by("pk")[:BATCH]
    )


def _clearing(ends: datetime) -> dict[str, int]:
    """Answer our clearing account by currency, at the times at which the gateway moved what it knows of.

    What was booked after midnight for a movement before it would differ every day otherwise.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLEARING, {"ends": ends})
        return {currency: int(amount) for currency, amount in cursor.fetchall()}
