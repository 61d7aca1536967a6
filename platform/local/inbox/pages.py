"""The pages, and the same as JSON for programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from local.inbox.store import Mail, Store

LISTED = 100
HERE = Path(__file__).parent
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'"
)
# A mail may look as it likes, and do nothing: no script, no form, no request to anywhere. Links open
# beside, and only when a person follows them.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
)

templates = Jinja2Templates(HERE / "templates")


def application(
    store: Store, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None
) -> Starlette:
    """Make the web application on a store."""

    def page(request: Request, mail: Mail | None, status: int = 200) -> Response:
        return templates.TemplateResponse(
            request,
            "inbox.html",
            {
                "mails": list(islice(store.newest(_searched(request)), LISTED)),
                "mail": mail,
                "to": _searched(request) or "",
            },
            status_code=status,
            headers={"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "no-referrer"},
        )

    def found(request: Request) -> Mail:
        mail = store.get(request.path_params["mail_id"])
        if mail is None:
            raise HTTPException(404, "This mail is not here, or no longer.")
        return mail

    async def index(request: Request) -> Response:
        return page(request, None)

    async def show(request: Request) -> Response:
        return page(request, found(request))

    async def body(request: Request) -> Response:
        html = f'<base target="_blank">{found(request).content.html}'
        return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY, "Referrer-Policy": "no-referrer"})

    async def clear(request: Request) -> Response:
        # Another site's page could send this form too, but not from our address.
        origin = request.headers.get("origin")
        if origin and origin != f"{request.url.scheme}://{request.headers['host']}":
            raise HTTPException(403, "Only the inbox's own page may delete.")
        store.clear()
        return RedirectResponse("/", 303)

    async def list_messages(request: Request) -> Response:
        limit = request.query_params.get("limit", "50")
        if not limit.isascii() or not limit.isdecimal():
            raise HTTPException(400, f"limit is {limit!r}; give a number.")
        mails = islice(store.newest(_searched(request)), int(limit[:6]))
        return JSONResponse([_summary(mail) for mail in mails])

    async def get_message(request: Request) -> Response:
        mail = found(request)
        return JSONResponse(
            _summary(mail)
            | {
                "headers": mail.content.headers,
                "text": mail.content.text,
                "html": mail.content.html,
                "attachments": [vars(attachment) for attachment in mail.content.attachments],
            }
        )

    async def refuse(request: Request, error: Exception) -> Response:
        status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "Failed.")
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": detail}, status)
        return page(request, None, status)

    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {HTTPException: refuse}
    return Starlette(
        routes=[
            Route("/", index),
            Route("/messages/{mail_id:uuid}", show, name="show"),
            Route("/messages/{mail_id:uuid}/html", body, name="body"),
            Route("/clear", clear, methods=["POST"], name="clear"),
            Route("/api/messages", list_messages),
            Route("/api/messages/{mail_id:uuid}", get_message),
            Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        ],
        # Else a page elsewhere whose name resolves to this machine could read the mails.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])],
        exception_handlers=handlers,
        lifespan=lifespan,
    )


def _searched(request: Request) -> str | None:
    return request.query_params.get("to", "").strip() or None


def _summary(mail: Mail) -> dict[str, Any]:
    return {
        "id": str(mail.id),
        "received_at": mail.received_at.isoformat(),
        "from": mail.content.first("From"),
        "to": mail.recipients,
        "subject": mail.content.subject,
    }
