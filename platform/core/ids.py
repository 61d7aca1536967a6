"""Ids that appear in addresses."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562 section 5.7): unique, and sorted by the millisecond it was made in.

    Ids are no secrets: codes, tokens and links use `secrets.token_urlsafe` instead.
    """
    return uuid7()
