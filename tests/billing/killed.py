"""A process that is killed at a named point: `python -m tests.billing.killed POINT WHAT...`.

WHAT is `subscribe ACCOUNT PRICE KEY` (over the API), `renew NOW` or `sweep NOW`. POINT is where
SIGKILL strikes, or `nowhere`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import django

POINTS = (
    "before_commit",  # intent written, not committed
    "after_commit",  # intent committed, attempt created
    "after_sent",  # marked as sent, not sent
    "after_charge",  # charged, outcome not recorded
    "while_settling",  # outcome written, not committed
)
OF_RENEWALS = (
    "after_claim",  # claimed, nothing written yet
    *POINTS,
    "after_settling",  # outcome committed, the run not at its end
)


def strike(*_: Any, **__: Any) -> None:
    """End this process as the kernel does."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Put SIGKILL where `point` says."""
    from billing.services import invoicing, ledger, payments, records, settlement
    from billing.stripe_gateway import StripeGateway

    def after(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def struck(*args: Any, **kwargs: Any) -> Any:
            answer = original(*args, **kwargs)
            # What is called for nothing is no step.
            return strike() if args[0] else answer

        setattr(owner, name, struck)

    match point:
        case "after_claim":
            after(records, "claim")
        case "before_commit":
            after(invoicing, "bill")
        case "after_commit":
            # Where runs of renewals find it, and where single charges do.
            payments.mark_sent = payments.sending.mark_sent = strike  # type: ignore[assignment] # the point
        case "after_sent":
            StripeGateway.charge = strike  # type: ignore[assignment,method-assign] # the point
        case "after_charge":
            after(StripeGateway, "charge")
        case "while_settling":
            after(ledger, "schedule_revenue")
        case "after_settling":
            after(settlement, "settle")


def main() -> None:
    """Do what the command line says."""
    point, what, *arguments = sys.argv[1:]
    django.setup()
    from billing import stripe_gateway
    from billing.services import payments, renewals

    arm(point)
    if what == "subscribe":
        from rest_framework.test import APIClient

        from accounts.models import User
        from billing.models import Price
        from tests.factories.accounts import sign_in

        account, price_id, key = arguments
        price = Price.objects.get(pk=UUID(price_id))
        client = APIClient()
        client.credentials(HTTP_X_SESSION_TOKEN=sign_in(User.objects.get(pk=UUID(account))))
        answer = client.post(
            "/api/v1/subscriptions",
            {"price": price_id, "quoted_amount": price.amount},
            format="json",
            headers={"Idempotency-Key": key},
        )
        sys.stdout.write(f"{answer.status_code}")
        return
    now = datetime.fromisoformat(arguments[0])
    if what == "renew":
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: now, limit=100)
    else:
        payments.sweep(gateway=stripe_gateway.connect(), now=now)


if __name__ == "__main__":
    main()
