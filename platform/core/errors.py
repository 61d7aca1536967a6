"""Errors that a caller can act on.

A service raises a subclass, defined in the service's own module; core renders it as RFC 9457
problem details. An exception of any other kind is a bug.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DomainError(Exception):
    """What went wrong, in words for the caller.

    `code` is stable and part of the API; `title` is the same for every occurrence; the message
    (RFC 9457 `detail`) says what, where and what to do. `extra` adds members to the answer:
    scalars, lists or dicts that JSON can carry.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int] = 409

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra
