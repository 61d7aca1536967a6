"""What a billing clerk sees: amounts with their currency, people by their names, the way to everything that belongs together."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from accounts.models import AuditEntry, User
from billing.admin import dashboard
from billing.models import (
    AccessGrant,
    Cancellation,
    CreditGrant,
    CreditNote,
    CreditUse,
    Dispute,
    FraudWarning,
    Gift,
    Invoice,
    NumberSeries,
    ParkedSubscription,
    PaymentAttempt,
    PaymentMethod,
    Refund,
    Reminder,
    Subscription,
    TaxPlace,
    TieOut,
    Trial,
    WebhookEvent,
    Withdrawal,
)
from billing.selectors import words
from billing.services import figures, renewals
from core.clock import now
from tests.billing.instant import InstantGateway
from tests.factories.accounts import AccountFactory, StaffFactory
from tests.factories.billing import PlanFactory, PriceFactory, make_due

pytestmark = pytest.mark.django_db

OF_PERSONS = {
    "accessgrant": AccessGrant,
    "cancellation": Cancellation,
    "creditgrant": CreditGrant,
    "creditnote": CreditNote,
    "dispute": Dispute,
    "fraudwarning": FraudWarning,
    "gift": Gift,
    "invoice": Invoice,
    "parkedsubscription": ParkedSubscription,
    "paymentattempt": PaymentAttempt,
    "paymentmethod": PaymentMethod,
    "refund": Refund,
    "reminder": Reminder,
    "subscription": Subscription,
    "trial": Trial,
    "withdrawal": Withdrawal,
}


@pytest.fixture
def staff() -> User:
    return StaffFactory.create(is_superuser=True, email="clerk@example.org")


@pytest.fixture
def clerk(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def make_customers(count: int, *, staff: User) -> list[Subscription]:
    """Make customers to whom everything has happened that has a page."""
    due = now()
    made = make_due(count, price=PriceFactory.create(plan=PlanFactory.create(name="Premium")), due_at=due)
    renewals.run(gateway=InstantGateway(), clock=lambda: due, limit=100)
    by, plan = f"staff:{staff.pk}", made[0].price.plan
    series, _ = NumberSeries.objects.get_or_create(entity="main", code="CN", year=due.year)
    for subscription in made:
        account, key = subscription.account, uuid4().hex
        attempt = PaymentAttempt.objects.select_related("invoice").get(invoice__subscription=subscription)
        invoice = attempt.invoice
        refund = Refund.objects.create(
            invoice=invoice, attempt=attempt, amount=500, net=420, tax=80, currency="USD", reason="Goodwill",
            state="succeeded", requested_by=by, requested_at=due,
        )  # fmt: skip
        CreditNote.objects.create(
            refund=refund, invoice=invoice, series=series, sequence=(number := CreditNote.objects.count() + 1),
            number=f"CN-{due.year}-{number:07}", net=420, tax=80, issued_at=due,
        )  # fmt: skip
        Dispute.objects.create(
            gateway_id=f"dp_{key}", attempt=attempt, amount=1049, currency="USD", reason="product_not_received",
            status="needs_response", opened_at=due,
        )  # fmt: skip
        FraudWarning.objects.create(
            gateway_id=f"issfr_{key}", attempt=attempt, fraud_type="unauthorized_use_of_card", action="none",
            received_at=due,
        )  # fmt: skip
        grant = CreditGrant.objects.create(
            account=account, kind="goodwill", currency="USD", amount=900, remaining=0, source_key=key,
            requested_by=by, created_at=due,
        )  # fmt: skip
        CreditUse.objects.create(grant=grant, invoice=invoice, amount=900, used_at=due)
        Gift.objects.create(
            buyer=account, request_key=uuid4(), invoice=invoice, amount=2500, currency="USD", code_hash=key,
            language="en", deliver_at=due, created_at=due,
        )  # fmt: skip
        AccessGrant.objects.create(
            account=account, plan=plan, kind="press", reason="Review", starts_at=due,
            ends_at=due + timedelta(days=9), granted_by=by, granted_at=due,
        )  # fmt: skip
        Trial.objects.create(account=account, subscription=subscription, started_at=due, ends_at=due + timedelta(7))
        Cancellation.objects.create(subscription=subscription, at=due, by=by, effective_at=due)
        Withdrawal.objects.create(
            subscription=subscription, at=due, by=by, pro_rata=False, currency="USD", refunded=1549, kept=0
        )
        Reminder.objects.create(
            subscription=subscription, kind="trial_ending", boundary=due + timedelta(7), sent_at=due
        )
    Subscription.objects.filter(pk__in=[each.pk for each in made]).update(
        parked_at=due, parked_reason="second_charge_within_20_hours"
    )
    return made


@pytest.fixture
def customer(staff: User) -> SimpleNamespace:
    (subscription,) = make_customers(1, staff=staff)
    return SimpleNamespace(
        subscription=subscription,
        account=subscription.account,
        invoice=Invoice.objects.get(subscription=subscription),
        attempt=PaymentAttempt.objects.get(),
        dispute=Dispute.objects.get(),
        refund=Refund.objects.get(),
    )


def page(client: Client, row: object) -> str:
    """Answer a row's page."""
    model = type(row)._meta  # type: ignore[attr-defined]  # a model's
    answer = client.get(reverse(f"admin:billing_{model.model_name}_change", args=[row.pk]))  # type: ignore[attr-defined]
    assert answer.status_code == 200
    return answer.content.decode()


