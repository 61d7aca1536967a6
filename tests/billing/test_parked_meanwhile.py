"""A charge that never arrived, of a subscription that was parked since: nothing is charged until staff have looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from django.db import connections, transaction

from billing import stripe_gateway
from billing.gateway import ChargeOutcome, DisputeState, Gateway, OutcomeKind
from billing.models import CreditGrant, Invoice, JournalLine, PaymentAttempt, Subscription
from billing.services import changes, disputes, parking, payments, renewals, settlement
from billing.services.settlement import Changes
from core import clock
from core.idempotency import RequestKey
from core.ids import new_id
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.billing.test_old_calls import UnderWay
from tests.billing.threads import await_waiting
from tests.factories.billing import NOW, PlanFactory, PriceFactory, make_due
from tests.standin import Standin

LATE = NOW + timedelta(hours=25)
LOST = ChargeOutcome(OutcomeKind.UNKNOWN)


def lose(gateway: InstantGateway) -> PaymentAttempt:
    """Renew, and let the call be lost on its way."""
    gateway.outcome = LOST
    renewals.run(gateway=gateway, clock=lambda: NOW, limit=9)
    gateway.outcome = None
    return PaymentAttempt.objects.get()


class Interrupted:
    """A gateway whose charge takes long enough for something else to happen before it arrives."""

    def __init__(self, gateway: Gateway, meanwhile: Callable[[], None]) -> None:
        self._gateway = gateway
        self._meanwhile = meanwhile

    def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome:
        self._meanwhile()
        return self._gateway.charge(params=params, idempotency_key=idempotency_key)


def park(now: datetime) -> None:
    found = Changes()
    settlement.park(Subscription.objects.locked().get(), "early_fraud_warning", found, now=now)
    found.write(now=now)


def states() -> list[str]:
    return list(PaymentAttempt.objects.order_by("n").values_list("state", flat=True))


@pytest.mark.rule("4.16")
@pytest.mark.django_db
class TestParkedMeanwhile:
    def test_is_not_charged_anew_until_it_is_put_back(self) -> None:
        (due,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        lose(gateway)
        with transaction.atomic():
            park(NOW)
        payments.sweep(gateway=gateway, now=LATE)
        assert (states(), gateway.charges) == (["sent"], {})
        assert Invoice.objects.get().status == "open"
        parking.put_back(subscription_id=due.pk, now=LATE, by="staff:1")
        renewals.run(gateway=gateway, clock=lambda: LATE, limit=9)
        assert (states(), gateway.charges, Subscription.objects.get().parked_at) == (["sent"], {}, None)
        payments.sweep(gateway=gateway, now=LATE + timedelta(minutes=2))
        # With the key of the call that was lost.
        assert list(gateway.charges) == [PaymentAttempt.objects.get().idempotency_key]
        assert (states(), Invoice.objects.get().status) == (["succeeded"], "paid")
        assert Subscription.objects.get().next_step == "renew"

    @pytest.mark.rule("4.23")
    @pytest.mark.parametrize("hours", [0, 13, 25])
    def test_is_charged_once_although_it_is_put_back_while_its_call_is_under_way(self, hours: int) -> None:
        """By a clock that jumped ahead the call looks lost, and staff are quicker than the gateway."""
        (due,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        moment = NOW + timedelta(hours=hours)

        def meanwhile(gateway: InstantGateway) -> None:
            with transaction.atomic():
                park(NOW)
            payments.sweep(gateway=gateway, now=moment)
            parking.put_back(subscription_id=due.pk, now=moment, by="staff:1")
            renewals.run(gateway=gateway, clock=lambda: moment, limit=9)
            payments.sweep(gateway=gateway, now=moment + timedelta(minutes=2))
            assert states() == ["sent"]

        gateway = UnderWay(meanwhile)
        payments.send(renewals.claiming.claim(now=NOW, size=1).attempts.keys(), gateway=gateway, now=NOW)
        assert (states(), len(gateway.charges), Invoice.objects.get().status) == (["succeeded"], 1, "paid")
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.next_step, subscription.parked_at) == ("active", "renew", None)

    @pytest.mark.rule("4.13")
    def test_waits_for_its_charge_when_the_dispute_that_parked_it_is_won(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        renewals.run(gateway=gateway, clock=lambda: NOW, limit=9)
        first = PaymentAttempt.objects.select_related("invoice").get()
        later = Subscription.objects.get().paid_through
        assert later is not None
        gateway.outcome = LOST
        renewals.run(gateway=gateway, clock=lambda: later, limit=9)
        gateway.outcome = None
        for status in ("needs_response", "won"):
            money = (first.invoice.due, first.invoice.currency)
            found = DisputeState("dp_1", first.gateway_id, *money, "fraudulent", status)
            assert disputes.record(found=found, now=later)
        renewals.run(gateway=gateway, clock=lambda: later, limit=9)
        assert (Subscription.objects.get().parked_reason, len(gateway.charges)) == ("", 1)
        payments.sweep(gateway=gateway, now=later + timedelta(minutes=2))
        assert (states(), len(gateway.charges)) == (["succeeded", "succeeded"], 2)
        assert list(Invoice.objects.values_list("status", flat=True)) == ["paid", "paid"]
        assert Subscription.objects.get().parked_reason == ""

    def test_was_never_sent_and_is_not_sent(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        renewals.claiming.claim(now=NOW, size=1)
        with transaction.atomic():
            park(NOW)
        payments.sweep(gateway=gateway, now=NOW + timedelta(minutes=2))
        assert (states(), gateway.charges) == (["canceled"], {})
        subscription = Subscription.objects.get()
        assert (subscription.next_step, subscription.parked_reason) == ("retry", "early_fraud_warning")

    def test_is_left_alone_when_a_slow_run_sends_it_after_it_was_looked_for(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        renewals.claiming.claim(now=NOW, size=1)
        with transaction.atomic():
            park(NOW)
        later = NOW + timedelta(minutes=2)

        class Slow(InstantGateway):
            def find_charge(self, *, customer: str, attempt_id: str, since: datetime) -> ChargeOutcome:
                payments.mark_sent([UUID(attempt_id)], now=later)
                return ChargeOutcome(OutcomeKind.NOT_FOUND)

        payments.sweep(gateway=Slow(), now=later)
        assert (states(), PaymentAttempt.objects.get().sent_at) == (["sent"], later)

    @pytest.mark.parametrize("hours", [13, 25])
    def test_is_not_sent_again_either_while_its_key_is_known(self, hours: int) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        gateway = InstantGateway()
        lose(gateway)
        with transaction.atomic():
            park(NOW)
        payments.sweep(gateway=gateway, now=NOW + timedelta(hours=hours))
        assert (states(), gateway.charges) == (["sent"], {})

    @pytest.mark.parametrize("is_over", [False, True])
    def test_of_a_change_is_made_again_once_it_is_put_back_unless_its_period_is_over(self, *, is_over: bool) -> None:
        plan = PlanFactory.create(tier=1)
        (due,) = make_due(1, price=PriceFactory.create(plan=plan), due_at=NOW)
        gateway = InstantGateway()
        renewals.run(gateway=gateway, clock=lambda: NOW, limit=9)
        higher = PriceFactory.create(plan=PlanFactory.create(tier=2), amount=2299)
        quote = changes.quote(account_id=due.account_id, price_id=higher.pk, now=LATE)
        gateway.outcome = LOST
        key = RequestKey.of(account_id=due.account_id, operation="parked", key=str(new_id()), body=None)
        changes.accept(account_id=due.account_id, quote_id=quote.pk, request_key=key, gateway=gateway, now=LATE)
        gateway.outcome = None
        with transaction.atomic():
            park(LATE)
        payments.sweep(gateway=gateway, now=LATE + timedelta(hours=25))
        assert (Invoice.objects.get(kind="change").status, len(gateway.charges)) == ("open", 1)
        assert Subscription.objects.get().price_id == due.price_id
        moment = Subscription.objects.get().paid_through if is_over else LATE + timedelta(hours=26)
        assert moment is not None
        parking.put_back(subscription_id=due.pk, now=moment, by="staff:1")
        payments.sweep(gateway=gateway, now=moment)
        after = (Invoice.objects.get(kind="change").status, len(gateway.charges), Subscription.objects.get().price_id)
        assert after == (("void", 1, due.price_id) if is_over else ("paid", 2, higher.pk))
        assert sum(JournalLine.objects.filter(account="receivable:user").values_list("amount", flat=True)) == 0
        # Not one that was found nowhere and lies about: there is nothing left to ask for.
        assert not PaymentAttempt.objects.filter(state__in=PaymentAttempt.OPEN).exists()

    def test_of_a_change_whose_period_is_over_is_not_sent_for_the_first_time_either(self) -> None:
        """Its worker was killed before it was sent, and the renewal was quicker than the sweep."""
        (due,) = make_due(1, price=PriceFactory.create(plan=PlanFactory.create(tier=1)), due_at=NOW)
        gateway = InstantGateway()
        renewals.run(gateway=gateway, clock=lambda: NOW, limit=9)
        moment = Subscription.objects.get().paid_through
        assert moment is not None
        before = moment - timedelta(seconds=1)
        higher = PriceFactory.create(plan=PlanFactory.create(tier=2), amount=229900)
        quote = changes.quote(account_id=due.account_id, price_id=higher.pk, now=LATE)
        gateway.outcome = LOST
        key = RequestKey.of(account_id=due.account_id, operation="killed", key=str(new_id()), body=None)
        changes.accept(account_id=due.account_id, quote_id=quote.pk, request_key=key, gateway=gateway, now=LATE)
        gateway.outcome = None
        PaymentAttempt.objects.filter(state="sent").update(state="created", sent_at=None, claimed_until=before)
        renewals.run(gateway=gateway, clock=lambda: moment, limit=9)
        payments.sweep(gateway=gateway, now=moment)
        assert (Invoice.objects.get(kind="change").status, len(gateway.charges)) == ("void", 2)
        assert not PaymentAttempt.objects.filter(state__in=PaymentAttempt.OPEN).exists()
        assert (CreditGrant.objects.count(), Subscription.objects.get().price_id) == (0, due.price_id)

    def test_of_a_change_that_is_under_way_lets_the_change_take_place(self, standin: Standin) -> None:
        """By a clock that jumped its call looks lost. What is charged is what was bought, and nothing is paid twice."""
        customer = Customer(standin)
        customer.save_card()
        lower, higher = (PriceFactory.create(plan=PlanFactory.create(tier=tier), amount=1000 * tier) for tier in (1, 2))
        assert customer.subscribe(lower).status_code == 201
        gateway, moment = stripe_gateway.connect(), clock.now()

        def meanwhile() -> None:
            with transaction.atomic():
                park(moment)
            payments.sweep(gateway=gateway, now=moment + timedelta(hours=25))

        quote = changes.quote(account_id=customer.account.pk, price_id=higher.pk, now=moment)
        key = RequestKey.of(account_id=customer.account.pk, operation="parked", key=str(new_id()), body=None)
        changes.accept(
            account_id=customer.account.pk, quote_id=quote.pk, request_key=key,
            gateway=cast("Gateway", Interrupted(gateway, meanwhile)), now=moment,
        )  # fmt: skip
        assert states() == ["succeeded", "succeeded"]
        assert (Invoice.objects.get(kind="change").status, Subscription.objects.get().price_id) == ("paid", higher.pk)
        assert (len(standin.control.charges()), CreditGrant.objects.count()) == (2, 0)


@pytest.mark.rule("4.16")
@pytest.mark.django_db(transaction=True)
def test_a_race_with_what_parks_it_charges_nothing() -> None:
    """The sweep has looked for the charge while the subscription is being parked: it waits, and sees it."""
    make_due(1, price=PriceFactory.create(), due_at=NOW)
    gateway = InstantGateway()
    lose(gateway)

    def sweep() -> None:
        try:
            payments.sweep(gateway=gateway, now=LATE)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            park(LATE)
            swept = pool.submit(sweep)
            await_waiting(1)
        swept.result(timeout=20)
    assert (states(), gateway.charges) == (["sent"], {})
