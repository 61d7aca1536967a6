"""The stand-in put together: Stripe's endpoints, the bank's page, the control endpoint, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from local.stripe_standin import resources  # noqa: F401 - registers the endpoints
from local.stripe_standin.api import Api, Keys
from local.stripe_standin.control_api import ControlApi
from local.stripe_standin.operations import OPERATIONS
from local.stripe_standin.pages import Pages
from local.stripe_standin.resources import webhook_endpoints
from local.stripe_standin.store import Store
from local.stripe_standin.work import Work


def build(
    state: str = ":memory:",
    *,
    keys: Keys | None = None,
    webhook_urls: list[str] | None = None,
    webhook_secrets: list[str] | None = None,
    record: Path | None = None,
) -> Starlette:
    """Answer the stand-in as an ASGI application; raises StateUnusable.

    `state` is a SQLite file. The webhook addresses replace those given at the last start.
    """
    store = Store(state)
    api = Api(store, keys or Keys(), record=record)

    def tell_at_start() -> None:
        api.change(_replace_endpoints, webhook_urls or [], webhook_secrets or [])

    tell_at_start()
    control, pages = ControlApi(api, tell_at_start), Pages(api)

    @asynccontextmanager
    async def beside(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(api.deliverer.run()), asyncio.create_task(api.keep_house())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()

    # What is fetched most comes first; the routes are tried in turn.
    busiest = sorted(OPERATIONS, key=lambda operation: "/payment_intents" not in operation.path)
    return Starlette(
        routes=[
            *(
                Route(operation.path, partial(api.serve, operation), methods=[operation.method])
                for operation in busiest
            ),
            Route("/_control/{what:path}", control.serve, methods=["GET", "POST"]),
            Route("/_pages/authenticate/{intent}", pages.show, methods=["GET"]),
            Route("/_pages/authenticate/{intent}", pages.decide, methods=["POST"]),
            Route("/{path:path}", api.unknown, methods=["GET", "POST", "DELETE", "PUT", "PATCH"]),
        ],
        # Browsers call Stripe from the pages of its customers.
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
        lifespan=beside,
    )


def _replace_endpoints(work: Work, urls: list[str], signing_secrets: list[str]) -> None:
    for endpoint in work.select("kind = 'webhook_endpoint'"):
        if endpoint.get("_from_start") and endpoint["url"] not in urls:
            work.delete(endpoint["id"])
        elif endpoint["url"] in urls:
            endpoint["_secrets"] = signing_secrets
            work.save(endpoint)
            urls = [url for url in urls if url != endpoint["url"]]
    for url in urls:
        webhook_endpoints.make(work, url, signing_secrets, enabled_events=["*"])["_from_start"] = True