def address(row: object) -> str:
    model = type(row)._meta  # type: ignore[attr-defined]  # a model's
    return reverse(f"admin:billing_{model.model_name}_change", args=[row.pk])  # type: ignore[attr-defined]


class TestLists:
    @pytest.mark.parametrize("model", OF_PERSONS)
    def test_cost_as_many_queries_for_many_rows_as_for_few_and_count_no_table(
        self, clerk: Client, staff: User, model: str
    ) -> None:
        listed = reverse(f"admin:billing_{model}_changelist")

        def cost() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert clerk.get(listed).status_code == 200
            assert not [query["sql"] for query in queries if 'COUNT(*) AS "__count" FROM "billing_' in query["sql"]]
            return len(queries)

        make_customers(1, staff=staff)
        cost()
        few = cost()
        make_customers(4, staff=staff)
        assert cost() == few

    @pytest.mark.parametrize("model", list(OF_PERSONS))
    def test_find_nothing_by_a_word_that_is_nowhere(self, clerk: Client, customer: SimpleNamespace, model: str) -> None:
        for word in ("nobody@example.org", "INV-2026-9999999", "INV-x-9", "no uuid", "\x00"):
            found = clerk.get(reverse(f"admin:billing_{model}_changelist"), {"q": word})
            if found.status_code == 200 and "cl" in found.context and found.context["cl"].search_fields:
                assert list(found.context["cl"].result_list) == [], word

    @pytest.mark.parametrize(
        ("model", "word"),
        [
            ("invoice", "number"),
            ("creditnote", "number"),
            ("refund", "number"),
            ("paymentattempt", "number"),
            ("dispute", "number"),
            ("invoice", "email"),
            ("refund", "email"),
            ("paymentattempt", "email"),
            ("subscription", "email"),
            ("subscription", "id"),
            ("dispute", "intent"),
            ("fraudwarning", "intent"),
        ],
    )
    def test_find_by_a_whole_word_however_it_is_typed(
        self, clerk: Client, staff: User, customer: SimpleNamespace, model: str, word: str
    ) -> None:
        make_customers(2, staff=staff)
        typed = {
            "number": f" {str(customer.invoice.number).lower()} ",
            "email": customer.account.email.upper(),
            "id": str(customer.subscription.pk),
            "intent": customer.attempt.gateway_id,
        }[word]
        (found,) = clerk.get(reverse(f"admin:billing_{model}_changelist"), {"q": typed}).context["cl"].result_list
        assert found.pk == OF_PERSONS[model].objects.order_by("pk").first().pk  # type: ignore[attr-defined]

    def test_name_who_asked_for_a_refund(self, clerk: Client, staff: User, customer: SimpleNamespace) -> None:
        shown = clerk.get(reverse("admin:billing_refund_changelist")).content.decode()
        assert "clerk@example.org" in shown
        assert str(staff.pk) not in shown.partition("result_list")[2]
        assert "clerk@example.org" in page(clerk, customer.refund)


