"""Staff look at everything, edit offers by adding versions, and act through services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.services import staff as staff_groups
from billing import tasks
from billing.models import Invoice, PaymentAttempt, Price, Subscription, SubscriptionTransition, WebhookEvent
from billing.services import renewals
from core.clock import now
from tests.billing.instant import InstantGateway
from tests.factories.accounts import StaffFactory
from tests.factories.billing import PlanFactory, PriceFactory, make_due
from tests.standin import Standin

pytestmark = pytest.mark.django_db

READ_ONLY = ["subscription", "invoice", "paymentattempt", "paymentmethod", "webhookevent", "journalentry"]


@pytest.fixture
def staff() -> User:
    return StaffFactory.create(is_superuser=True)


@pytest.fixture
def admin(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


@pytest.fixture
def history() -> list[Subscription]:
    """Answer subscriptions that were billed once, with an event of Stripe's."""
    due = now()
    made = make_due(3, price=PriceFactory.create(), due_at=due)
    renewals.run(gateway=InstantGateway(), clock=lambda: due, limit=10)
    WebhookEvent.objects.create(
        event_id="evt_1", type="x", payload={"id": "evt_1"}, livemode=False, received_at=due, next_try_at=due
    )
    return made


def act(client: Client, action: str, *subscriptions: Subscription) -> Any:
    return client.post(
        reverse("admin:billing_subscription_changelist"),
        {"action": action, "_selected_action": [str(subscription.pk) for subscription in subscriptions]},
        follow=True,
    )


class TestPages:
    @pytest.mark.parametrize("model", [*READ_ONLY, "plan", "price", "planfamily"])
    def test_open(self, admin: Client, history: list[Subscription], model: str) -> None:
        listed = admin.get(reverse(f"admin:billing_{model}_changelist"))
        assert listed.status_code == 200
        (first, *_) = listed.context["cl"].result_list
        assert admin.get(reverse(f"admin:billing_{model}_change", args=[first.pk])).status_code == 200

    @pytest.mark.parametrize("model", READ_ONLY)
    def test_change_nothing(self, admin: Client, history: list[Subscription], model: str) -> None:
        assert admin.get(reverse(f"admin:billing_{model}_add")).status_code == 403
        row = admin.get(reverse(f"admin:billing_{model}_changelist")).context["cl"].result_list[0]
        before = type(row).objects.values().get(pk=row.pk)
        for page in ("change", "delete"):
            assert (
                admin.post(reverse(f"admin:billing_{model}_{page}", args=[row.pk]), {"post": "yes"}).status_code == 403
            )
        assert type(row).objects.values().get(pk=row.pk) == before

    @pytest.mark.parametrize("model", ["subscription", "invoice", "paymentattempt", "paymentmethod"])
    def test_cost_as_many_queries_for_many_rows_as_for_few(self, admin: Client, model: str) -> None:
        price, address = PriceFactory.create(), reverse(f"admin:billing_{model}_changelist")

        def cost(rows: int) -> int:
            due = now()
            make_due(rows, price=price, due_at=due)
            renewals.run(gateway=InstantGateway(), clock=lambda: due, limit=100)
            with CaptureQueriesContext(connection) as queries:
                assert admin.get(address).status_code == 200
            return len(queries)

        cost(1)
        assert cost(1) == cost(20)

    def test_find_an_account_by_its_address(self, admin: Client, history: list[Subscription]) -> None:
        wanted = history[1]
        found = admin.get(reverse("admin:billing_subscription_changelist"), {"q": wanted.account.email})
        assert [row.pk for row in found.context["cl"].result_list] == [wanted.pk]


class TestPrices:
    def test_are_added_as_the_next_version(self, admin: Client) -> None:
        price = PriceFactory.create(amount=1549)
        answer = admin.post(
            reverse("admin:billing_price_add"),
            {
                "plan": str(price.plan_id),
                "currency": "USD",
                "country": "",
                "interval": "month",
                "amount": "1699",
                "tax_behavior": "inclusive",
                "trial_days": "0",
                "notice_days": "30",
            },
        )
        assert answer.status_code == 302
        assert list(Price.objects.order_by("version").values_list("version", "amount")) == [(1, 1549), (2, 1699)]
        assert Price.objects.current().get().amount == 1699

    def test_are_never_edited(self, admin: Client) -> None:
        price = PriceFactory.create()
        assert admin.post(reverse("admin:billing_price_change", args=[price.pk]), {"amount": "1"}).status_code == 403
        assert Price.objects.get().amount == 1549

    @pytest.mark.parametrize(
        "mistake", [{"currency": "usd"}, {"currency": "ZZZ"}, {"amount": "0"}, {"currency": "KWD", "amount": "2755"}]
    )
    def test_with_mistakes_are_shown_again_with_what_is_wrong(self, admin: Client, mistake: dict[str, str]) -> None:
        wanted = {
            "plan": str(PlanFactory.create().pk),
            "currency": "USD",
            "country": "",
            "interval": "month",
            "amount": "1699",
            "tax_behavior": "inclusive",
            "trial_days": "0",
            "notice_days": "30",
        }
        answer = admin.post(reverse("admin:billing_price_add"), wanted | mistake)
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors
        assert Price.objects.count() == 0


