"""The HTTP server: Stripe's addresses under /v1, ours under /_control."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette.types import Receive, Scope, Send

from local.standin import api
from local.standin.api import Answer, Api, Request
from local.standin.controls import Controls
from local.standin.faults import Faults
from local.standin.resources import files
from local.standin.webhooks import Deliverer
from local.standin.wire import StripeError
from local.standin.world import API_VERSION, World

LARGEST_BODY = 1_000_000
"""In bytes."""

templates = Jinja2Templates(Path(__file__).parent / "templates")


class Hangup(Response):
    """Closes the connection without a whole answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise more than is sent; the server then drops the connection."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"65536")]})


def _is_no_hangup(record: logging.LogRecord) -> bool:
    return "returned without completing response" not in record.getMessage()


class Server:
    """The stand-in: one world, its faults, its recording."""

    def __init__(self, world: World, stripe: Api, *, record: Path | None = None) -> None:
        self.stripe = stripe
        self.world = world
        self.faults = Faults()
        self.controls = Controls(world, stripe, self.faults, under_way=lambda: self._under_way)
        self.record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if record else None
        self._keys_in_use: set[str] = set()
        self._under_way = 0
        self._second = 0
        self._in_second = 0

    def application(self) -> Starlette:
        """Answer the ASGI application."""
        return Starlette(
            routes=[
                Route("/_control/authenticate", self.show_bank, methods=["GET"]),
                Route("/_control/{what}", self.control, methods=["GET", "POST"]),
                Route("/{path:path}", self.serve, methods=["GET", "POST", "DELETE", "PUT", "PATCH"]),
            ],
            # A customer's browser speaks to it from our pages, as it does to Stripe.
            middleware=[
                Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["Authorization"])
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        # The server takes a dropped connection for a fault of ours and says so; it is what was asked for.
        logging.getLogger("uvicorn.error").addFilter(_is_no_hangup)
        tasks = [asyncio.create_task(Deliverer(self.world, self.faults).run()), asyncio.create_task(self._work_off())]
        for task in tasks:
            task.add_done_callback(_end_with)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _work_off(self) -> None:
        while True:
            self.stripe.work_off()
            await asyncio.sleep(0.1)

    # ------------------------------------------------ Stripe's API

    async def serve(self, http: HttpRequest) -> Response:
        """Answer one API request, with whatever faults strike it."""
        self._under_way += 1
        try:
            return await self._serve(http)
        finally:
            self._under_way -= 1

    async def _serve(self, http: HttpRequest) -> Response:
        body = await http.body()
        kind = http.headers.get("content-type", "")
        has_files = kind.startswith("multipart/")
        request = Request(
            method=http.method,
            path=http.url.path,
            query=http.url.query,
            body=files.as_form(body, kind) if has_files else body.decode("utf-8", "replace"),
            authorization=http.headers.get("authorization", ""),
            key=http.headers.get("idempotency-key") if http.method == "POST" else None,
            base=f"{http.url.scheme}://{http.url.netloc}",
        )
        try:
            if len(body) > LARGEST_BODY:
                raise StripeError("The request is larger than a megabyte.", status=413)
            # What is recorded is read as forms.
            if not self.stripe.is_public(request.authorization) and not has_files:
                self._write_record(request)
        except StripeError as error:
            return _response(api.error_answer(error, request.id), request)
        return await self._answer(request)

    async def _answer(self, request: Request) -> Response:
        fault = self.faults.of(request.method, request.path)
        if "refused" in fault:
            return Hangup()
        if "rate_limited" in fault or self._too_many():
            return _response(api.rate_limited(request.id), request)
        if "error_before" in fault:
            return _response(api.internal_error(request.id), request)
        if request.key is not None and request.key in self._keys_in_use:
            return _response(api.key_in_use(request.key, request.id), request)
        if request.key is not None:
            self._keys_in_use.add(request.key)
        try:
            if "latency" in fault:
                await asyncio.sleep(fault["latency"].seconds)
            answer = self.stripe.answer(request, fail_after="error_after" in fault)
        finally:
            self._keys_in_use.discard(request.key or "")
        return Hangup() if "lost_reply" in fault else _response(answer, request)

    def _too_many(self) -> bool:
        if not self.faults.per_second:
            return False
        second = int(time.monotonic())
        self._in_second = self._in_second + 1 if second == self._second else 1
        self._second = second
        return self._in_second > self.faults.per_second

    def _write_record(self, request: Request) -> None:
        """Record what the platform asks; what its clients ask with the publishable key is theirs."""
        if self.record is not None:
            asked = {name: getattr(request, name) for name in ("method", "path", "query", "body")}
            # One write to an appending file: lines of several servers do not interleave.
            os.write(self.record, orjson.dumps(asked) + b"\n")

    # ------------------------------------------------ control

    async def control(self, http: HttpRequest) -> Response:
        """Drive the stand-in; the package's docstring lists what can be asked."""
        what = http.path_params["what"]
        try:
            answer, status = self.controls.act(http.method, what, await http.body()), 200
        except ValueError as error:
            answer, status = {"error": f"{what}: {error}"}, 400
        return Response(orjson.dumps(answer), status, media_type="application/json")

    async def show_bank(self, http: HttpRequest) -> Response:
        """Show what a bank shows: two buttons."""
        for kind in ("payment_intent", "setup_intent"):
            intent = self.world.store.find(kind, http.query_params.get(kind, ""))
            if intent is not None and intent["next_action"] is not None:
                return_url = intent["next_action"]["redirect_to_url"]["return_url"]
                return templates.TemplateResponse(
                    http, "bank.html", {"kind": kind, "intent": intent["id"], "return_url": return_url}
                )
        return Response("Nothing waits for authentication here.", 404, media_type="text/plain")


def _end_with(task: asyncio.Task[None]) -> None:
    """End the process when what runs beside the API has failed: half a stand-in only misleads."""
    if not task.cancelled():
        logging.getLogger("uvicorn.error").critical("The stand-in has failed.", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


def _response(answer: Answer, request: Request) -> Response:
    headers = {"Request-Id": request.id, "Stripe-Version": API_VERSION, "Content-Type": "application/json"}
    if request.key is not None:
        headers["Idempotency-Key"] = request.key
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    if answer.status in {409, 429, 500}:
        headers["Stripe-Should-Retry"] = "false" if answer.status == 500 else "true"
    return Response(answer.body, answer.status, headers)