class TestPages:
    def test_of_a_dispute_say_the_amount_once_and_lead_to_all_it_is_about(
        self, clerk: Client, customer: SimpleNamespace
    ) -> None:
        shown = page(clerk, customer.dispute)
        assert shown.count("$10.49") == 1
        assert "1049" not in shown
        for row in (customer.subscription, customer.invoice, customer.attempt):
            assert f'href="{address(row)}"' in shown
        assert "product not received" in shown

    def test_of_an_invoice_lead_to_what_became_of_it_and_explain_it(
        self, clerk: Client, customer: SimpleNamespace
    ) -> None:
        shown = page(clerk, customer.invoice)
        note = CreditNote.objects.get()
        for row in (customer.subscription, customer.attempt, customer.refund, customer.dispute, note):
            assert f'href="{address(row)}"' in shown
        assert "Premium costs $15.49 a month." in shown
        assert "$15.49" in shown

    def test_of_a_subscription_lead_to_its_invoices_and_disputes(
        self, clerk: Client, customer: SimpleNamespace
    ) -> None:
        shown = page(clerk, customer.subscription)
        for row in (customer.invoice, customer.dispute):
            assert f'href="{address(row)}"' in shown
        assert "It was charged less than 20 hours before" in shown
        others = re.findall(r'href="(/admin/billing/\w+/\?account__id__exact=[^"]+)"', shown)
        assert len(others) == 4
        for listed in others:
            assert len(clerk.get(listed).context["cl"].result_list) == 1, listed

    def test_of_credit_and_gifts_write_amounts_for_people(self, clerk: Client, customer: SimpleNamespace) -> None:
        assert "$9.00" in page(clerk, CreditGrant.objects.get())
        assert "$25.00" in page(clerk, Gift.objects.get())
        assert str(customer.refund) == "$5.00, succeeded"

    def test_of_a_subscription_cost_no_more_for_each_tax_place(self, clerk: Client, customer: SimpleNamespace) -> None:
        costs = []
        for _ in range(3):
            TaxPlace.objects.create(
                subscription=customer.subscription, declared="US", country="US", cause="declared", decided_at=now(),
                price=customer.subscription.price,
            )  # fmt: skip
            with CaptureQueriesContext(connection) as queries:
                page(clerk, customer.subscription)
            costs.append(len(queries))
        assert costs[1] == costs[2]

    def test_mark_what_is_parked_whatever_else_it_is(self, clerk: Client, customer: SimpleNamespace) -> None:
        listed = clerk.get("/admin/billing/subscription/").content.decode()
        assert "active, parked" in page(clerk, customer.subscription)
        assert ("active, parked" in listed, "second charge within 20 hours" in listed) == (True, True)
        Subscription.objects.update(parked_at=None, parked_reason="")
        assert "active, parked" not in clerk.get("/admin/billing/subscription/").content.decode()

    @pytest.mark.parametrize(
        ("language", "amount", "rate"), [("en", "$15.49", "8.875%"), ("de", "15,49\xa0$", "8,875\xa0%")]
    )
    def test_write_numbers_as_in_the_language_at_hand(
        self, clerk: Client, customer: SimpleNamespace, language: str, amount: str, rate: str
    ) -> None:
        clerk.cookies["django_language"] = language
        told = page(clerk, customer.invoice)
        assert (amount in told, "15.49 USD" in told) == (True, False)
        with translation.override(language):
            assert words.percent(Decimal("0.08875")) == rate

    def test_of_the_dashboard_write_charts_in_the_language_at_hand(
        self, clerk: Client, customer: SimpleNamespace
    ) -> None:
        cache.delete(dashboard.KEY)
        figures.record_due(now=now())
        clerk.cookies["django_language"] = "de"
        shown = html.unescape(clerk.get("/admin/billing/recurringrevenueday/").content.decode())
        assert shown.count('"locale": "de"') == 5
        assert shown.count('"precision": 0') == 3
        # One day is a point, since it makes no line.
        assert '"pointStyle": "circle"' in shown

    def test_of_a_comparison_write_amounts_for_people(self, clerk: Client) -> None:
        report = TieOut.objects.create(
            day=now().date(), currency="JPY", gateway_net=1500, ledger_net=1400, details=[], made_at=now()
        )
        shown = page(clerk, report)
        assert "¥1,500" in shown
        assert "¥100" in shown
        assert "differs" not in shown  # the colour of the list


