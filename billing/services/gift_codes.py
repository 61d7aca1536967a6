"""The code of a gift: 80 bits that whoever holds them may redeem.

It is derived from the gift's id with the secret key, so that it can be mailed on its day and printed twice although
no table holds it; the row holds its hash, by which it is found. Reading the database gives nobody a code.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

from billing.models import Gift

MAIL_USEFUL_FOR = timedelta(days=14)
_SALT = "billing.gift"
_BYTES = 10
_GROUP = 4
# What people write for letters that base32 has no digit for.
_MISTAKEN = str.maketrans("01", "OI")


def code_of(gift: Gift) -> str:
    """Answer a gift's code in groups of four; also when the secret key was changed since it was made.

    Raises LookupError when the key that made it is not known any more.
    """
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        code = _derive(gift.pk, secret)
        if hash_of(code) == gift.code_hash:
            return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))
    raise LookupError(f"The code of gift {gift.pk} was made with a key that is gone.")


def new_hash(gift_id: UUID) -> str:
    """Answer the hash of the code that a new gift has."""
    return hash_of(_derive(gift_id, settings.SECRET_KEY))


def hash_of(code: str) -> str:
    """Answer the hash of a code as people write it: in any case, with or without dashes and blanks."""
    letters = "".join(letter for letter in code.upper() if letter.isalnum()).translate(_MISTAKEN)
    return hashlib.sha256(letters.encode()).hexdigest()


def _derive(gift_id: UUID, secret: str) -> str:
    digest = salted_hmac(_SALT, str(gift_id), secret=secret, algorithm="sha256").digest()
    return base64.b32encode(digest[:_BYTES]).decode()


def card_url(gift: Gift) -> str:
    """Answer the address of the page that shows and prints a gift; it says nothing to who guesses."""
    return f"{settings.PUBLIC_URL}/gift/{signing.dumps(str(gift.pk), salt=_SALT)}"


def gift_of(token: str) -> UUID | None:
    """Answer the gift of an address that is ours."""
    try:
        return UUID(signing.loads(token, salt=_SALT))
    except signing.BadSignature:
        return None
