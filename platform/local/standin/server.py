"""The HTTP server: Stripe's addresses under /v1, ours under /_control."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from local.standin import api
from local.standin.api import Answer, Api
from local.standin.call import Call
from local.standin.faults import Fault, Faults
from local.standin.resources import disputes, payment_intents, setup_intents
from local.standin.webhooks import Deliverer
from local.standin.wire import StripeError
from local.standin.world import API_VERSION, World

LARGEST_BODY = 1_000_000


class Hangup(Response):
    """Closes the connection without a whole answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise more than is sent; the server then drops the connection."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"65536")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


class Server:
    """The stand-in: one world, its faults, its recording."""

    def __init__(self, world: World, stripe: Api, *, record: Path | None = None) -> None:
        self.world = world
        self.stripe = stripe
        self.faults = Faults()
        self.record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if record else None
        self.in_flight: set[str] = set()
        self._window = (0, 0)

    def application(self) -> Starlette:
        """Answer the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/{path:path}", self.serve, methods=["GET", "POST", "DELETE"]),
                Route("/_control/authenticate", self.authentication_page, methods=["GET"]),
                Route("/_control/{what}", self.control, methods=["GET", "POST"]),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(Deliverer(self.world, self.faults).run()), asyncio.create_task(self._tick())]
        yield
        for task in tasks:
            task.cancel()

    async def _tick(self) -> None:
        while True:
            self.stripe.work_off()
            await asyncio.sleep(0.1)

    # ------------------------------------------------ Stripe's API

    async def serve(self, request: Request) -> Response:
        """Answer one API request, with whatever faults strike it."""
        body = (await request.body())[:LARGEST_BODY].decode("utf-8", "replace")
        method, path = request.method, request.url.path
        authorization = request.headers.get("authorization", "")
        if self.stripe.publishable_key not in authorization:
            self._write_record(method, path, request.url.query, body)
        request_id = f"req_{secrets.token_hex(7)}"
        if self._too_many():
            return _response(api.rate_limited(request_id), request_id)
        fault = {rule.kind: rule for rule in self.faults.of(method, path)}
        if "refused" in fault:
            return Hangup()
        if "rate_limited" in fault:
            return _response(api.rate_limited(request_id), request_id)
        if "error_before" in fault:
            return _response(api.internal_error(request_id), request_id)
        key = request.headers.get("idempotency-key") if method == "POST" else None
        if key is not None and key in self.in_flight:
            return _response(api.key_in_use(key, request_id), request_id)
        self.in_flight.add(key or request_id)
        try:
            if "latency" in fault:
                await asyncio.sleep(fault["latency"].seconds)
            answer = self.stripe.answer(
                method, path, query=request.url.query, body=body, authorization=request.headers.get("authorization", ""),
                key=key, request_id=request_id, fail_after="error_after" in fault,
            )  # fmt: skip
        finally:
            self.in_flight.discard(key or request_id)
        return Hangup() if "lost_reply" in fault else _response(answer, request_id)

    def _too_many(self) -> bool:
        if not self.faults.per_second:
            return False
        second, count = self._window
        now = int(time.monotonic())
        self._window = (now, count + 1) if now == second else (now, 1)
        return self._window[1] > self.faults.per_second

    def _write_record(self, method: str, path: str, query: str, body: str) -> None:
        """Record what the platform asks; what its clients ask with the publishable key is theirs."""
        if self.record is not None:
            line = orjson.dumps({"method": method, "path": path, "query": query, "body": body}) + b"\n"
            # One write to an appending file: lines of several servers do not interleave.
            os.write(self.record, line)

    # ------------------------------------------------ control

    async def control(self, request: Request) -> Response:
        """Drive the stand-in; the package's docstring lists what can be asked."""
        what = request.path_params["what"]
        try:
            data = (
                orjson.loads(await request.body() or b"{}") if request.method == "POST" else dict(request.query_params)
            )
            answer = self._control(request.method, what, data)
        except StripeError as error:
            return _json({"error": str(error)}, 400)
        except (ValueError, KeyError, TypeError) as error:
            return _json({"error": f"{what}: {error!r}"}, 400)
        self.stripe.work_off()
        return _json(answer)

    def _control(self, method: str, what: str, data: dict[str, Any]) -> dict[str, Any]:
        match method, what:
            case "GET", "faults":
                return self.faults.as_json()
            case "POST", "faults":
                self.faults.rules.append(Fault.read(data))
                return self.faults.as_json()
            case "POST", "webhooks":
                for name, value in data.items():
                    getattr(self.faults.webhooks, name)
                    setattr(self.faults.webhooks, name, value)
                return self.faults.as_json()
            case "POST", "rate":
                self.faults.per_second = int(data["per_second"])
                return self.faults.as_json()
            case "POST", "clear":
                self.faults.clear()
                return self.faults.as_json()
            case "GET", "clock":
                return {"now": self.world.now(), "driven": self.world.store.note("clock") is not None}
            case "POST", "clock":
                at = self.world.now() + int(data["advance"]) if "advance" in data else data.get("at")
                self.world.set_clock(None if at is None else int(at))
                return {"now": self.world.now()}
            case "POST", "authenticate":
                return self._authenticate(data)
            case "POST", "dispute":
                with self.world.store.transaction():
                    return disputes.open_on(self.world, data["charge"], reason=data.get("reason", "fraudulent"))
            case "POST", "fraud_warning":
                with self.world.store.transaction():
                    return disputes.warn(self.world, data["charge"])
            case "POST", "decide":
                with self.world.store.transaction():
                    return disputes.decide(self.world, data["dispute"], won=bool(data["won"]))
            case "GET", "books":
                return self._books()
            case "GET", "deliveries":
                row = self.world.store.db.execute("SELECT count(*) FROM delivery").fetchone()
                return {"waiting": row[0]}
            case "POST", "reset":
                self.faults.clear()
                self.world.store.reset()
                return {}
        raise ValueError("no such control")

    def _authenticate(self, data: dict[str, Any]) -> dict[str, Any]:
        resource = {"payment_intent": payment_intents, "setup_intent": setup_intents}[data["kind"]]
        with self.world.store.transaction():
            call = Call(self.world, {}, "req_customer")
            return resource.finish_authentication(
                call, self.world.get(data["kind"], data["id"]), passed=bool(data["passed"])
            )

    def _books(self) -> dict[str, Any]:
        """Answer every charge that moved money, with its intent's metadata, and what came back."""
        charges = [
            {
                name: charge[name]
                for name in (
                    "id",
                    "amount",
                    "currency",
                    "customer",
                    "payment_intent",
                    "metadata",
                    "amount_refunded",
                    "disputed",
                    "created",
                )
            }
            for charge in self.world.store.everything("charge")
            if charge["paid"]
        ]
        net: dict[str, int] = {}
        for entry in self.world.store.everything("balance_transaction"):
            net[entry["currency"]] = net.get(entry["currency"], 0) + entry["net"]
        return {"charges": charges, "net": net}

    async def authentication_page(self, request: Request) -> Response:
        """Show what a bank shows: two buttons."""
        kind = next((name for name in ("payment_intent", "setup_intent") if name in request.query_params), None)
        if kind is None or self.world.store.find(kind, request.query_params[kind]) is None:
            return HTMLResponse("<h1>Nothing waits for authentication here.</h1>", 404)
        return HTMLResponse(
            PAGE.replace("KIND", kind).replace("ID", self.world.get(kind, request.query_params[kind])["id"])
        )


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Your bank</title><style>body{font:1.1rem system-ui;max-width:24rem;margin:20vh auto;text-align:center}
button{font:inherit;padding:.6em 1.2em;margin:.5em}</style>
<h1>Is this you?</h1><p>A stand-in for your bank's page. No money moves.</p>
<button data-passed="1">Confirm</button><button data-passed="">Refuse</button><p id="said"></p>
<script>document.querySelectorAll("button").forEach(b=>b.onclick=async()=>{
const r=await fetch("/_control/authenticate",{method:"POST",body:JSON.stringify({kind:"KIND",id:"ID",passed:!!b.dataset.passed})});
document.getElementById("said").textContent=r.ok?"Done. You may close this page.":(await r.json()).error})</script></html>"""


def _response(answer: Answer, request_id: str) -> Response:
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION, "Content-Type": "application/json"}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    if answer.status in {409, 429, 500}:
        headers["Stripe-Should-Retry"] = "true" if answer.status != 500 else "false"
    return Response(answer.body, answer.status, headers)


def _json(data: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")