def views() -> QuerySet[AuditEntry]:
    """Answer the entries of who of the staff looked at what."""
    return AuditEntry.objects.filter(act="staff_viewed")


class TestRecord:
    @pytest.mark.parametrize("model", OF_PERSONS)
    def test_has_who_opened_a_page_of_a_person(
        self, clerk: Client, staff: User, customer: SimpleNamespace, model: str
    ) -> None:
        row = OF_PERSONS[model]._default_manager.get()
        clerk.get(reverse(f"admin:billing_{model}_changelist"))
        assert not views().exists()
        page(clerk, row)
        entry = views().get()
        assert (entry.account_id, entry.act, entry.actor) == (customer.account.pk, "staff_viewed", "staff")
        assert entry.by_id == staff.pk
        assert entry.detail == {"what": "page", "of": f"billing.{model}", "row": str(row.pk)}

    def test_has_who_opened_a_gift_with_either_of_its_people(self, clerk: Client, customer: SimpleNamespace) -> None:
        receiver = AccountFactory.create()
        Gift.objects.update(state="redeemed", redeemed_by=receiver, redeemed_at=now())
        page(clerk, Gift.objects.get())
        assert set(views().values_list("account", flat=True)) == {customer.account.pk, receiver.pk}

    @pytest.mark.parametrize("named", ["customer", "payment_intent", "id", "card"])
    def test_has_who_opened_what_stripe_said_of_a_person(
        self, clerk: Client, customer: SimpleNamespace, named: str
    ) -> None:
        attempt = PaymentAttempt.objects.get()
        about = {
            "customer": {"id": "ch_1", "customer": f"cus_{customer.account.pk}"},
            "payment_intent": {"id": "dp_1", "payment_intent": attempt.gateway_id},
            "id": {"id": attempt.gateway_id, "client_secret": "pi_1_secret_of_older_ones"},
            "card": {"id": attempt.payment_method.gateway_id},
        }[named]
        event = WebhookEvent.objects.create(
            event_id="evt_1", type="x", payload={"data": {"object": about}}, livemode=False, received_at=now(),
            status="processed",
        )  # fmt: skip
        assert "secret_of_older" not in page(clerk, event)
        assert views().get().account_id == customer.account.pk

    def test_has_nobody_for_what_stripe_said_of_nobody(self, clerk: Client) -> None:
        event = WebhookEvent.objects.create(
            event_id="evt_1", type="payout.paid", payload={"data": None}, livemode=False, received_at=now(),
            status="ignored",
        )  # fmt: skip
        page(clerk, event)
        assert not views().exists()

    def test_has_who_took_a_document_or_evidence_away(self, clerk: Client, customer: SimpleNamespace) -> None:
        for name, row in (("invoice_pdf", customer.invoice), ("dispute_evidence", customer.dispute)):
            assert clerk.get(reverse(f"admin:billing_{name}", args=[row.pk])).status_code == 200
        said = views().order_by("at", "pk").values_list("account", "detail__what", "detail__of")
        assert list(said) == [
            (customer.account.pk, "PDF", "billing.invoice"),
            (customer.account.pk, "evidence", "billing.dispute"),
        ]

    def test_has_nothing_of_who_was_refused(self, customer: SimpleNamespace) -> None:
        stranger = Client()
        stranger.force_login(StaffFactory.create())
        answer = stranger.get(reverse("admin:billing_invoice_change", args=[customer.invoice.pk]))
        assert answer.status_code == 403
        assert not views().exists()

    def test_has_nothing_of_one_s_own_pages(self, clerk: Client, staff: User, customer: SimpleNamespace) -> None:
        PaymentMethod.objects.filter(account=customer.account).update(account=staff)
        page(clerk, PaymentMethod.objects.get(account=staff))
        assert not views().exists()
