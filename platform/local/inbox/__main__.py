"""`python -m local.inbox --port 8001 --smtp-port 8003`: receive mail and show it, until ended."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from local import paths
from local.inbox import pages, smtp
from local.inbox.store import KEPT, Store


def main() -> None:
    """Run both servers."""
    parser = argparse.ArgumentParser(prog="python -m local.inbox")
    parser.add_argument("--port", type=int, required=True, help="of the page")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--dir", type=Path, default=paths.STATE / "inbox", help="where mails are kept")
    parser.add_argument("--keep", type=int, default=KEPT, help="how many mails are kept")
    options = parser.parse_args()
    store = Store(options.dir, options.keep)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with smtp.listening(store, options.smtp_port):
            yield

    uvicorn.run(pages.application(store, lifespan), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
