"""What keeps one record of a large document from filling the memory."""

from __future__ import annotations

from typing import BinaryIO

from catalog.ingestion.reader import UnreadableDelivery, refuse_foreign

MAX_RECORD = 8 << 20
"""The largest record in bytes, and the farthest one may lie from the next; a series with all its episodes fits."""


class BoundedStream:
    """A stream that refuses to go on when MAX_RECORD bytes were read since the last `record_ended`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._since = 0
        self._begun = False

    def read(self, size: int = -1) -> bytes:
        """Answer the next bytes; raises UnreadableDelivery."""
        block = self._stream.read(size if 0 <= size <= 1 << 16 else 1 << 16)
        if not self._begun and block:
            self._begun = True
            refuse_foreign(block)
        self._since += len(block)
        if self._since > MAX_RECORD:
            raise UnreadableDelivery(
                f"A record, or what lies between two, is longer than {MAX_RECORD:,} bytes; a title needs a few"
                " thousand. Correct the file, or choose the right format."
            )
        return block

    def record_ended(self) -> None:
        self._since = 0
