"""One customer who does anything in any order, over months: what they pay is what they were shown, and no more.

The simulation lives through many customers with what is likely; here it is one, with what is not. `make fuzz` makes it
a long one.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from os import environ
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from billing import rules, selectors, stripe_gateway
from billing.models import (
    Coupon,
    CreditGrant,
    Dispute,
    Invoice,
    PaymentAttempt,
    PaymentMethod,
    Plan,
    Price,
    Quote,
    RecognisedDay,
    Refund,
    Subscription,
)
from billing.places import Place
from billing.rules import Status
from billing.services import (
    card_care,
    cards,
    changes,
    crediting,
    documents,
    forecasts,
    gift_codes,
    gifts,
    notices,
    pauses,
    payments,
    plans,
    recognition,
    refunds,
    renewals,
    returning,
    subscriptions,
    trials,
    webhooks,
    withdrawals,
)
from billing.services.gifts import Wanted
from billing.services.plans import Terms
from core.errors import DomainError
from core.idempotency import RequestKey
from local.client import Browser, Refused
from local.simulation.invariants import Invariants
from tests.factories.accounts import AccountFactory
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

BEGINS = datetime(2026, 1, 31, 15, 20, 0, 500_000, tzinfo=UTC)
GOOD, POOR, ASKS = "4242424242424242", "4000000000000341", "4000002760003184"
COUNTS: Counter[str] = Counter()
LONG = int(environ.get("FUZZ_EXAMPLES", "0"))


class Life(RuleBasedStateMachine):
    """A customer in Germany, whose acts are drawn."""

    standin: Standin

    @initialize(zone=st.sampled_from(["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"]))
    def begin(self, zone: str) -> None:
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.standin.control.reset()
        self.gateway = stripe_gateway.connect()
        self.browser = Browser(api_base=self.standin.url, publishable_key="pk_test_throwaway")
        self.zone, self.keys = zone, 0
        self.move_clock(BEGINS)
        RecognisedDay.objects.create(day=BEGINS.date() - timedelta(days=1), closed_at=BEGINS)
        self.prices = []
        for tier, amount in ((1, 799), (2, 1399), (3, 1999)):
            plan = PlanFactory.create(code=f"p{tier}", name=f"Plan {tier}", tier=tier)
            for interval, times in (("month", 1), ("year", 10)):
                for country, currency, more in (("DE", "EUR", 0), ("FR", "EUR", 100), ("US", "USD", 200)):
                    self.prices.append(
                        PriceFactory.create(
                            plan=plan,
                            interval=interval,
                            country=country,
                            currency=currency,
                            amount=(amount + more) * times,
                            tax_behavior="exclusive" if country == "FR" else "inclusive",
                            trial_days=7 if tier == 1 else 0,
                            intro_amount=99 if (tier, interval) == (2, "month") else None,
                            intro_periods=2 if (tier, interval) == (2, "month") else None,
                        )
                    )
        Coupon.objects.create(code="HALF", percent=50, periods=3)
        Coupon.objects.create(code="FREE", percent=100, periods=1)
        Coupon.objects.create(code="FIVE", amount=500, currency="EUR")
        self.account: User = AccountFactory.create(country="DE")
        self.country = "DE"

    def teardown(self) -> None:
        if hasattr(self, "atomic"):
            self.browser.http.close()
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    # ---------------------------------------------------------------- how it is done

    def move_clock(self, now: datetime) -> None:
        self.now = now
        self.standin.control.set_clock(int(now.timestamp()))

    @property
    def by(self) -> str:
        return f"account:{self.account.pk}"

    def key(self) -> RequestKey:
        self.keys += 1
        return RequestKey.of(account_id=self.account.pk, operation="any", key=str(self.keys), body=None)

    def tried(self, act: Callable[[], object]) -> Any:
        """Do something that may be refused."""
        caller = sys._getframe(1).f_code.co_name
        try:
            done = act()
        except DomainError as refusal:
            COUNTS[f"{caller}: {refusal.code}"] += 1
            return None
        COUNTS[caller] += 1
        return done

    def current(self) -> Subscription | None:
        return (
            Subscription.objects.live()
            .select_related("price__plan", "pending_price__plan")
            .filter(account=self.account)
            .first()
        )

    def offered(self, tier: int, interval: str) -> Price | None:
        subscription = self.current()
        country = subscription.country if subscription else self.country
        for offer in selectors.offers(country=country):
            for price in offer.prices:
                if (offer.plan.tier, price.interval) == (tier, interval):
                    return price
        return None

    @property
    def is_live(self) -> bool:
        return Subscription.objects.live().filter(account=self.account).exists()

    @property
    def is_away(self) -> bool:
        return not Subscription.objects.live().filter(account=self.account).exclude(status="incomplete").exists()

    @property
    def is_away_or_paused(self) -> bool:
        present = Subscription.objects.live().filter(account=self.account)
        stays = present.filter(status__in=["active", "trialing", "past_due", "on_hold"], cancel_at=None)
        return Subscription.objects.filter(account=self.account).exists() and not stays.exists()

    @property
    def has_quote(self) -> bool:
        return Quote.objects.filter(account=self.account).exists()

    @property
    def has_card(self) -> bool:
        return PaymentMethod.objects.usable().filter(account=self.account).exists()

    @property
    def has_paid(self) -> bool:
        return PaymentAttempt.objects.filter(invoice__account=self.account, state="succeeded").exists()

    @property
    def has_dispute(self) -> bool:
        return Dispute.objects.filter(closed_at=None).exists()

    @property
    def is_asked(self) -> bool:
        return PaymentAttempt.objects.filter(invoice__account=self.account, state="requires_action").exists()

    # ---------------------------------------------------------------- cards

    @rule(number=st.sampled_from([GOOD, GOOD, GOOD, POOR, ASKS]))
    def save_card(self, number: str) -> None:
        setup = cards.start_setup(
            account_id=self.account.pk, request_key=self.key(), gateway=self.gateway, now=self.now
        )
        method = self.browser.enter_card(
            setup_intent=setup.setup_intent, client_secret=setup.client_secret, number=number
        )
        if number == ASKS:
            self.standin.control.authenticate("setup_intent", setup.setup_intent)
        self.standin.control.change_card(method, country=self.country)
        cards.register(account_id=self.account.pk, setup_intent=setup.setup_intent, gateway=self.gateway, now=self.now)

    @precondition(lambda self: self.has_card)
    @rule(backup=st.booleans())
    def choose_other_card(self, backup: bool) -> None:
        other = PaymentMethod.objects.usable().filter(account=self.account, is_default=False).first()
        if other is None:
            return
        if backup:
            self.tried(lambda: card_care.stand_by(account_id=self.account.pk, card_id=other.pk, backup=True))
        else:
            self.tried(lambda: card_care.make_default(account_id=self.account.pk, card_id=other.pk, now=self.now))

    @precondition(lambda self: self.has_card)
    @rule()
    def remove_card(self) -> None:
        card = PaymentMethod.objects.usable().filter(account=self.account, is_default=True).first()
        if card is not None:
            self.tried(
                lambda: card_care.remove(
                    account_id=self.account.pk, card_id=card.pk, gateway=self.gateway, now=self.now
                )
            )

    @precondition(lambda self: self.has_card)
    @rule(behaves=st.sampled_from([GOOD, POOR, ASKS, "4000000000009987"]))
    def bank_changes_its_mind(self, behaves: str) -> None:
        card = PaymentMethod.objects.usable().filter(account=self.account, is_default=True).first()
        if card is not None:
            self.standin.control.change_card(card.gateway_id, behaves_like=behaves)

    @precondition(lambda self: self.is_asked)
    @rule(passed=st.booleans())
    def authenticate(self, passed: bool) -> None:
        attempt = PaymentAttempt.objects.filter(invoice__account=self.account, state="requires_action").first()
        if attempt is None:
            return
        # The customer left the bank's page open: the platform need not have been asked since.
        secret = self.gateway.charge_status(attempt.gateway_id).client_secret
        if not secret:
            return
        try:
            status = self.browser.pay(
                payment_intent=attempt.gateway_id,
                client_secret=secret,
                payment_method=attempt.payment_method.gateway_id,
            )
            if status == "requires_action":
                self.standin.control.authenticate("payment_intent", attempt.gateway_id, passed=passed)
        except (Refused, ValueError):
            pass
        payments.stand(attempt_id=attempt.pk, gateway=self.gateway, now=self.now)

    # ---------------------------------------------------------------- buying

    @precondition(lambda self: self.is_away)
    @rule(
        tier=st.integers(1, 3),
        interval=st.sampled_from(["month", "month", "year"]),
        coupon=st.sampled_from(["", "", "HALF", "FREE", "FIVE"]),
    )
    def subscribe(self, tier: int, interval: str, coupon: str) -> None:
        price = self.offered(tier, interval)
        if price is None:
            return
        said: dict[str, Any] = {"account_id": self.account.pk, "price_id": price.pk, "billing_tz": self.zone}
        quoted = self.tried(lambda: forecasts.purchase(**said, place=Place(self.country), coupon=coupon, now=self.now))
        if quoted is None:
            return
        self.tried(
            lambda: subscriptions.subscribe(
                **said,
                quoted_amount=quoted.first.total,
                quoted_due=quoted.tender.due,
                country=self.country,
                seen=self.country,
                request_key=self.key(),
                gateway=self.gateway,
                now=self.now,
                by=self.by,
                coupon=coupon,
            )
        )

    @precondition(lambda self: self.is_away)
    @rule(coupon=st.sampled_from(["", "HALF"]))
    def try_it(self, coupon: str) -> None:
        price = self.offered(1, "month")
        if price is not None:
            self.tried(
                lambda: trials.start(
                    account_id=self.account.pk,
                    price_id=price.pk,
                    country=self.country,
                    seen=self.country,
                    billing_tz=self.zone,
                    request_key=self.key(),
                    now=self.now,
                    by=self.by,
                    coupon=coupon,
                )
            )

    # ---------------------------------------------------------------- changing

    @precondition(lambda self: self.is_live)
    @rule(tier=st.integers(1, 3), interval=st.sampled_from(["month", "month", "year"]))
    def ask_for_a_quote(self, tier: int, interval: str) -> None:
        price = self.offered(tier, interval)
        if price is not None:
            self.tried(lambda: changes.quote(account_id=self.account.pk, price_id=price.pk, now=self.now))

    @precondition(lambda self: self.has_quote)
    @rule(newest=st.booleans())
    def accept_a_quote(self, newest: bool) -> None:
        quote = Quote.objects.filter(account=self.account).order_by("-pk" if newest else "pk").first()
        if quote is None:
            return
        before = quote.invoice_id
        self.tried(
            lambda: changes.accept(
                account_id=self.account.pk,
                quote_id=quote.pk,
                request_key=self.key(),
                gateway=self.gateway,
                now=self.now,
            )
        )
        quote.refresh_from_db()
        if quote.invoice is not None and before is None:
            assert (quote.invoice.total, quote.invoice.due) == (quote.total, quote.due)
            assert self.now < quote.expires_at

    @precondition(lambda self: self.is_live)
    @rule(tier=st.integers(1, 3), interval=st.sampled_from(["month", "month", "year"]))
    def upgrade(self, tier: int, interval: str) -> None:
        self.ask_for_a_quote(tier, interval)
        self.accept_a_quote(newest=True)

    @precondition(lambda self: self.is_live)
    @rule(tier=st.integers(1, 3), interval=st.sampled_from(["month", "month", "year"]))
    def change_with_the_next_period(self, tier: int, interval: str) -> None:
        price = self.offered(tier, interval)
        if price is not None:
            self.tried(
                lambda: changes.downgrade(account_id=self.account.pk, price_id=price.pk, now=self.now, by=self.by)
            )

    @rule(tier=st.integers(1, 3), more=st.integers(-200, 300), for_all=st.booleans())
    def price_changes(self, tier: int, more: int, for_all: bool) -> None:
        present = Price.objects.current().get(plan__tier=tier, interval="month", country="DE")
        plans.set_price(
            plan_id=present.plan_id,
            currency=present.currency,
            country=present.country,
            interval=rules.Interval.MONTH,
            amount=max(300, present.amount + more),
            tax_behavior=Price.TaxBehavior(present.tax_behavior),
            now=self.now,
            terms=Terms(
                trial_days=present.trial_days,
                intro_amount=present.intro_amount,
                intro_periods=present.intro_periods,
                applies_to_existing_from=self.now.date() if for_all else None,
                notice_days=10,
            ),
        )

    @rule(tier=st.integers(1, 3), on_sale=st.booleans())
    def plan_is_retired(self, tier: int, on_sale: bool) -> None:
        Plan.objects.filter(tier=tier).update(on_sale=on_sale)

    @rule(
        place=st.sampled_from([("DE", "10115"), ("DE", "78266"), ("FR", "75001"), ("US", "10001"), ("DE", "")]),
        with_card=st.booleans(),
    )
    def move(self, place: tuple[str, str], with_card: bool) -> None:
        self.country = place[0]
        if with_card:
            card = PaymentMethod.objects.usable().filter(account=self.account, is_default=True).first()
            if card is not None:
                self.standin.control.change_card(card.gateway_id, country=place[0])
                card_care.refresh(gateway_id=card.gateway_id, gateway=self.gateway)
        self.tried(
            lambda: documents.set_billing_details(
                account_id=self.account.pk,
                name="Somebody",
                address="",
                tax_id="",
                postal_code=place[1],
                country=place[0],
                now=self.now,
            )
        )

    # ---------------------------------------------------------------- leaving and coming back

    @precondition(lambda self: self.is_live)
    @rule()
    def cancel(self) -> None:
        self.tried(
            lambda: subscriptions.cancel(account_id=self.account.pk, gateway=self.gateway, now=self.now, by=self.by)
        )

    @precondition(lambda self: self.is_live)
    @rule()
    def undo_cancel(self) -> None:
        self.tried(lambda: subscriptions.undo_cancel(account_id=self.account.pk, now=self.now, by=self.by))

    @precondition(lambda self: self.is_live)
    @rule(months=st.integers(1, 3))
    def pause(self, months: int) -> None:
        self.tried(lambda: pauses.pause(account_id=self.account.pk, months=months, now=self.now, by=self.by))

    @precondition(lambda self: self.is_live)
    @rule()
    def undo_pause(self) -> None:
        self.tried(lambda: pauses.undo(account_id=self.account.pk, now=self.now, by=self.by))

    @precondition(lambda self: self.is_away_or_paused)
    @rule()
    def come_back(self) -> None:
        try:
            offer = returning.offer(account_id=self.account.pk, place=Place(self.country), now=self.now)
        except DomainError:
            return
        try:
            returning.reactivate(
                account_id=self.account.pk,
                quoted_amount=offer.amount,
                quoted_due=offer.tender.due,
                country=self.country,
                seen=self.country,
                request_key=self.key(),
                gateway=self.gateway,
                now=self.now,
                by=self.by,
            )
        except subscriptions.QuoteChanged as changed:
            raise AssertionError(f"offered {offer.amount} {offer.price}, then {changed}") from changed
        except DomainError:
            pass

    @precondition(lambda self: self.is_live)
    @rule()
    def withdraw(self) -> None:
        self.tried(lambda: withdrawals.withdraw(account_id=self.account.pk, now=self.now, by=self.by))

    # ---------------------------------------------------------------- money

    @precondition(lambda self: self.has_paid)
    @rule(share=st.sampled_from([1, 2, 3, 7]), oldest=st.booleans())
    def be_refunded(self, share: int, oldest: bool) -> None:
        self._ask_back(refunds.request, share, oldest=oldest)

    @precondition(lambda self: self.has_paid)
    @rule(share=st.sampled_from([1, 2, 7]), oldest=st.booleans())
    def owe_again(self, share: int, oldest: bool) -> None:
        self._ask_back(refunds.request_owed_again, share, oldest=oldest)

    def _ask_back(self, request: Callable[..., Refund], share: int, *, oldest: bool) -> None:
        paid = Invoice.objects.filter(account=self.account, status="paid", total__gt=0)
        invoice = paid.order_by("pk" if oldest else "-pk").first()
        if invoice is None:
            return

        def ask() -> None:
            amount = max(1, invoice.total // share)
            asked = request(invoice_id=invoice.pk, amount=amount, reason="asked", by="staff:1", now=self.now)
            if asked.state == Refund.State.REQUESTED:
                refunds.approve(refund_id=asked.pk, by="staff:2")

        self.tried(ask)

    @rule(amount=st.integers(1, 3000))
    def be_credited(self, amount: int) -> None:
        subscription = self.current()
        crediting.request_goodwill(
            account_id=self.account.pk,
            amount=amount,
            currency=subscription.price.currency if subscription else "EUR",
            reason="goodwill",
            by="staff:1",
            now=self.now,
        )

    @precondition(lambda self: self.has_card)
    @rule(amount=st.sampled_from([1000, 2500]))
    def buy_and_redeem_a_gift(self, amount: int) -> None:
        bought = self.tried(
            lambda: gifts.buy(
                account_id=self.account.pk,
                wanted=Wanted(amount=amount, currency="EUR", language="en"),
                country="DE",
                request_key=self.key(),
                gateway=self.gateway,
                now=self.now,
            )
        )
        if bought is not None:
            self.tried(
                lambda: gifts.redeem(account_id=self.account.pk, code=gift_codes.code_of(bought.gift), now=self.now)
            )

    @precondition(lambda self: self.has_paid)
    @rule(reason=st.sampled_from(["fraudulent", "inquiry"]), oldest=st.booleans())
    def dispute(self, reason: str, oldest: bool) -> None:
        charges = self.standin.control.charges()
        if charges:
            with suppress(ValueError):
                self.standin.control.dispute(charges[0 if oldest else -1]["id"], reason)

    @precondition(lambda self: self.has_dispute)
    @rule(won=st.booleans(), oldest=st.booleans())
    def decide(self, won: bool, oldest: bool) -> None:
        open_ = Dispute.objects.filter(closed_at=None).order_by("pk" if oldest else "-pk").first()
        if open_ is not None:
            with suppress(ValueError):
                self.standin.control.decide(open_.gateway_id, won=won)

    # ---------------------------------------------------------------- time

    @rule(hours=st.sampled_from([0, 1, 30]))
    def hours_pass(self, hours: int) -> None:
        self.move_clock(self.now + timedelta(hours=hours))
        self.work()

    @rule(days=st.sampled_from([1, 2, 6, 15, 28, 31, 62]))
    def days_pass(self, days: int) -> None:
        until = self.now + timedelta(days=days)
        while True:
            due = (
                Subscription.objects.live()
                .filter(account=self.account, parked_at=None, next_bill_at__gt=self.now, next_bill_at__lt=until)
                .values_list("next_bill_at", flat=True)
                .first()
            )
            self.move_clock(due or until)
            self.work()
            if due is None:
                break

    def work(self) -> None:
        """Do what beat has done; what is billed then is what was shown before."""
        notices.announce_prices(now=self.now, limit=100)
        notices.remind(now=self.now, limit=100)
        shown = self.next_bill()
        known = set(Invoice.objects.values_list("pk", flat=True))
        renewals.run(gateway=self.gateway, clock=lambda: self.now, limit=100)
        billed = Invoice.objects.filter(kind="period").exclude(pk__in=known)
        if shown is not None and billed:
            assert [(each.total, each.due, each.currency) for each in billed] == [shown]
        for minutes in (2, 4):
            payments.sweep(gateway=self.gateway, now=self.now + timedelta(minutes=minutes))
        refunds.sweep(gateway=self.gateway, now=self.now)
        webhooks.fill_holes(gateway=self.gateway, livemode=False, now=self.now)
        while webhooks.process_due(gateway=self.gateway, now=self.now):
            pass
        gifts.expire_due(now=self.now)
        recognition.recognise_due(now=self.now)

    def next_bill(self) -> tuple[int, int, str] | None:
        subscription = self.current()
        if subscription is None or subscription.status not in {Status.ACTIVE, Status.TRIALING, Status.PAUSED}:
            return None
        bill = forecasts.next_bill(subscription, now=self.now)
        return (bill.amount, bill.tender.due, bill.currency) if bill else None

    # ---------------------------------------------------------------- what must hold

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "atomic"):
            return
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        self.conserves_money()
        self.what_is_paid_for_is_delivered()
        charges = self.standin.control.charges()
        looked_at = Invariants(now=self.now, charges=charges, reports=[], named=(0, []), entitlements=(0, []))
        left_out = {
            # Asked of what has had its time.
            "nothing that was due is missed",
            "every event is applied",
            "an attempt has its outcome, and an invoice one open attempt",
            "a payment that succeeded is in the gateway's books",
            "grace and hold end in time",
        }
        broken = [
            f"{found.name}: {found.broken}"
            for found in looked_at.findings()
            if found.broken and found.name not in left_out
        ]
        assert not broken

    def conserves_money(self) -> None:
        """What was given back and what is owed to the customer is never more than what they paid and were given."""
        paid: Counter[str] = Counter()
        back: Counter[str] = Counter()
        for attempt in PaymentAttempt.objects.filter(state="succeeded").select_related("invoice"):
            paid[attempt.invoice.currency] += attempt.invoice.due
        for grant in CreditGrant.objects.filter(kind__in=["gift", "goodwill"], state="granted"):
            paid[grant.currency] += grant.amount
        for refund in Refund.objects.exclude(attempt=None).filter(state__in=[*Refund.OPEN, "succeeded"]):
            back[refund.currency] += refund.amount
        for dispute in Dispute.objects.filter(status="lost"):
            back[dispute.currency] += dispute.amount
        for grant in CreditGrant.objects.filter(remaining__gt=0):
            back[grant.currency] += grant.remaining
        for currency in back:
            assert back[currency] <= paid[currency], (back, paid)

    def what_is_paid_for_is_delivered(self) -> None:
        """A cancellation never comes before the end of what is paid for."""
        subscription = self.current()
        if subscription is not None and subscription.cancel_at and subscription.paid_through:
            assert subscription.cancel_at >= subscription.paid_through


@pytest.mark.django_db
@pytest.mark.rule("4.23")
def test_a_customer_who_does_anything_in_any_order(standin: Standin) -> None:
    Life.standin = standin
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=LONG or 2,
            stateful_step_count=40 if LONG else 20,
            deadline=None,
            # The short form proves that these sequences go well; what goes wrong is looked for in the long one.
            derandomize=not LONG,
            # An example takes seconds, and its steps are told: the shortest that fails would take an hour.
            phases=(Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
    if LONG:
        print(dict(sorted(COUNTS.items())))  # noqa: T201 - for whoever runs it with -s
