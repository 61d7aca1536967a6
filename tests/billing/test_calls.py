"""Calls to the gateway in flight at once: what becomes of them when whoever collects is gone."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest

from billing.gateway import ChargeOutcome, OutcomeKind
from billing.services import calls
from billing.services.calls import Call

MANY = 4 * calls.IN_FLIGHT


class StoppedGateway:
    """Is told to stop at the first charge, and keeps all others waiting."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()

    def charge(self, *, params: dict[str, Any], idempotency_key: str) -> ChargeOutcome:
        self.begun.append(idempotency_key)
        if idempotency_key == "0":
            raise SystemExit
        self.go_on.wait(30)
        return ChargeOutcome(OutcomeKind.SUCCEEDED)


@pytest.mark.rule("4.16")
class TestCalls:
    def test_that_have_not_begun_are_not_made_once_the_worker_is_stopped(self) -> None:
        gateway = StoppedGateway()
        wanted = [Call(uuid4(), {}, str(n)) for n in range(MANY)]
        before = set(threading.enumerate())
        with pytest.raises(SystemExit):
            calls.make(wanted, gateway=gateway, settle=lambda _: None)  # type: ignore[arg-type]  # all that is asked of it
        gateway.go_on.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        assert 0 < len(gateway.begun) <= calls.IN_FLIGHT
