"""Money that people want back, from us or through their banks, and who decides about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from random import Random

import httpx

from billing.models import Dispute, Invoice, PaymentAttempt, Refund
from billing.services import refunds
from local.simulation.people.person import Person
from local.simulation.world import World

DECIDED_AFTER = timedelta(days=20)
WON = 0.4
TRIED_AGAIN, NOT_OWED = 0.6, 0.9


class Claims:
    """What people want back."""

    def __init__(self, world: World, dashboard: httpx.Client) -> None:
        self.world = world
        self.dashboard = dashboard

    def _paid(self, person: Person) -> Invoice | None:
        paid = Invoice.objects.filter(account=person.account_id, status=Invoice.Status.PAID, total__gt=0)
        return paid.order_by("-pk").first()

    def be_refunded(self, person: Person, chance: Random) -> object:
        invoice = self._paid(person)
        if invoice is None:
            return False
        # One in four pays it again.
        ask = refunds.request if chance.randrange(4) else refunds.request_owed_again
        asked = ask(
            invoice_id=invoice.pk,
            amount=max(1, invoice.total // chance.randrange(1, 4)),
            reason="simulated",
            by="staff:1",
            now=self.world.now,
        )
        if asked.state == Refund.State.REQUESTED:
            refunds.approve(refund_id=asked.pk, by="staff:2")
        return True

    def dispute(self, person: Person, chance: Random) -> object:
        charged = PaymentAttempt.objects.filter(
            invoice__account=person.account_id, state=PaymentAttempt.State.SUCCEEDED
        ).exclude(gateway_id="")  # fmt: skip
        attempt = charged.order_by("-pk").first()
        if attempt is None:
            return False
        intent = self.dashboard.get(f"/v1/payment_intents/{attempt.gateway_id}").json()
        try:
            self.world.control.dispute(
                intent["latest_charge"], chance.choices(["fraudulent", "unrecognized", "inquiry"], [2, 1, 1])[0]
            )
        except ValueError:
            # Disputed or given back already.
            return False
        return True

    def answer_refunds(self, now: datetime) -> None:
        """Let staff answer refunds that failed: most are tried again, and some that came back twice are paid otherwise."""
        chance = self.world.chance("refunds", now.date())
        for refund in Refund.objects.unanswered().order_by("pk"):
            self.world.attempt("refunds answered", partial(self._answer, refund, chance.random(), now))

    def _answer(self, refund: Refund, drawn: float, now: datetime) -> object:
        if drawn < TRIED_AGAIN:
            again = refunds.retry(refund_id=refund.pk, by="staff:1", now=now)
            return again.state != Refund.State.REQUESTED or refunds.approve(refund_id=again.pk, by="staff:2")
        how = Refund.Answer.DISMISSED if drawn > NOT_OWED else Refund.Answer.PAID_OTHERWISE
        return refunds.answer(refund_id=refund.pk, how=how, reason="simulated", by="staff:2", now=now)

    def decide_disputes(self, now: datetime) -> None:
        """Let banks decide what has been open for weeks."""
        ripe = Dispute.objects.filter(closed_at=None, opened_at__lt=now - DECIDED_AFTER).order_by("pk")
        chance = self.world.chance("disputes", now.date())
        for gateway_id in ripe.values_list("gateway_id", flat=True):
            try:
                self.world.control.decide(gateway_id, won=chance.random() < WON)
            except ValueError:
                continue
            self.world.acts["disputes decided"] += 1
