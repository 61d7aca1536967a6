"""Migrations over the data of a live database: what was there is right afterwards, and whoever stops one goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from unittest import mock
from uuid import UUID

import pytest
from django.apps import apps
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from billing.models import ConsumerLaw, Invoice, InvoiceLine, Price, Subscription, TaxPlace
from billing.services import renewals
from core.ids import new_id
from tests.billing.instant import InstantGateway
from tests.core.test_migrate import held
from tests.factories.accounts import AccountFactory
from tests.factories.billing import NOW, PriceFactory, make_due

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]

BEFORE = "0021_disputes_answered_and_parked"
FILL = import_module("billing.migrations.0023_tell_countries_of_invoices")

# What the column was added with once, in one transaction with the fill.
ALREADY = """
ALTER TABLE billing_invoice ADD COLUMN country varchar(2) DEFAULT '' NOT NULL;
UPDATE billing_invoice invoice SET country = subscription.country FROM billing_subscription subscription
WHERE subscription.id = invoice.subscription_id AND invoice.country = '' AND subscription.country <> '';
CREATE FUNCTION billing_invoice_country_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEW;
END $$;
CREATE TRIGGER billing_invoice_country_immutable BEFORE UPDATE OF country ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_invoice_country_immutable();
"""


def migrate(*names: str) -> None:
    """Bring billing to each of some migrations in turn; without one, everything to the newest."""
    for name in names:
        MigrationExecutor(connection).migrate([("billing", name)])
    if not names:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def price() -> Price:
    return PriceFactory.create()


@pytest.fixture
def invoices(price: Price) -> Iterator[list[Invoice]]:
    """Invoices, in the order of their ids, of a database before they had a country: two that are paid, a draft, a gift's."""
    due = make_due(2, price=price, due_at=NOW)
    Subscription.objects.update(country="DE")
    renewals.run(gateway=InstantGateway(), clock=lambda: NOW + timedelta(minutes=1), limit=100)
    draft = draft_of(due[0])
    gift = Invoice.objects.create(
        account=AccountFactory.create(), kind="one_off", currency="EUR", total=500, line_count=1, created_at=NOW
    )
    InvoiceLine.objects.create(invoice=gift, position=1, kind="gift", description="Gift", amount=500, derivation={})
    migrate(BEFORE)
    yield [*Invoice.objects.only("pk").exclude(pk__in=[draft.pk, gift.pk]).order_by("pk"), draft, gift]
    migrate()


def draft_of(subscription: Subscription) -> Invoice:
    """Make a draft, without saying a country."""
    return Invoice.objects.create(
        account_id=subscription.account_id,
        subscription=subscription,
        kind="change",
        currency="USD",
        total=100,
        line_count=1,
        created_at=NOW,
    )


def countries(invoices: list[Invoice]) -> list[str]:
    found = dict(Invoice.objects.values_list("pk", "country"))
    return [found[invoice.pk] for invoice in invoices]


def versions() -> set[tuple[UUID, str]]:
    """Answer by which transaction each invoice was written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text FROM billing_invoice")
        return set(cursor.fetchall())


def tell(*, size: int) -> None:
    with connection.schema_editor(atomic=False) as editor, mock.patch.object(FILL, "BATCH", size):
        FILL.tell(None, editor)


class TestCountryOfInvoices:
    def test_is_told_of_what_was_there_and_kept_where_it_is_issued(self, invoices: list[Invoice]) -> None:
        migrate()
        assert countries(invoices) == ["DE", "DE", "DE", ""]
        issued, draft = Invoice.objects.filter(pk=invoices[0].pk), Invoice.objects.filter(pk=invoices[2].pk)
        with pytest.raises(IntegrityError, match="is finalised and does not change"), transaction.atomic():
            issued.update(country="FR")
        draft.update(country="FR")
        assert countries(invoices) == ["DE", "DE", "FR", ""]

    def test_goes_on_where_it_was_stopped_and_writes_nothing_twice(self, invoices: list[Invoice]) -> None:
        migrate("0022_country_of_invoices")
        assert countries(invoices) == ["", "", "", ""]
        execute("SET lock_timeout = '100ms'")
        somebody_pays = f"SELECT 1 FROM billing_invoice WHERE id = '{invoices[1].pk}' FOR UPDATE"  # noqa: S608 - an id of ours
        with held(somebody_pays), pytest.raises(OperationalError, match="lock timeout"):
            tell(size=1)
        execute("RESET lock_timeout")
        assert countries(invoices) == ["DE", "", "", ""]
        first = versions()
        tell(size=2)
        assert countries(invoices) == ["DE", "DE", "DE", ""]
        assert len(first & versions()) == 2
        told = versions()
        tell(size=3)
        assert versions() == told

    def test_stays_none_where_the_subscription_moved_since(self, invoices: list[Invoice]) -> None:
        migrate("0022_country_of_invoices")
        moved = Subscription.objects.get(invoices=invoices[0].pk, invoices__kind="period")
        TaxPlace.objects.create(
            subscription=moved, declared="DE", country="DE", cause="declared", decided_at=NOW, effective_at=NOW
        )
        tell(size=10)
        assert countries(invoices)[:2] == ["", "DE"]

    def test_is_the_same_where_the_column_was_there(self, invoices: list[Invoice]) -> None:
        execute(ALREADY)
        migrate()
        assert countries(invoices) == ["DE", "DE", "DE", ""]
        with pytest.raises(IntegrityError, match="is finalised and does not change"), transaction.atomic():
            Invoice.objects.filter(pk=invoices[0].pk).update(country="FR")

    def test_is_that_of_the_subscription_for_a_version_that_knows_none(self, price: Price) -> None:
        (subscription,) = make_due(1, price=price, due_at=NOW)
        Subscription.objects.update(country="JP")
        assert countries([draft_of(subscription)]) == ["JP"]
        nobodys = Invoice(
            id=new_id(), account=AccountFactory.create(), kind="one_off", currency="EUR", total=1, line_count=1
        )
        nobodys.created_at = NOW
        nobodys.save(force_insert=True)
        assert countries([nobodys]) == [""]


class TestConstraints:
    def test_hold_for_what_was_there(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT conname FROM pg_constraint WHERE NOT convalidated")
            assert cursor.fetchall() == []


class TestLaw:
    def test_comes_for_countries_that_had_none_and_not_again_for_those_that_staff_deleted(self) -> None:
        ConsumerLaw.objects.filter(country__in=["BR", "DE"]).delete()
        import_module("billing.migrations.0029_rates_and_law_corrected").add_law(apps, None)
        assert ConsumerLaw.objects.filter(country="BR").exists()
        assert not ConsumerLaw.objects.filter(country="DE").exists()


class TestPlaceOfTaxation:
    def test_goes_and_comes_over_what_is_there(self, invoices: list[Invoice]) -> None:
        migrate("0019_indexes_of_reminders_and_cards")
        migrate()
        assert countries(invoices) == ["DE", "DE", "DE", ""]
        assert Subscription.objects.get(invoices=invoices[2].pk).territory == ""
