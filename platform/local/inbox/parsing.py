"""What a mail says, however broken it is."""

from __future__ import annotations

import email
import email.policy
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message


@dataclass(frozen=True)
class Attachment:
    """A part that is neither the text nor the page."""

    name: str
    type: str
    size: int
    """In bytes."""


@dataclass(frozen=True)
class Content:
    """A mail as a person reads it."""

    headers: list[tuple[str, str]]
    """In their order, decoded."""
    text: str = ""
    html: str = ""
    attachments: list[Attachment] = field(default_factory=list)

    @property
    def subject(self) -> str:
        return self.first("Subject") or "(no subject)"

    def first(self, name: str) -> str:
        """Answer the first header of this name, or nothing."""
        return next((value for found, value in self.headers if found.lower() == name.lower()), "")


def parse(raw: bytes) -> Content:
    """Read a mail; what cannot be decoded is shown as far as it can be."""
    # The modern policy raises on some malformed headers; the old one never does.
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments = []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        name = _decoded(part.get_filename() or "")
        if kind in texts and not name:
            texts[kind].append(_text(part))
        else:
            attachments.append(Attachment(name or "(unnamed)", kind, len(_payload(part))))
    return Content(
        headers=[(name, _decoded(value)) for name, value in message.items()],
        text="\n".join(texts["text/plain"]),
        html="\n".join(texts["text/html"]),
        attachments=attachments,
    )


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    payload = _payload(part)
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return payload.decode("utf-8", "replace")


def _decoded(value: object) -> str:
    text = str(value)
    # What cannot be decoded is shown encoded.
    with suppress(ValueError, LookupError, MessageError):
        text = str(make_header(decode_header(text)))
    return " ".join(text.encode("utf-8", "replace").decode().split())
