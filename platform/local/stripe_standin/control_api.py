"""The control endpoint: `/_control/...`, JSON in and out. The package's docstring lists what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from local.stripe_standin import pages, webhooks
from local.stripe_standin.api import Api
from local.stripe_standin.cards import by_number
from local.stripe_standin.errors import StripeError
from local.stripe_standin.faults import RateLimit
from local.stripe_standin.resources import disputes, early_fraud_warnings, payment_methods
from local.stripe_standin.work import Thing, Work, public

Given = dict[str, Any]

PAID = [
    "id",
    "amount",
    "amount_captured",
    "amount_refunded",
    "created",
    "currency",
    "customer",
    "disputed",
    "metadata",
    "payment_intent",
    "payment_method",
]
"""What the books say of a charge."""


class ControlApi:
    """What may be asked beside Stripe's API. Nobody authenticates: it listens on this machine alone."""

    def __init__(self, api: Api, begin_anew: Callable[[], None]) -> None:
        self._api = api
        self._begin_anew = begin_anew

    async def serve(self, request: Request) -> Response:
        """Answer one request; 400 says what is wrong with it."""
        asked = f"{request.method} {request.path_params['what']}"
        try:
            given = (
                orjson.loads(await request.body() or b"{}") if request.method == "POST" else dict(request.query_params)
            )
            if asked == "POST webhooks/forge":
                return _json({"statuses": await self._forge(given)})
            action = self._ACTIONS.get(asked)
            if action is None:
                return _json(
                    {"error": f"No such control: {asked}. There are: {', '.join(sorted(self._ACTIONS))}."}, 404
                )
            return _json(action(self, given))
        except StripeError as error:
            return _json({"error": error.message}, 400)
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        except KeyError as error:
            return _json({"error": f"{error.args[0]} is missing"}, 400)

    # ------------------------------------------------ the whole

    def _health(self, given: Given) -> Given:
        return {"ready": True}

    def _reset(self, given: Given) -> Given:
        self._api.store.clear()
        self._api.faults.clear(int(given.get("seed", 0)))
        self._api.counters.clear()
        self._api.clock.release()
        self._begin_anew()
        return {}

    def _counters(self, given: Given) -> Given:
        return dict(self._api.counters)

    def _books(self, given: Given) -> Given:
        """Answer the charges that moved money, oldest first, and the balance by currency after fees."""
        work = Work(self._api.store, self._api.clock.now())
        if customer := given.get("customer"):
            charges = work.select("kind = 'charge' AND customer = ? ORDER BY seq", customer)
        else:
            charges = work.select("kind = 'charge' ORDER BY seq")
        return {
            "charges": [{name: charge[name] for name in PAID} for charge in charges if charge["paid"]],
            "net": dict(self._api.store.rows("SELECT currency, net FROM balances")),
        }

    # ------------------------------------------------ time

    def _clock(self, given: Given) -> Given:
        return {"now": self._api.clock.now(), "driven": self._api.clock.frozen_at is not None}

    def _move_clock(self, given: Given) -> Given:
        clock = self._api.clock
        if "advance" in given:
            clock.advance(int(given["advance"]))
        elif given["at"] is None:
            clock.release()
        else:
            clock.set(int(given["at"]))
        self._api.move_clock()
        return self._clock(given)

    def _run_jobs(self, given: Given) -> Given:
        return {"done": self._api.run_jobs()}

    # ------------------------------------------------ faults

    def _faults(self, given: Given) -> Given:
        return self._api.faults.as_json()

    def _add_fault(self, given: Given) -> Given:
        self._api.faults.add(given)
        return self._faults(given)

    def _clear_faults(self, given: Given) -> Given:
        self._api.faults.clear(int(given.get("seed", 0)))
        return self._faults(given)

    def _limit_rate(self, given: Given) -> Given:
        self._api.faults.rate = RateLimit(int(given.get("per_second", 0)), int(given.get("per_endpoint", 0)))
        return self._faults(given)

    # ------------------------------------------------ webhooks

    def _disturb_webhooks(self, given: Given) -> Given:
        self._api.faults.disturb_webhooks(given)
        return self._faults(given)

    def _deliveries(self, given: Given) -> Given:
        return {"waiting": webhooks.waiting(self._api.store)}

    def _resend(self, given: Given) -> Given:
        webhooks.resend(self._api.store, given["event"])
        self._api.deliverer.woken.set()
        return self._deliveries(given)

    def _release(self, given: Given) -> Given:
        self._api.faults.disturb_webhooks({"hold": False})
        released = webhooks.release(self._api.store, given.get("order", "created"), self._api.faults.chance)
        self._api.deliverer.woken.set()
        return {"released": released}

    async def _forge(self, given: Given) -> list[int]:
        return await webhooks.forge(
            self._api.store,
            self._api.clock.now(),
            event_type=given["type"],
            thing=given["object"],
            flaw=given.get("flaw", "secret"),
        )

    def _rotate_secret(self, given: Given) -> Given:
        def rotate(work: Work) -> Thing:
            for endpoint in work.select("kind = 'webhook_endpoint'"):
                until = work.now + int(given.get("keep_old_for", 86_400))
                endpoint["_retired"] = [*endpoint.get("_retired", []), *((old, until) for old in endpoint["_secrets"])]
                endpoint["_secrets"] = [given["secret"]]
                work.save(endpoint)
            return {}

        answer: Given = self._api.change(rotate)
        return answer

    # ------------------------------------------------ what customers and banks do

    def _authenticate(self, given: Given) -> Given:
        return pages.authenticate(self._api, given["id"], succeed=bool(given.get("passed", True)))

    def _dispute(self, given: Given) -> Given:
        return self._on_charge(
            given,
            lambda work, charge: disputes.dispute(
                work,
                charge,
                reason=given.get("reason", "fraudulent"),
                amount=given.get("amount"),
                inquiry=bool(given.get("inquiry", False)),
            ),
        )

    def _warn_of_fraud(self, given: Given) -> Given:
        return self._on_charge(given, early_fraud_warnings.warn)

    def _on_charge(self, given: Given, action: Callable[[Work, Thing], Thing]) -> Given:
        made: Given = self._api.change(lambda work: public(action(work, work.get("charge", given["charge"]))))
        return made

    def _decide(self, given: Given) -> Given:
        def decide(work: Work) -> Thing:
            dispute = work.get("dispute", given["dispute"])
            (disputes.win if given["won"] else disputes.lose)(work, dispute)
            return public(dispute)

        decided: Given = self._api.change(decide)
        return decided

    def _change_card(self, given: Given) -> Given:
        def change(work: Work) -> Thing:
            method = payment_methods.get(work, given["payment_method"])
            if "behave_as" in given:
                method["_number"] = by_number(given["behave_as"]).number
            update = {name: given[name] for name in ("brand", "exp_month", "exp_year", "last4") if name in given}
            if update:
                previous = {name: method["card"][name] for name in update}
                method["card"] = {**method["card"], **update}
                work.emit("payment_method.automatically_updated", method, previous={"card": previous})
            work.save(method)
            return public(method)

        changed: Given = self._api.change(change)
        return changed

    _ACTIONS: dict[str, Callable[[ControlApi, Given], Given]] = {
        "GET health": _health,
        "POST reset": _reset,
        "GET counters": _counters,
        "GET books": _books,
        "GET clock": _clock,
        "POST clock": _move_clock,
        "POST jobs": _run_jobs,
        "GET faults": _faults,
        "POST faults": _add_fault,
        "POST clear": _clear_faults,
        "POST rate": _limit_rate,
        "POST webhooks": _disturb_webhooks,
        "GET deliveries": _deliveries,
        "POST webhooks/resend": _resend,
        "POST webhooks/release": _release,
        "POST webhooks/rotate": _rotate_secret,
        "POST authenticate": _authenticate,
        "POST dispute": _dispute,
        "POST fraud_warning": _warn_of_fraud,
        "POST decide": _decide,
        "POST card": _change_card,
    }


def _json(answer: Given, status: int = 200) -> Response:
    return Response(orjson.dumps(answer), status, media_type="application/json")
