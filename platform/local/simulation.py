"""Months of billing in minutes: the real services against the stand-in, with a driven clock.

Every choice is drawn from one seed. Afterwards the invariants are checked against the stand-in's own books.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Count, F, Max, Sum

from billing import selectors, stripe_gateway
from billing.models import (
    Invoice,
    JournalEntry,
    JournalLine,
    NumberSeries,
    PaymentAttempt,
    Period,
    Price,
    Refund,
    RevenueSchedule,
    Subscription,
    TieOut,
)
from billing.services import cards, changes, payments, recognition, refunds, renewals, subscriptions, tie_out, webhooks
from core.errors import DomainError
from core.idempotency import RequestKey
from local.client import confirm_card
from local.demo import offers
from local.standin.control import Control

BEGINS = datetime(2027, 1, 29, 9, 30, tzinfo=UTC)
"""Ahead of the machine's clock, and before a month's end that is short."""
GOOD, DECLINED, AUTHENTICATION = "4242424242424242", "4000000000000341", "4000002760003184"
COUNTRIES = ("US", "DE", "JP", "FR")
SIGN_UP_DAYS = 28


class Simulation:
    """One run."""

    def __init__(self, control: Control, *, accounts: int, months: int, seed: int) -> None:
        self.control = control
        self.accounts = accounts
        self.days = months * 30
        self.chance = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self.gateway = stripe_gateway.connect()
        self.now = BEGINS
        self.acts: Counter[str] = Counter()
        self.people: list[tuple[str, str]] = []

    def run(self) -> None:
        """Live through all days."""
        offers.offer(now=BEGINS)
        signing_up = Counter(self.chance.randrange(SIGN_UP_DAYS) for _ in range(self.accounts))
        outage = 0
        for day in range(self.days):
            self.now = BEGINS + timedelta(days=day, minutes=self.chance.randrange(600))
            self.control.set_clock(int(self.now.timestamp()))
            for _ in range(signing_up[day]):
                self._attempt("signed_up", self._sign_up)
            if outage == 0 and self.chance.random() < 0.02:
                # Nobody bills for some days, and then all that fell due is caught up.
                outage = self.chance.randrange(1, 4)
                self.acts["outages"] += 1
            if outage:
                outage -= 1
                continue
            if self.chance.random() < 0.1:
                kind = self.chance.choice(["lost_reply", "error_after", "rate_limited", "refused"])
                self.control.fault(kind, path="/v1/payment_intents", times=2)
                self.acts["faults"] += 1
            self._work()
            for account, _ in self.people:
                self._act(account)
        self._settle_all()

    def _work(self) -> None:
        """Do what beat does in a day."""
        self.acts["renewals"] += len(renewals.run(gateway=self.gateway, clock=lambda: self.now, limit=10_000))
        for minutes in (2, 4):
            payments.sweep(gateway=self.gateway, now=self.now + timedelta(minutes=minutes))
        refunds.sweep(gateway=self.gateway, now=self.now)
        webhooks.fill_holes(gateway=self.gateway, livemode=False, now=self.now)
        while webhooks.process_due(gateway=self.gateway, now=self.now):
            pass
        recognition.recognise_due(now=self.now)

    def _settle_all(self) -> None:
        self.control.clear()
        for _ in range(3):
            self.now += timedelta(hours=1)
            self.control.set_clock(int(self.now.timestamp()))
            self._work()

    # ------------------------------------------------ what people do

    def _attempt(self, what: str, act: object, *arguments: str) -> None:
        try:
            act(*arguments)  # type: ignore[operator]
        except DomainError as refusal:
            self.acts[f"refused_{refusal.code}"] += 1
        else:
            self.acts[what] += 1

    def _act(self, account: str) -> None:
        drawn = self.chance.random()
        if drawn < 0.002:
            self._attempt("cancelled", self._cancel, account)
        elif drawn < 0.004:
            self._attempt("upgraded", self._change, account, "premium")
        elif drawn < 0.006:
            self._attempt("downgraded", self._downgrade, account)
        elif drawn < 0.012:
            self._attempt(
                "new_cards", self._save_card, account, self.chance.choice([GOOD, GOOD, DECLINED, AUTHENTICATION])
            )
        elif drawn < 0.013:
            self._attempt("refunded", self._refund, account)
        elif drawn < 0.0135:
            self._attempt("disputed", self._dispute, account)

    def _sign_up(self) -> None:
        country = self.chance.choice(COUNTRIES)
        account = get_user_model().objects.create(email=f"sim{len(self.people)}@example.com", country=country)
        self.people.append((str(account.pk), country))
        self._save_card(str(account.pk), GOOD)
        price = self._price(country, self.chance.choice(["basic", "standard"]))
        quoted = price.amount
        for _ in range(2):
            try:
                subscriptions.subscribe(
                    account_id=account.pk,
                    price_id=price.pk,
                    quoted_amount=quoted,
                    country=country,
                    seen=country,
                    billing_tz=self.chance.choice(["UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo"]),
                    request_key=self._key(str(account.pk)),
                    gateway=self.gateway,
                    now=self.now,
                    by=f"account:{account.pk}",
                )
            except subscriptions.QuoteChanged as changed:
                quoted = changed.extra["amount"]
            else:
                return

    def _price(self, country: str, plan: str) -> Price:
        offer = next(offer for offer in selectors.offers(country=country) if offer.plan.code == plan)
        return next(price for price in offer.prices if price.interval == "month")

    def _save_card(self, account: str, number: str) -> None:
        account_id = get_user_model().objects.get(pk=account).pk
        setup = cards.start_setup(
            account_id=account_id, request_key=self._key(account), gateway=self.gateway, now=self.now
        )
        confirm_card(
            api_base=stripe_gateway.api_base(),
            publishable_key=settings.STRIPE_PUBLISHABLE_KEY,
            setup_intent=setup.setup_intent,
            client_secret=setup.client_secret,
            number=number,
        )
        if number == AUTHENTICATION:
            self.control.authenticate("setup_intent", setup.setup_intent)
        cards.register(account_id=account_id, setup_intent=setup.setup_intent, gateway=self.gateway, now=self.now)

    def _cancel(self, account: str) -> None:
        account_id = get_user_model().objects.get(pk=account).pk
        subscriptions.cancel(account_id=account_id, gateway=self.gateway, now=self.now, by=f"account:{account}")

    def _change(self, account: str, plan: str) -> None:
        account_id, country = get_user_model().objects.values_list("pk", "country").get(pk=account)
        quote = changes.quote(account_id=account_id, price_id=self._price(country, plan).pk, now=self.now)
        changes.accept(
            account_id=account_id,
            quote_id=quote.pk,
            request_key=self._key(account),
            gateway=self.gateway,
            now=self.now,
        )

    def _downgrade(self, account: str) -> None:
        account_id, country = get_user_model().objects.values_list("pk", "country").get(pk=account)
        price = self._price(country, "basic")
        changes.downgrade(account_id=account_id, price_id=price.pk, now=self.now, by=f"account:{account}")

    def _refund(self, account: str) -> None:
        invoice = Invoice.objects.filter(account=UUID(account), status=Invoice.Status.PAID).order_by("-pk").first()
        if invoice is not None:
            amount = max(1, invoice.total // self.chance.randrange(1, 4))
            asked = refunds.request(
                invoice_id=invoice.pk, amount=amount, reason="simulated", by="staff:1", now=self.now
            )
            if asked.state == Refund.State.REQUESTED:
                refunds.approve(refund_id=asked.pk, by="staff:2")

    def _dispute(self, account: str) -> None:
        invoices = {str(key) for key in Invoice.objects.filter(account=UUID(account)).values_list("pk", flat=True)}
        charges = [each for each in self.control.charges() if each["metadata"].get("invoice") in invoices]
        if charges:
            try:
                self.control.dispute(self.chance.choice(charges)["id"])
            except ValueError:
                self.acts["refused_dispute"] += 1

    def _key(self, account: str) -> RequestKey:
        account_id = get_user_model().objects.get(pk=account).pk
        return RequestKey.of(account_id=account_id, operation="simulate", key=str(uuid4()), body=None)

    # ------------------------------------------------ what must hold

    def violations(self) -> dict[str, int]:
        """Answer how often each invariant is broken."""
        charged = Counter(charge["metadata"].get("invoice") for charge in self.control.charges())
        paid = {str(key) for key in PaymentAttempt.objects.filter(state="succeeded").values_list("invoice", flat=True)}
        numbers = Counter(
            Invoice.objects.exclude(series=None)
            .order_by()
            .values_list("series", "sequence")
            .values_list("series", flat=True)
        )
        series = dict(NumberSeries.objects.filter(code="INV").values_list("pk", "last"))
        reports = tie_out.tie_out_due(gateway=self.gateway, now=self.now + timedelta(days=2))
        return {
            "invoices charged twice": sum(count > 1 for count in charged.values()),
            "charges without a paid invoice": len(charged.keys() - paid),
            "paid invoices without a charge": len(paid - charged.keys()),
            "gaps in numbers": sum(numbers[key] != last for key, last in series.items()),
            "entries that do not balance": JournalEntry.objects.annotate(sum=Sum("lines__amount"))
            .exclude(sum=0)
            .count(),
            "invoices whose lines are not their total": Invoice.objects.annotate(sum=Sum("lines__amount"))
            .exclude(sum=F("total"))
            .count(),
            "receivable that is not the open invoices": self._receivable_off(),
            "deferred that is not the unserved days": self._deferred_off(),
            "refunds above what was paid": Invoice.objects.filter(refunds__state="succeeded")
            .annotate(back=Sum("refunds__amount"))
            .filter(back__gt=F("total"))
            .count(),
            "periods that begin after the end": Period.objects.filter(start__gte=F("subscription__ended_at")).count(),
            "gaps between periods": self._gaps(),
            "attempts without an outcome": PaymentAttempt.objects.filter(state__in=["created", "sent"]).count(),
            "two attempts of an invoice at once": Invoice.objects.filter(attempts__state__in=PaymentAttempt.OPEN)
            .annotate(open=Count("attempts"))
            .filter(open__gt=1)
            .count(),
            "differences from the gateway": self._last_differences(reports),
        }

    def _receivable_off(self) -> int:
        owed = dict(Invoice.objects.filter(status="open").values_list("currency").annotate(Sum("total")).order_by())
        return self._off("receivable:user", owed)

    def _deferred_off(self) -> int:
        """Compare the account with what schedules have not earned, and what open invoices will owe."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(day) + 1 FROM billing_recognisedday")
            (day,) = cursor.fetchone()
        owed: Counter[str] = Counter()
        for schedule in RevenueSchedule.objects.all():
            # What is posted late counts from its first day.
            earned = recognition.earned_before(schedule, day) if day > schedule.first_day else 0
            owed[schedule.currency] -= schedule.amount - earned
        for currency, total, tax in (
            Invoice.objects.filter(status="open")
            .values_list("currency")
            .annotate(Sum("lines__amount"), Sum("lines__tax"))
        ):
            owed[currency] -= total - tax
        return self._off("deferred_revenue", owed)

    def _off(self, account: str, expected: dict[str, int]) -> int:
        found = dict(
            JournalLine.objects.filter(account=account)
            .values_list("entry__currency")
            .annotate(Sum("amount"))
            .order_by()
        )
        return sum(found.get(currency, 0) != expected.get(currency, 0) for currency in {*found, *expected})

    def _gaps(self) -> int:
        gaps = 0
        for subscription in Subscription.objects.prefetch_related("periods"):
            periods = sorted(subscription.periods.all(), key=lambda period: period.start)
            gaps += sum(before.end != after.start for before, after in pairwise(periods))
        return gaps

    def _last_differences(self, reports: list[TieOut]) -> int:
        last = max((report.day for report in reports), default=None)
        return sum(bool(report.difference or report.details) for report in reports if report.day == last)

    def figures(self) -> dict[str, int]:
        """Answer what was done and how much there is of what."""
        return dict(sorted(self.acts.items())) | {
            "invoices": Invoice.objects.count(),
            "charges": len(self.control.charges()),
            "journal_entries": JournalEntry.objects.count(),
            "last_number": NumberSeries.objects.filter(code="INV").aggregate(last=Max("last"))["last"] or 0,
        }