class TestActions:
    def test_cancel_for_the_customer_in_the_name_of_staff(
        self, admin: Client, staff: User, history: list[Subscription], standin: Standin
    ) -> None:
        answer = act(admin, "cancel_at_period_end", history[0])
        assert "1 cancelled." in [str(message) for message in answer.context["messages"]]
        subscription = Subscription.objects.get(pk=history[0].pk)
        assert (subscription.status, subscription.cancel_at) == ("active", subscription.paid_through)
        note = SubscriptionTransition.objects.get()
        assert (note.by, note.reason) == (f"staff:{staff.pk}", "cancel_requested")
        assert Subscription.objects.exclude(cancel_at=None).count() == 1

    def test_put_a_parked_one_back_and_refuse_another(self, admin: Client, history: list[Subscription]) -> None:
        Subscription.objects.filter(pk=history[0].pk).update(
            parked_at=now() - timedelta(days=1), parked_reason="second_charge_within_20_hours"
        )
        answer = act(admin, "unpark", history[0], history[1])
        said = [str(message) for message in answer.context["messages"]]
        assert any("is not parked" in message for message in said)
        assert "1 put back." in said
        assert Subscription.objects.filter(parked_at=None).count() == 3

    def test_are_not_offered_without_the_right(self, history: list[Subscription]) -> None:
        viewer = StaffFactory.create()
        viewer.user_permissions.add(Permission.objects.get(codename="view_subscription"))
        client = Client()
        client.force_login(viewer)
        act(client, "cancel_at_period_end", history[0])
        assert Subscription.objects.exclude(cancel_at=None).count() == 0
        listed = client.get(reverse("admin:billing_subscription_changelist"))
        assert listed.status_code == 200
        assert b"cancel_at_period_end" not in listed.content

    def test_show_no_card_number_anywhere(self, admin: Client, history: list[Subscription]) -> None:
        assert Invoice.objects.count() == PaymentAttempt.objects.count() == 3
        for model in READ_ONLY:
            assert b"4242424242424242" not in admin.get(reverse(f"admin:billing_{model}_changelist")).content


class TestPdf:
    def test_opens_from_the_admin_for_whoever_may_see_invoices(
        self, admin: Client, history: list[Subscription]
    ) -> None:
        invoice = Invoice.objects.filter(subscription=history[0]).get()
        page = admin.get(reverse("admin:billing_invoice_change", args=[invoice.pk]))
        address = reverse("admin:billing_invoice_pdf", args=[invoice.pk])
        assert address in page.content.decode()
        answer = admin.get(address)
        assert (answer["Content-Type"], answer.content[:5]) == ("application/pdf", b"%PDF-")
        assert admin.get(reverse("admin:billing_invoice_pdf", args=[history[0].pk])).status_code == 404
        stranger = Client()
        stranger.force_login(StaffFactory.create())
        assert stranger.get(address).status_code == 403


class TestGroups:
    def test_billing_maintains_offers_and_law_and_nothing_that_was_charged(self) -> None:
        staff_groups.sync_groups()
        granted = Permission.objects.filter(group__name="billing", content_type__app_label="billing")
        rights = set(granted.values_list("codename", flat=True))
        tables = {right for right in rights if right.split("_")[0] in {"add", "change", "delete"}}
        maintained = ("consumerlaw", "coupon", "legaldocument", "outage", "plan", "planfamily", "price")
        assert tables == {f"{action}_{model}" for action in ("add", "change") for model in maintained}


class TestLateRenewals:
    def test_are_an_error_once_the_viewers_are_locked_out(self, caplog: pytest.LogCaptureFixture) -> None:
        due = now()
        make_due(2, price=PriceFactory.create(), due_at=due - timedelta(hours=73))
        make_due(1, price=PriceFactory.create(), due_at=due - timedelta(hours=71))
        tasks.alert_of_late_renewals()
        (record,) = [each for each in caplog.records if "72 hours late" in each.getMessage()]
        assert record.__dict__["count"] == 2
