"""Access that nobody pays for: dated, revocable, and the highest tier holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from billing import rules, selectors
from billing.models import AccessGrant, Plan
from billing.services import access
from tests.factories.accounts import AccountFactory
from tests.factories.billing import NOW, PlanFactory, PriceFactory, make_due

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
ANNA = "staff:anna"


def grant(account: User, plan: Plan | None = None, **changes: Any) -> AccessGrant:
    values: dict[str, Any] = {
        "account_id": account.pk,
        "plan_id": (plan or PlanFactory.create()).pk,
        "kind": AccessGrant.Kind.PRESS,
        "reason": "a review",
        "starts_at": NOW + DAY,
        "ends_at": NOW + 3 * DAY,
        "by": ANNA,
        "now": NOW,
    }
    return access.grant(**(values | changes))


def plan_on(account: User, day: float) -> tuple[str, str | None]:
    found = selectors.entitlement(account_id=account.pk, now=NOW + day * DAY)
    return str(found.access), found.plan.code if found.plan else None


class TestGrant:
    def test_gives_its_plan_from_its_start_to_its_end(self) -> None:
        account = AccountFactory.create()
        given = grant(account)
        assert [plan_on(account, day) for day in (0.9, 1, 2.9, 3)] == [
            ("none", None),
            ("granted", given.plan.code),
            ("granted", given.plan.code),
            ("none", None),
        ]
        before = selectors.entitlement(account_id=account.pk, now=NOW)
        during = selectors.entitlement(account_id=account.pk, now=NOW + DAY)
        assert (before.valid_until, during.valid_until) == (given.starts_at, given.ends_at)

    def test_gives_the_higher_tier_beside_what_is_paid_for(self) -> None:
        low, high = PlanFactory.create(tier=101), PlanFactory.create(tier=102)
        (subscription,) = make_due(1, price=PriceFactory.create(plan=low), due_at=NOW + 10 * DAY)
        account = subscription.account
        grant(account, high)
        assert [plan_on(account, day) for day in (0, 1, 3)] == [
            ("subscribed", low.code),
            ("granted", high.code),
            ("subscribed", low.code),
        ]

    def test_of_a_lower_tier_changes_nothing(self) -> None:
        low, high = PlanFactory.create(tier=101), PlanFactory.create(tier=102)
        (subscription,) = make_due(1, price=PriceFactory.create(plan=high), due_at=NOW + 10 * DAY)
        grant(subscription.account, low)
        assert plan_on(subscription.account, 2) == ("subscribed", high.code)
        assert selectors.entitlement(account_id=subscription.account_id, now=NOW).access is rules.Access.SUBSCRIBED

    def test_is_recorded_with_who_and_why(self) -> None:
        given = grant(AccountFactory.create())
        assert (given.granted_by, given.granted_at, given.reason, given.kind) == (ANNA, NOW, "a review", "press")

    @pytest.mark.parametrize("ends_at", [NOW + DAY, NOW])
    def test_that_never_begins_is_refused(self, ends_at: Any) -> None:
        with pytest.raises(access.AccessNeverBegins):
            grant(AccountFactory.create(), ends_at=ends_at)
        assert not AccessGrant.objects.exists()

    def test_lasts_as_the_database_says_too(self) -> None:
        given = grant(AccountFactory.create())
        with pytest.raises(IntegrityError, match="access_grant_lasts"), transaction.atomic():
            AccessGrant.objects.filter(pk=given.pk).update(ends_at=given.starts_at)


class TestRevoking:
    def test_ends_it_at_once(self) -> None:
        account = AccountFactory.create()
        given = grant(account)
        revoked = access.revoke(grant_id=given.pk, by=ANNA, now=NOW + DAY)
        assert (revoked.revoked_by, revoked.revoked_at) == (ANNA, NOW + DAY)
        assert plan_on(account, 2) == ("none", None)
        with pytest.raises(access.AccessAlreadyRevoked):
            access.revoke(grant_id=given.pk, by=ANNA, now=NOW + DAY)


@pytest.mark.django_db(transaction=True)
class TestKeptAnswer:
    def test_is_asked_anew_after_each_change(self) -> None:
        account = AccountFactory.create()
        assert plan_on(account, 2)[0] == "none"
        given = grant(account)
        assert plan_on(account, 2)[0] == "granted"
        access.revoke(grant_id=given.pk, by=ANNA, now=NOW)
        assert plan_on(account, 2)[0] == "none"
