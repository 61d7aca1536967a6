"""Whatever a customer sets off by hand charges what they were shown, to the cent, or it is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.services import accounts
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import CreditGrant, Invoice, JournalLine, PaymentMethod, Price, Quote, Subscription, TaxPlace
from billing.places import Place
from billing.services import changes, debts, forecasts, moving, pauses, refunds, renewals, returning, subscriptions
from core.errors import DomainError
from core.idempotency import RequestKey
from core.ids import new_id
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.factories.accounts import AccountFactory
from tests.factories.billing import PaymentCustomerFactory, PaymentMethodFactory, PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db

APRIL = datetime(2026, 4, 1, 12, tzinfo=UTC)
HALF = datetime(2026, 4, 16, 12, tzinfo=UTC)
MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
WAITS = ChargeOutcome(OutcomeKind.REQUIRES_ACTION, "pi_waits", code="authentication_required")


def owe(account_id: UUID, amount: int, *, at: datetime = APRIL, currency: str = "EUR") -> CreditGrant:
    """Give credit, or let a debt stand of what was given back and is owed again."""
    return CreditGrant.objects.create(
        account_id=account_id,
        kind="goodwill" if amount > 0 else "owed",
        currency=currency,
        amount=amount,
        remaining=amount,
        source_key=f"test:{new_id()}",
        requested_by="staff:anna",
        created_at=at,
    )


@dataclass
class Buyer:
    """A customer in Germany with a card, of a gateway that charges at once, at a time."""

    now: datetime = APRIL
    gateway: InstantGateway = field(default_factory=InstantGateway)

    def __post_init__(self) -> None:
        self.account: UUID = AccountFactory.create(country="DE").pk
        PaymentCustomerFactory.create(account_id=self.account)
        PaymentMethodFactory.create(account_id=self.account)
        lower, higher = PlanFactory.create(name="Standard"), PlanFactory.create(name="Premium")
        self.low, self.high, self.year = (
            PriceFactory.create(plan=plan, currency="EUR", country="DE", amount=amount, interval=interval)
            for plan, amount, interval in ((lower, 1399, "month"), (higher, 1999, "month"), (lower, 13990, "year"))
        )
        self.by = f"account:{self.account}"

    def charged(self) -> int:
        return sum(params["amount"] for params in self.gateway.charges.values())

    def key(self) -> RequestKey:
        return RequestKey.of(account_id=self.account, operation="shown", key=str(new_id()), body=None)

    # Each shows what it costs, and answers what would be done about it.

    def buy(self, price: Price | None = None) -> tuple[int, Callable[[], object]]:
        price = price or self.low
        shown = forecasts.purchase(
            account_id=self.account,
            price_id=price.pk,
            place=Place("DE"),
            billing_tz="UTC",
            coupon="",
            now=self.now,
        )
        return shown.tender.due, lambda: subscriptions.subscribe(
            account_id=self.account,
            price_id=price.pk,
            quoted_amount=shown.first.total,
            quoted_due=shown.tender.due,
            country="DE",
            billing_tz="UTC",
            request_key=self.key(),
            gateway=self.gateway,
            now=self.now,
            by=self.by,
        )

    def change(self, price: Price) -> tuple[int, Callable[[], object]]:
        shown = changes.quote(account_id=self.account, price_id=price.pk, now=self.now)
        return shown.due, lambda: changes.accept(
            account_id=self.account,
            quote_id=shown.pk,
            request_key=self.key(),
            gateway=self.gateway,
            now=self.now,
        )

    def come_back(self) -> tuple[int, Callable[[], object]]:
        shown = returning.offer(account_id=self.account, place=Place("DE"), now=self.now)
        return shown.tender.due, lambda: returning.reactivate(
            account_id=self.account,
            quoted_amount=shown.amount,
            quoted_due=shown.tender.due,
            country="DE",
            request_key=self.key(),
            gateway=self.gateway,
            now=self.now,
            by=self.by,
        )

    # What comes before each.

    def has_bought(self) -> None:
        _, buy = self.buy()
        buy()
        self.now = HALF

    def is_paused(self) -> None:
        self.has_bought()
        pauses.pause(account_id=self.account, months=2, now=HALF, by=self.by)
        self.next_period()

    def has_left(self) -> None:
        self.has_bought()
        subscriptions.cancel(account_id=self.account, gateway=self.gateway, now=HALF, by=self.by)
        self.next_period()

    def next_period(self) -> None:
        renewals.run(gateway=self.gateway, clock=lambda: MAY, limit=9)
        self.now = MAY + timedelta(days=9)


OPERATIONS: dict[str, tuple[Callable[[Buyer], None], Callable[[Buyer], tuple[int, Callable[[], object]]]]] = {
    "buying": (lambda _: None, lambda buyer: buyer.buy()),
    "an upgrade": (Buyer.has_bought, lambda buyer: buyer.change(buyer.high)),
    "a change of interval": (Buyer.has_bought, lambda buyer: buyer.change(buyer.year)),
    "the end of a pause": (Buyer.is_paused, Buyer.come_back),
    "coming back": (Buyer.has_left, Buyer.come_back),
}
BALANCES = st.lists(st.integers(-2500, 2500).filter(bool), max_size=3)


@pytest.mark.rule("4.4", "4.9")
@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(balances=BALANCES, meanwhile=st.sampled_from([0, 0, 700, -700]))
@example(balances=[-500], meanwhile=0)
@example(balances=[400], meanwhile=-500)
def test_what_is_shown_is_charged_or_nothing_is(operation: str, balances: list[int], meanwhile: int) -> None:
    with transaction.atomic():
        _try(operation, balances, meanwhile)
        transaction.set_rollback(True)


def refusal_of(act: Callable[[], object]) -> DomainError | None:
    try:
        act()
    except DomainError as refused:
        return refused
    return None


def _try(operation: str, balances: list[int], meanwhile: int) -> None:
    prepare, show = OPERATIONS[operation]
    buyer = Buyer()
    prepare(buyer)
    for amount in balances:
        owe(buyer.account, amount, at=buyer.now)
    before, invoices = buyer.charged(), Invoice.objects.count()
    shown, act = show(buyer)
    if meanwhile:
        owe(buyer.account, meanwhile, at=buyer.now)
    open_balances = sorted(CreditGrant.objects.values_list("remaining", flat=True))
    if refused := refusal_of(act):
        assert meanwhile, refused
        assert refused.code in {"quote_changed", "quote_expired"}
        assert (buyer.charged(), Invoice.objects.count()) == (before, invoices)
        assert sorted(CreditGrant.objects.values_list("remaining", flat=True)) == open_balances
        shown, act = show(buyer)
        act()
    assert buyer.charged() - before == shown
    assert sum(JournalLine.objects.filter(account="receivable:user").values_list("amount", flat=True)) == 0


@pytest.mark.rule("4.4")
class TestDebt:
    def test_is_a_line_of_the_quote_which_binds_what_is_due(self, standin: Standin) -> None:
        buyer = Buyer()
        buyer.has_bought()
        owe(buyer.account, -500)
        quote = changes.quote(account_id=buyer.account, price_id=buyer.high.pk, now=HALF)
        assert (quote.total, quote.credit, quote.debts, quote.due) == (300, 0, 500, 800)
        changes.accept(
            account_id=buyer.account, quote_id=quote.pk, request_key=buyer.key(), gateway=buyer.gateway, now=HALF
        )
        assert buyer.charged() == 1399 + 800
        assert CreditGrant.objects.get().remaining == 0

    def test_that_came_since_makes_the_quote_stale(self) -> None:
        buyer = Buyer()
        buyer.has_bought()
        quote = changes.quote(account_id=buyer.account, price_id=buyer.high.pk, now=HALF)
        owe(buyer.account, -500)
        with pytest.raises(changes.QuoteExpired):
            changes.accept(
                account_id=buyer.account, quote_id=quote.pk, request_key=buyer.key(), gateway=buyer.gateway, now=HALF
            )
        assert (buyer.charged(), Subscription.objects.get().price) == (1399, buyer.low)
        assert (CreditGrant.objects.get().remaining, Quote.objects.get().invoice) == (-500, None)

    def test_is_not_collected_by_a_change_that_gives_credit(self) -> None:
        buyer = Buyer()
        buyer.has_bought()
        owe(buyer.account, -500)
        cheaper = PriceFactory.create(plan=PlanFactory.create(), currency="EUR", country="DE", amount=999)
        quote = changes.quote(account_id=buyer.account, price_id=cheaper.pk, now=HALF)
        assert (quote.total, quote.debts, quote.due) == (-200, 0, 0)

    def test_is_in_the_next_bill_of_a_subscription(self) -> None:
        buyer = Buyer()
        buyer.has_bought()
        owe(buyer.account, -500)
        owe(buyer.account, 200)
        bill = forecasts.next_bill(Subscription.objects.select_related("price__plan").get(), now=HALF)
        assert bill is not None
        assert (bill.amount, bill.tender.debts, bill.tender.credit, bill.tender.due) == (1399, 500, 200, 1699)


class TestDebtInAnotherCurrency:
    def test_refuses_a_purchase_that_would_not_charge_it(self) -> None:
        buyer = Buyer()
        owe(buyer.account, -500, currency="USD")
        with pytest.raises(debts.DebtInAnotherCurrency) as refused:
            buyer.buy()
        assert refused.value.extra == {"amount": 500, "currency": "USD"}
        with pytest.raises(debts.DebtInAnotherCurrency):
            subscriptions.subscribe(
                account_id=buyer.account,
                price_id=buyer.low.pk,
                quoted_amount=1399,
                country="DE",
                billing_tz="UTC",
                request_key=buyer.key(),
                gateway=buyer.gateway,
                now=APRIL,
                by=buyer.by,
            )
        assert (buyer.charged(), Subscription.objects.count()) == (0, 0)

    @pytest.mark.parametrize(("owed", "credit"), [(-500, 500), (-49, 0), (-500, 451)])
    def test_that_is_paid_or_too_small_to_be_charged_refuses_nothing(self, owed: int, credit: int) -> None:
        buyer = Buyer()
        for amount in filter(None, (owed, credit)):
            owe(buyer.account, amount, currency="USD")
        shown, buy = buyer.buy()
        buy()
        assert (shown, buyer.charged()) == (1399, 1399)

    def test_is_not_made_where_the_next_invoice_is_of_another_currency(self) -> None:
        buyer = Buyer()
        buyer.has_bought()
        PriceFactory.create(plan=buyer.low.plan, currency="GBP", country="GB", amount=1099)
        subscription = Subscription.objects.get()
        TaxPlace.objects.create(
            subscription=subscription,
            declared="GB",
            card="GB",
            country="GB",
            cause="card",
            decided_at=APRIL,
            effective_at=subscription.paid_through,
        )
        Subscription.objects.update(moves_at=subscription.paid_through)
        with pytest.raises(refunds.NoNextInvoice):
            refunds.request_owed_again(
                invoice_id=Invoice.objects.get().pk, amount=500, reason="", by="staff:anna", now=HALF
            )
        Subscription.objects.update(moves_at=None)
        asked = refunds.request_owed_again(
            invoice_id=Invoice.objects.get().pk, amount=500, reason="", by="staff:anna", now=HALF
        )
        assert asked.state == "approved"

    @pytest.mark.parametrize(("owed", "moves"), [(0, MAY), (-500, datetime(2026, 6, 1, 12, tzinfo=UTC))])
    def test_is_collected_before_another_currency_holds(self, owed: int, moves: datetime) -> None:
        buyer = Buyer()
        buyer.has_bought()
        PriceFactory.create(plan=buyer.low.plan, currency="GBP", country="GB", amount=1099)
        if owed:
            owe(buyer.account, owed)
        accounts.change(account_id=buyer.account, fields={"country": "GB"}, now=APRIL)
        PaymentMethod.objects.update(country="GB")
        moving.review(account_id=buyer.account, cause=TaxPlace.Cause.CARD, now=APRIL)
        assert Subscription.objects.get().moves_at == moves


class TestWhatWaitsForItsCustomer:
    """What another purchase or change holds comes back when this one takes its place, and is shown so."""

    def test_gives_its_credit_to_the_change_that_takes_its_place(self) -> None:
        buyer = Buyer()
        buyer.has_bought()
        owe(buyer.account, 100)
        quote = changes.quote(account_id=buyer.account, price_id=buyer.high.pk, now=HALF)
        buyer.gateway.outcome = WAITS
        changes.accept(
            account_id=buyer.account, quote_id=quote.pk, request_key=buyer.key(), gateway=buyer.gateway, now=HALF
        )
        assert CreditGrant.objects.get().remaining == 0
        again = changes.quote(account_id=buyer.account, price_id=buyer.high.pk, now=HALF)
        assert (again.credit, again.due) == (100, 200)


@pytest.mark.rule("4.9")
class TestApi:
    def test_says_what_is_due_and_refuses_another_amount(self, standin: Standin) -> None:
        customer = Customer(standin, country="DE")
        customer.save_card()
        price = PriceFactory.create(currency="EUR", country="DE", amount=1399)
        owe(customer.account.pk, -500)
        shown = customer.post("subscriptions/quote", {"price": str(price.pk)}).json()
        assert {name: shown[name] for name in ("amount", "credit", "debts", "due")} == {
            "amount": 1399,
            "credit": 0,
            "debts": 500,
            "due": 1899,
        }
        refused = customer.subscribe(price)
        assert (refused.status_code, refused.json()["code"]) == (409, "quote_changed")
        assert {name: refused.json()[name] for name in ("amount", "due", "currency")} == {
            "amount": 1399,
            "due": 1899,
            "currency": "EUR",
        }
        assert (standin.control.charges(), Subscription.objects.count()) == ([], 0)
        assert customer.subscribe(price, quoted_due=1899).status_code == 201
        assert [charge["amount"] for charge in standin.control.charges()] == [1899]
