"""Staff give credit and access, and give gifts back: through services, with their rights, on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing.models import AccessGrant, CreditGrant
from core.clock import now
from tests.billing.customers import Customer
from tests.billing.test_gifts import bought
from tests.factories.accounts import AccountFactory, StaffFactory
from tests.factories.billing import PlanFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db


def staff(*rights: str) -> Client:
    who = StaffFactory.create()
    who.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(who)
    return client


def act(client: Client, model: str, action: str, row: Any) -> Any:
    where = reverse(f"admin:billing_{model}_changelist")
    return client.post(where, {"action": action, "_selected_action": [str(row.pk)]}, follow=True)


@pytest.fixture
def account() -> User:
    return AccountFactory.create()


class TestCredit:
    RIGHTS = ("view_creditgrant", "grant_credit", "approve_credit", "view_user")

    def give(self, client: Client, account: User, amount: int) -> Any:
        wanted = {"account": account.pk, "amount": amount, "currency": "USD", "reason": "outage"}
        management = {"uses-TOTAL_FORMS": 0, "uses-INITIAL_FORMS": 0}
        return client.post(reverse("admin:billing_creditgrant_add"), wanted | management, follow=True)

    def test_is_given_at_once_up_to_the_limit(self, account: User) -> None:
        assert self.give(staff(*self.RIGHTS), account, 500).status_code == 200
        given = CreditGrant.objects.get()
        assert (given.state, given.remaining, given.account, given.reason) == ("granted", 500, account, "outage")
        assert given.requested_by.startswith("staff:")
        assert LogEntry.objects.count() == 1

    def test_above_the_limit_waits_for_somebody_else(self, account: User) -> None:
        anna, ben = staff(*self.RIGHTS), staff(*self.RIGHTS)
        self.give(anna, account, 9000)
        asked = CreditGrant.objects.get()
        assert "Somebody else has to approve" in act(anna, "creditgrant", "approve", asked).content.decode()
        assert CreditGrant.objects.get().state == "requested"
        act(ben, "creditgrant", "approve", asked)
        assert CreditGrant.objects.get().remaining == 9000

    def test_is_a_positive_amount(self, account: User) -> None:
        page = self.give(staff(*self.RIGHTS), account, 0).content.decode()
        assert "Credit is a positive amount" in page
        assert not CreditGrant.objects.exists()

    def test_is_nothing_that_viewers_give(self, account: User) -> None:
        assert self.give(staff("view_creditgrant"), account, 500).status_code == 403
        assert not CreditGrant.objects.exists()


class TestAccess:
    RIGHTS = ("view_accessgrant", "grant_access", "revoke_access", "view_user")

    def give(self, client: Client, account: User, days: int) -> Any:
        starts = now()
        ends = starts + timedelta(days=days)
        return client.post(
            reverse("admin:billing_accessgrant_add"),
            {
                "account": account.pk,
                "plan": PlanFactory.create().pk,
                "kind": "press",
                "reason": "a review",
                "starts_at_0": f"{starts:%Y-%m-%d}",
                "starts_at_1": f"{starts:%H:%M:%S}",
                "ends_at_0": f"{ends:%Y-%m-%d}",
                "ends_at_1": f"{ends:%H:%M:%S}",
            },
            follow=True,
        )

    def test_is_given_for_a_time_and_ended(self, account: User) -> None:
        client = staff(*self.RIGHTS)
        assert self.give(client, account, 30).status_code == 200
        given = AccessGrant.objects.get()
        assert (given.account, given.kind, given.revoked_at) == (account, "press", None)
        act(client, "accessgrant", "revoke", given)
        given.refresh_from_db()
        assert given.revoked_by == given.granted_by

    def test_that_never_begins_is_refused(self, account: User) -> None:
        assert "Access begins before it ends" in self.give(staff(*self.RIGHTS), account, -1).content.decode()
        assert not AccessGrant.objects.exists()


class TestGift:
    def test_is_given_back_by_who_may(self, standin: Standin) -> None:
        gift = bought(standin)
        act(staff("view_gift"), "gift", "give_back", gift)
        assert not gift.invoice.refunds.exists()
        act(staff("view_gift", "refund_gift"), "gift", "give_back", gift)
        assert gift.invoice.refunds.get().amount == 2500

    def test_page_shows_no_hash(self, standin: Standin) -> None:
        gift = bought(standin)
        page = staff("view_gift").get(reverse("admin:billing_gift_change", args=[gift.pk]))
        assert page.status_code == 200
        assert gift.code_hash not in page.content.decode()
        assert Customer(standin).get("gifts").status_code == 200
