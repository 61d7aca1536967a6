"""What decisions about a batch of due subscriptions need to know, read set-wise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Max, Q

from billing import rules
from billing.models import (
    Invoice,
    Outage,
    PaymentAttempt,
    PaymentCustomer,
    PaymentMethod,
    Price,
    Subscription,
    SubscriptionTransition,
)
from billing.rules import Status
from billing.selectors import whereabouts
from billing.services import plans

SHORTEST_PERIOD = timedelta(days=28)


class Facts:
    """What decisions about a batch need to know, read set-wise."""

    def __init__(self, subscriptions: list[Subscription], *, now: datetime) -> None:
        self.subscriptions = subscriptions
        ids = [subscription.pk for subscription in subscriptions]
        accounts = [subscription.account_id for subscription in subscriptions]
        self.prices = Price.objects.select_related("plan").in_bulk(
            {each.pending_price_id or each.price_id for each in subscriptions}
            | {each.price_id for each in subscriptions}
        )
        self.cards = {
            card.account_id: card for card in PaymentMethod.objects.filter(account__any=accounts, is_default=True)
        }
        self.customers = dict(
            PaymentCustomer.objects.filter(account__any=accounts).values_list("account_id", "gateway_id")
        )
        self.invoices_today = dict(
            Invoice.objects.filter(
                subscription__any=ids, kind=Invoice.Kind.PERIOD, finalised_at__gt=now - timedelta(days=1), total__gt=0
            )
            .values_list("subscription")
            .annotate(Count("pk"))
            .order_by()
        )
        # Only these can have something open; looking for the others would cost a query a batch for nothing.
        unpaid = [each.pk for each in subscriptions if each.next_step != rules.Step.RENEW or each.claimed_until]
        self.new_prices = plans.noticed_prices(
            [each for each in subscriptions if self.prices[each.price_id].superseded_at is not None]
        )
        self.moves = whereabouts.moves(subscriptions)
        self.open_invoices: dict[UUID, Invoice] = {}
        self.open_attempts: dict[UUID, PaymentAttempt] = {}
        self.tries: dict[UUID, int] = {}
        self.exhausted: set[UUID] = set()
        self.outages: list[Outage] = []
        self.holds: dict[UUID, list[rules.Stretch]] = {}
        self._read_without_service(now=now)
        if unpaid:
            self._read_unpaid(unpaid)
            self._choose_cards(now=now)

    def _read_unpaid(self, unpaid: Sequence[UUID]) -> None:
        self.open_invoices = {
            invoice.subscription_id: invoice
            for invoice in Invoice.objects.select_related("period").filter(
                subscription__in=unpaid, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD
            )
            if invoice.subscription_id is not None
        }
        self.open_attempts = {
            attempt.invoice.subscription_id: attempt
            for attempt in PaymentAttempt.objects.select_related("invoice").filter(
                invoice__in=[invoice.pk for invoice in self.open_invoices.values()],
                state__in=PaymentAttempt.OPEN,
            )
            if attempt.invoice.subscription_id is not None
        }
        self.tries = dict(
            PaymentAttempt.objects.filter(invoice__in=[invoice.pk for invoice in self.open_invoices.values()])
            .values_list("invoice")
            .annotate(Max("n"))
            .order_by()
        )

    def is_down(self, subscription: Subscription, *, now: datetime) -> bool:
        """Answer whether the service is away from a subscriber at this moment."""
        return any(outage.starts_at <= now and outage.ends_at is None for outage in self._outages_of(subscription))

    def without_service(self, subscription: Subscription) -> list[rules.Stretch]:
        """Answer when a subscriber could not watch since the last paid period: outages, and being on hold."""
        outages = [
            rules.Stretch(outage.starts_at, outage.ends_at)
            for outage in self._outages_of(subscription)
            if outage.ends_at is not None
        ]
        return outages + self.holds.get(subscription.pk, [])

    def _outages_of(self, subscription: Subscription) -> list[Outage]:
        return [outage for outage in self.outages if outage.country in {"", subscription.country}]

    def _read_without_service(self, *, now: datetime) -> None:
        paid_through = {each.pk: each.paid_through for each in self.subscriptions if each.paid_through}
        self.outages = list(
            Outage.objects.reaching_into(min(paid_through.values(), default=now), now) if paid_through else []
        )
        # A period that is over has lasted a month; for the others nothing is forgiven.
        late = [key for key, until in paid_through.items() if until <= now - SHORTEST_PERIOD]
        began: dict[UUID, datetime] = {}
        for subscription_id, to_status, at in (
            SubscriptionTransition.objects.filter(
                Q(from_status=Status.ON_HOLD) | Q(to_status=Status.ON_HOLD), subscription__in=late
            )
            .exclude(from_status=F("to_status"))
            .order_by("at", "pk")
            .values_list("subscription_id", "to_status", "at")
            if late
            else []
        ):
            if to_status == Status.ON_HOLD:
                began[subscription_id] = at
            elif subscription_id in began:
                self.holds.setdefault(subscription_id, []).append(rules.Stretch(began.pop(subscription_id), at))

    def _choose_cards(self, *, now: datetime) -> None:
        """Let backup cards take turns with defaults that were declined, and leave out what a network forbids."""
        backups = {
            card.account_id: card
            for card in PaymentMethod.objects.filter(
                account__in=[invoice.account_id for invoice in self.open_invoices.values()], is_backup=True
            )
        }
        exhausted = self._read_exhausted([*self.cards.values(), *backups.values()], now=now)
        for invoice in self.open_invoices.values():
            default, backup = self.cards.get(invoice.account_id), backups.get(invoice.account_id)
            if default is None or backup is None:
                continue
            first, second = (
                (backup, default) if rules.turn_of_backup(tries=self.tries.get(invoice.pk, 0)) else (default, backup)
            )
            self.cards[invoice.account_id] = second if first.pk in exhausted else first
        self.exhausted = {account_id for account_id, card in self.cards.items() if card.pk in exhausted}

    def _read_exhausted(self, cards: Sequence[PaymentMethod], *, now: datetime) -> set[UUID]:
        """Find the cards that were declined as often as their network allows, under whatever account."""
        # Looked up apart: together they would read all attempts there are.
        names = {card.pk: card.gateway_id for card in cards if not card.fingerprint}
        names |= dict(
            PaymentMethod.objects.filter(
                fingerprint__in=[card.fingerprint for card in cards if card.fingerprint]
            ).exclude(fingerprint="").values_list("pk", "fingerprint")
        )  # fmt: skip
        declined: dict[str, list[datetime]] = defaultdict(list)
        for card_id, at in PaymentAttempt.objects.filter(
            payment_method__in=names, state=PaymentAttempt.State.FAILED, settled_at__gt=now - rules.LIMITS_LOOK_BACK
        ).values_list("payment_method", "settled_at"):
            if at is not None:
                declined[names[card_id]].append(at)
        return {
            card.pk
            for card in cards
            if rules.card_exhausted(
                brand=card.brand, declined_at=declined[card.fingerprint or card.gateway_id], now=now
            )
        }
