"""What the database refuses, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing.models import Invoice, InvoiceLine, PaymentAttempt, Period, Price, Subscription, SubscriptionTransition
from billing.services import invoicing
from tests.factories.billing import NOW, PaymentMethodFactory, PriceFactory, make_due

pytestmark = pytest.mark.django_db


@contextmanager
def refused(constraint: str) -> Iterator[None]:
    """Expect the database to refuse by the named constraint or trigger, at the latest at commit."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():  # noqa: PT012 - at once or at commit
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.diag.constraint_name == constraint  # type: ignore[attr-defined] # psycopg's error


def bill_one(**changes: Any) -> Invoice:
    (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
    charge = invoicing.Charge(
        subscription=subscription,
        price=subscription.price,
        start=NOW,
        end=NOW + timedelta(days=28),
        card=subscription.account.payment_methods.get(),
        customer="cus_1",
        off_session=True,
    )
    with transaction.atomic():
        (billed,) = invoicing.bill([charge], now=NOW)
    return billed.invoice


@pytest.mark.rule("4.10")
class TestPrice:
    @pytest.mark.parametrize(
        ("field", "value"),
        [("amount", 1), ("currency", "EUR"), ("country", "DE"), ("interval", "year"), ("tax_behavior", "exclusive")],
    )
    def test_never_changes(self, field: str, value: object) -> None:
        price = PriceFactory.create()
        with refused("billing_price_immutable"):
            Price.objects.filter(pk=price.pk).update(**{field: value})

    def test_is_superseded_once(self) -> None:
        price = PriceFactory.create()
        Price.objects.filter(pk=price.pk).update(superseded_at=NOW)
        with refused("billing_price_immutable"):
            Price.objects.filter(pk=price.pk).update(superseded_at=None)

    def test_has_one_current_version(self) -> None:
        price = PriceFactory.create()
        with refused("price_one_current"):
            PriceFactory.create(plan=price.plan, version=2)

    def test_is_never_free(self) -> None:
        with refused("price_amount_positive"):
            PriceFactory.create(amount=0)


@pytest.mark.rule("4.20")
class TestSubscription:
    def test_is_the_only_live_one_of_its_account(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        with refused("subscription_one_live_per_account"):
            Subscription.objects.create(
                account=subscription.account,
                price=subscription.price,
                status="incomplete",
                billing_tz="UTC",
                anchor_date=NOW.date(),
                anchor_time=NOW.time(),
                created_at=NOW,
            )

    @pytest.mark.parametrize(
        ("fields", "constraint"),
        [
            ({"next_bill_at": None}, "subscription_is_scheduled_when_billable"),
            ({"status": "past_due"}, "subscription_dunning_has_its_start"),
            ({"first_failed_at": NOW}, "subscription_dunning_has_its_start"),
            ({"status": "canceled", "next_bill_at": None}, "subscription_ended_at_when_over"),
            ({"paid_through": None}, "subscription_active_is_paid"),
            ({"parked_at": NOW}, "subscription_parked_with_reason"),
        ],
    )
    def test_cannot_contradict_itself(self, fields: dict[str, Any], constraint: str) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        with refused(constraint):
            Subscription.objects.update(**fields)


@pytest.mark.rule("4.2")
class TestPeriod:
    def test_does_not_overlap_another(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        with refused("period_no_overlap"):
            Period.objects.create(
                subscription=subscription, cycle=1, index=0, start=NOW - timedelta(hours=1), end=NOW + timedelta(days=9)
            )

    def test_may_begin_where_the_last_one_ends(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        Period.objects.create(subscription=subscription, cycle=0, index=1, start=NOW, end=NOW + timedelta(days=28))

    def test_is_one_per_index(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        with refused("period_unique"):
            Period.objects.create(subscription=subscription, cycle=0, index=0, start=NOW, end=NOW + timedelta(days=9))

    def test_changes_only_by_being_cut_short(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=NOW)
        for change in ({"end": NOW + timedelta(days=1)}, {"index": 7}, {"start": NOW - timedelta(days=60)}):
            with refused("billing_period_shortened_only"):
                Period.objects.update(**change)
        with refused("billing_period_shortened_only"):
            Period.objects.all().delete()
        Period.objects.update(end=NOW - timedelta(days=1))


@pytest.mark.rule("4.19")
class TestInvoice:
    @pytest.mark.parametrize(
        "fields",
        [
            {"total": 1},
            {"currency": "EUR"},
            {"number": "INV-2026-9999999"},
            {"sequence": 99},
            {"period": None},
            {"kind": "one_off"},
            {"finalised_at": NOW + timedelta(days=1)},
            {"line_count": 2},
        ],
    )
    def test_does_not_change_once_it_has_its_number(self, fields: dict[str, Any]) -> None:
        bill_one()
        with refused("billing_invoice_immutable"):
            Invoice.objects.update(**fields)

    def test_is_not_deleted(self) -> None:
        invoice = bill_one()
        with refused("billing_invoice_immutable"), connection.cursor() as cursor:
            cursor.execute("DELETE FROM billing_invoice WHERE id = %s", [invoice.pk])

    @pytest.mark.parametrize(("first", "then"), [("paid", "open"), ("void", "paid"), ("void", "open")])
    def test_does_not_go_back(self, first: str, then: str) -> None:
        invoice = bill_one()
        row = Invoice.objects.filter(pk=invoice.pk)
        row.update(status=first, paid_at=NOW if first == "paid" else None)
        with refused("billing_invoice_transition"):
            row.update(status=then, paid_at=NOW if then == "paid" else None)

    def test_takes_no_further_line(self) -> None:
        invoice = bill_one()
        with refused("billing_invoice_line_count"):
            InvoiceLine.objects.create(
                invoice=invoice,
                position=2,
                kind="plan",
                price=Price.objects.get(),
                description="more",
                amount=0,
                derivation={},
            )

    def test_keeps_its_lines_as_they_are(self) -> None:
        bill_one()
        with refused("billing_invoice_line_immutable"):
            InvoiceLine.objects.update(amount=1)
        with refused("billing_invoice_line_immutable"):
            InvoiceLine.objects.all().delete()

    @pytest.mark.rule("4.23")
    def test_must_add_up(self) -> None:
        invoice = bill_one()
        Invoice.objects.filter(pk=invoice.pk).update(status="void")
        with refused("billing_invoice_adds_up"):
            Invoice.objects.create(
                account=invoice.account,
                subscription=invoice.subscription,
                period=invoice.period,
                kind="period",
                status="open",
                currency="USD",
                total=1549,
                line_count=1,
                series=invoice.series,
                sequence=2,
                number="INV-2026-0000002",
                created_at=NOW,
                finalised_at=NOW,
            )

    @pytest.mark.rule("4.2", "4.20")
    def test_of_a_period_is_one_unless_voided(self) -> None:
        invoice = bill_one()
        again = {
            "account": invoice.account,
            "subscription": invoice.subscription,
            "period": invoice.period,
            "kind": "period",
            "currency": "USD",
            "total": 1549,
            "line_count": 1,
            "created_at": NOW,
        }
        with refused("invoice_one_per_period"):
            Invoice.objects.create(**again)
        Invoice.objects.filter(pk=invoice.pk).update(status="void")
        Invoice.objects.create(**again)

    def test_is_numbered_exactly_when_it_is_final(self) -> None:
        invoice = bill_one()
        with refused("invoice_numbered_when_finalised"):
            Invoice.objects.create(
                account=invoice.account,
                subscription=invoice.subscription,
                kind="one_off",
                status="open",
                currency="USD",
                total=1,
                line_count=1,
                created_at=NOW,
            )


@pytest.mark.rule("4.16")
class TestPaymentAttempt:
    def test_is_the_only_open_one_of_its_invoice(self) -> None:
        invoice = bill_one()
        first = PaymentAttempt.objects.get()
        second = invoicing.new_attempt(
            invoice, n=2, card=first.payment_method, customer="cus_1", off_session=True, now=NOW
        )
        with refused("payment_attempt_one_open"):
            second.save(force_insert=True)
        PaymentAttempt.objects.update(state="failed", sent_at=NOW, settled_at=NOW)
        second.save(force_insert=True)

    def test_cannot_have_been_charged_without_having_been_sent(self) -> None:
        bill_one()
        with refused("payment_attempt_sent_at_when_sent"):
            PaymentAttempt.objects.update(state="sent")

    def test_settles_one_payment_intent(self) -> None:
        bill_one()
        bill_one()
        with refused("payment_attempt_gateway_id_unique"):
            PaymentAttempt.objects.update(gateway_id="pi_1")


class TestPaymentMethod:
    def test_has_one_default_per_account(self) -> None:
        card = PaymentMethodFactory.create()
        with refused("payment_method_one_default"):
            PaymentMethodFactory.create(account=card.account)


class TestTransition:
    def test_is_append_only(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
        SubscriptionTransition.objects.create(
            subscription=subscription, from_status="active", to_status="past_due", at=NOW, by="system", reason="test"
        )
        with refused("billing_append_only"):
            SubscriptionTransition.objects.update(reason="another")
        with refused("billing_append_only"):
            SubscriptionTransition.objects.all().delete()
