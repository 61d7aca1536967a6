"""Calls that are old, or look so by a clock that jumped: looked for, made again with their own key, and replaced last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import Invoice, PaymentAttempt
from billing.services import payments, renewals
from tests.billing.instant import NOT_FOUND, InstantGateway
from tests.factories.billing import NOW, PriceFactory, make_due

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.16")]

UNKNOWN = ChargeOutcome(OutcomeKind.UNKNOWN, code="http_500")
IN_USE = ChargeOutcome(OutcomeKind.UNKNOWN, code="http_409")


class UnderWay(InstantGateway):
    """A gateway at which the first call of a key takes long enough for something else to happen meanwhile."""

    def __init__(self, meanwhile: Callable[[InstantGateway], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome:
        if self.calls[idempotency_key]:
            self.calls[idempotency_key] += 1
            return IN_USE
        self.calls[idempotency_key] += 1
        self._meanwhile(self)
        self.charges[idempotency_key] = params
        return ChargeOutcome(OutcomeKind.SUCCEEDED, f"pi_{idempotency_key}")


class Forgetful(InstantGateway):
    """A gateway that answers an error, and the same error to all calls with that key."""

    def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome:
        self.calls[idempotency_key] += 1
        if idempotency_key == next(iter(self.calls)):
            return ChargeOutcome(OutcomeKind.UNKNOWN, code="http_500", is_kept=self.calls[idempotency_key] > 1)
        return super().charge(params=params, idempotency_key=idempotency_key)


def renew(gateway: InstantGateway) -> None:
    make_due(1, price=PriceFactory.create(), due_at=NOW)
    renewals.run(gateway=gateway, clock=lambda: NOW, limit=1)


def states() -> list[tuple[int, str]]:
    return list(PaymentAttempt.objects.order_by("n").values_list("n", "state"))


@pytest.mark.parametrize("ahead", [timedelta(hours=13), timedelta(days=1), timedelta(days=31)])
def test_a_call_under_way_is_not_replaced_by_a_worker_whose_clock_jumped_meanwhile(ahead: timedelta) -> None:
    def sweep(gateway: InstantGateway) -> None:
        assert payments.sweep(gateway=gateway, now=NOW + ahead).looked_up == 1
        assert states() == [(1, "sent")]

    gateway = UnderWay(sweep)
    make_due(1, price=PriceFactory.create(), due_at=NOW)
    # On this test's own connection, as a request charges.
    payments.send(renewals.claiming.claim(now=NOW, size=1).attempts.keys(), gateway=gateway, now=NOW)
    assert states() == [(1, "succeeded")]
    assert Invoice.objects.get().status == "paid"
    (key,) = gateway.charges
    assert gateway.calls == {key: 2}


class TestOldCall:
    def test_is_made_again_with_its_own_key_where_nothing_is_found(self) -> None:
        gateway = InstantGateway(UNKNOWN)
        renew(gateway)
        gateway.outcome = None
        payments.sweep(gateway=gateway, now=NOW + timedelta(hours=25))
        assert states() == [(1, "succeeded")]
        assert list(gateway.charges) == [PaymentAttempt.objects.get().idempotency_key]

    @pytest.mark.parametrize("ahead", [0, 2, 30])
    def test_is_found_although_it_was_made_by_a_clock_that_was_days_ahead(self, ahead: int) -> None:
        """Its charge is older than its row says; its key is forgotten, and the same call would be another charge."""

        class Dated(InstantGateway):
            def find_charge(self, *, customer: str, attempt_id: str, since: datetime) -> ChargeOutcome:
                found = NOW - timedelta(days=ahead) >= since
                return ChargeOutcome(OutcomeKind.SUCCEEDED, "pi_old") if found else NOT_FOUND

        renew(gateway := Dated(UNKNOWN))
        gateway.outcome = None
        payments.sweep(gateway=gateway, now=NOW + timedelta(days=3))
        assert (states(), gateway.charges) == ([(1, "succeeded")], {})

    def test_is_not_replaced_while_the_gateway_answers_with_an_error_of_the_moment(self) -> None:
        gateway = InstantGateway(UNKNOWN)
        renew(gateway)
        for hours in (13, 25, 50):
            payments.sweep(gateway=gateway, now=NOW + timedelta(hours=hours))
            assert states() == [(1, "sent")]

    def test_is_replaced_once_the_gateway_keeps_an_error_under_its_key(self) -> None:
        gateway = Forgetful()
        renew(gateway)
        payments.sweep(gateway=gateway, now=NOW + timedelta(hours=1))
        # Young, it may still be charged by whoever made it.
        assert states() == [(1, "sent")]
        payments.sweep(gateway=gateway, now=NOW + timedelta(hours=13))
        assert states() == [(1, "failed"), (2, "succeeded")]
        assert list(gateway.charges) == [PaymentAttempt.objects.get(n=2).idempotency_key]

    def test_is_adopted_where_its_charge_shows_only_after_the_kept_error(self) -> None:
        class Late(Forgetful):
            def find_charge(self, *, customer: str, attempt_id: str, since: datetime) -> ChargeOutcome:
                shown = self.calls[f"att_{attempt_id}"] > 1
                return ChargeOutcome(OutcomeKind.SUCCEEDED, "pi_late") if shown else NOT_FOUND

        renew(gateway := Late())
        payments.sweep(gateway=gateway, now=NOW + timedelta(hours=25))
        assert (states(), len(gateway.charges)) == ([(1, "succeeded")], 0)

    @pytest.mark.parametrize("sent", [True, False])
    @pytest.mark.parametrize("hours", [1, 25])
    def test_of_an_invoice_that_nobody_has_to_pay_any_more_is_not_made_again(self, hours: int, *, sent: bool) -> None:
        gateway = InstantGateway(UNKNOWN)
        renew(gateway)
        if not sent:
            PaymentAttempt.objects.update(state="created", sent_at=None)
        Invoice.objects.update(status=Invoice.Status.VOID)
        calls, gateway.outcome = gateway.calls.total(), None
        payments.sweep(gateway=gateway, now=NOW + timedelta(hours=hours))
        assert states() == [(1, "failed" if sent else "canceled")]
        assert (gateway.calls.total(), gateway.charges) == (calls, {})
