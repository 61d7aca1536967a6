"""The HTTP server: uvicorn, with connections that can be cut."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class HangUp(Exception):
    """Close the connection without an answer."""


class _NoAnswer(Response):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connection.transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class Connection(H11Protocol):
    """A client's connection; requests find theirs as `request.state.connection`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.app_state = {**self.app_state, "connection": self}

    def hang_up(self) -> Response:
        """Answer what cuts the connection, to be returned as a response."""
        return _NoAnswer(self)


def listen(port: int) -> socket.socket:
    """Answer a socket on this machine alone; port 0 takes a free one."""
    # asyncio turns Nagle's delay off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2048)
    return listener


def configured(app: ASGIApp) -> uvicorn.Server:
    """Answer the server of an application."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
    )


class Background:
    """A server on a thread of this process, for tests."""

    def __init__(self, app: ASGIApp) -> None:
        self._listener = listen(0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = configured(app)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)

    def __enter__(self) -> Background:
        self._thread.start()
        until = time.monotonic() + 10
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise RuntimeError("The stand-in did not start.")
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()
