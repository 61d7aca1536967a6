"""Changes of plan and of status."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from billing import rules
from billing.models import Invoice, InvoiceLine, Period, Subscription, SubscriptionTransition
from billing.rules import Status
from billing.services import invoicing
from local.simulation.invariants.checking import Check, Checked


class Changes:
    """What must hold of changes."""

    def checks(self) -> tuple[Check, ...]:
        """Name them all."""
        return (
            ("4.4", "a change and its reverse on the same day net 0", self.reversed_at_once),
            ("4.5", "states follow the state machine", self.transitions),
        )

    def reversed_at_once(self) -> Checked:
        checked, broken = 0, []
        for invoice, unused, debit in self._plain_changes():
            subscription = invoice.subscription
            period = Period.objects.filter(
                subscription=subscription, start__lte=invoice.created_at, end__gt=invoice.created_at
            ).first()
            if not subscription or period is None or unused.price is None or debit.service_start is None:
                continue
            ends = period.end.astimezone(ZoneInfo(subscription.billing_tz)).date()
            if debit.service_start == debit.service_end or debit.service_end != ends:
                # On its last day nothing is left to prorate; or it was cut short by another change since.
                continue
            checked += 1
            back = invoicing.quote_lines(
                subscription, paid=[debit], price=unused.price, period=period, on=debit.service_start
            )
            if (net := invoice.total + sum(line["amount"] for line in back)) != 0:
                broken.append(f"invoice {invoice.number}: {net}")
        return checked, broken

    def _plain_changes(self) -> Iterator[tuple[Invoice, InvoiceLine, InvoiceLine]]:
        """Answer the changes of plan that credit one line in full: undiscounted, of its own list price."""
        changes = Invoice.objects.filter(
            kind="change", status="paid", quote__restarts_at=None, refunds=None
        ).select_related("subscription").prefetch_related("lines__price__plan")  # fmt: skip
        for invoice in changes:
            credits_ = [line for line in invoice.lines.all() if line.kind == InvoiceLine.Kind.UNUSED]
            debits = [line for line in invoice.lines.all() if line.kind == InvoiceLine.Kind.PLAN]
            if len(credits_) != 1 or len(debits) != 1 or credits_[0].price is None:
                continue
            credited = InvoiceLine.objects.select_related("price").get(pk=credits_[0].derivation["line"])
            is_plain = (
                credited.discount == 0
                and not credited.invoice.refunds.exists()
                and credits_[0].price.intro_periods is None
                and credited.invoice.kind == Invoice.Kind.PERIOD
            )
            if is_plain:
                yield invoice, credits_[0], debits[0]

    def transitions(self) -> Checked:
        checked, broken = 0, []
        made = SubscriptionTransition.objects.order_by("subscription", "pk")
        for subscription, of in groupby(made, key=attrgetter("subscription_id")):
            state = ""
            for transition in of:
                checked += 1
                before, after = transition.from_status, transition.to_status
                is_step = not before or before == after or rules.may_become(Status(before), Status(after))
                if before != state or not is_step:
                    broken.append(f"subscription {subscription}: {state}, then {before} to {after}")
                state = after
        ended = Subscription.objects.in_bulk()
        return checked + len(ended), broken
