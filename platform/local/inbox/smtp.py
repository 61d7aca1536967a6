"""The SMTP side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiosmtpd.smtp import SMTP, Envelope, Session

from local.inbox.store import Store

LONGEST = 20 * 1024 * 1024
"""Bytes of the longest mail that is accepted."""


class Receiver:
    """Keeps what arrives."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Answer 250 once the mail is on the disk, else ask the sender to try again."""
        raw = envelope.content
        try:
            mail_id = self._store.add(
                raw if isinstance(raw, bytes) else str(raw).encode(),
                sender=envelope.mail_from or "",
                recipients=envelope.rcpt_tos,
            )
        except OSError as error:
            return f"452 The mail could not be stored: {error.strerror}"
        mail = self._store.get(mail_id)
        print(f"{mail.content.subject if mail else mail_id} -> {', '.join(envelope.rcpt_tos)}", flush=True)
        return "250 Kept"


@asynccontextmanager
async def listening(store: Store, port: int) -> AsyncIterator[None]:
    """Receive mail on 127.0.0.1 as long as the context lasts."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            Receiver(store),
            data_size_limit=LONGEST,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="inbox",
            loop=loop,
        ),
        "127.0.0.1",
        port,
    )
    async with server:
        yield
