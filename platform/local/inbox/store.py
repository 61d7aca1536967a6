"""Received mails, one .eml file each, newest kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from uuid import UUID

from core.ids import new_id
from local.inbox import parsing
from local.inbox.parsing import Content

KEPT = 500


@dataclass(frozen=True)
class Mail:
    """A received mail: who handed it over for whom, and what it says."""

    id: UUID
    received_at: datetime
    recipients: list[str]
    content: Content


@dataclass(frozen=True)
class Store:
    """A folder of mails. Their names sort by the time of arrival."""

    folder: Path
    kept: int = KEPT

    def add(self, raw: bytes, *, sender: str, recipients: list[str]) -> UUID:
        """Keep a mail as it came, below the envelope it came in, and forget the oldest beyond `kept`.

        When this returns, the mail is on the disk.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The last line takes what a mail that starts in the middle of a header would otherwise add to ours.
        envelope = [
            *(f"Delivered-To: {recipient}" for recipient in recipients),
            f"Return-Path: <{sender}>",
            "Received: by the local inbox",
        ]
        mail_id = new_id()
        unfinished = self.folder / f"{mail_id}.part"
        with unfinished.open("wb") as file:
            file.write("".join(f"{line}\r\n" for line in envelope).encode("utf-8", "surrogateescape"))
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._file(mail_id))
        for old in self._ids()[self.kept :]:
            self._file(old).unlink(missing_ok=True)
        return mail_id

    def newest(self, to: str | None = None) -> Iterator[Mail]:
        """Yield mails, newest first; with `to`, those for this address, in whatever capitals."""
        for mail_id in self._ids():
            mail = self.get(mail_id)
            if mail and (to is None or to.lower() in (recipient.lower() for recipient in mail.recipients)):
                yield mail

    def get(self, mail_id: UUID) -> Mail | None:
        """Answer a mail, or None when it is not here (any more)."""
        try:
            return _read(self._file(mail_id))
        except FileNotFoundError:
            return None

    def clear(self) -> None:
        """Delete all mails."""
        for mail_id in self._ids():
            self._file(mail_id).unlink(missing_ok=True)

    def _ids(self) -> list[UUID]:
        names = sorted((file.stem for file in self.folder.glob("*.eml")), reverse=True)
        return [UUID(name) for name in names]

    def _file(self, mail_id: UUID) -> Path:
        return self.folder / f"{mail_id}.eml"


@lru_cache(maxsize=KEPT)
def _read(file: Path) -> Mail:
    # A mail never changes, so what was read of it once holds until it is deleted.
    mail_id = UUID(file.stem)
    content = parsing.parse(file.read_bytes())
    return Mail(
        id=mail_id,
        received_at=datetime.fromtimestamp((mail_id.int >> 80) / 1000, UTC),
        # Those on top are ours; a mail can carry its own further down.
        recipients=[value for _, value in takewhile(lambda header: header[0] == "Delivered-To", content.headers)],
        content=content,
    )
