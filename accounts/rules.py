"""What counts as the same address, as a name, as a language. Pure functions."""

from __future__ import annotations

import unicodedata

from babel import Locale, UnknownLocaleError

PROFILES_PER_ACCOUNT = 7
HIGHEST_AGE = 18
"""The age from which everything may be watched, in years."""
KIDS_HIGHEST_AGE = 12
"""The highest minimum age, in years, that a kids profile may ever watch."""
NAME_LENGTH = 40

# Control, surrogate, private and unassigned characters; line and paragraph separators. Format
# characters stay, because emoji are joined with them, but not those that turn the writing direction.
_UNPRINTABLE = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
_DIRECTION = {*"\u200e\u200f\u061c", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def canonical_email(address: str) -> str:
    """Answer the one form of an address that stands for the account.

    Case-insensitive and compatibility-normalised (NFKC), so that look-alike spellings are one
    account. Dots and +tags are kept: only the mailbox's own provider knows what they mean.
    """
    # Lower-casing can leave a form that NFKC still changes, and the other way round.
    folded = unicodedata.normalize("NFKC", address).lower()
    return unicodedata.normalize("NFKC", folded).strip()


def clean_name(name: str) -> str | None:
    """Answer a name as it is shown: NFC, single spaces, 1 to 40 characters; None when it is no name."""
    composed = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(composed) <= NAME_LENGTH:
        return None
    if any(unicodedata.category(character) in _UNPRINTABLE or character in _DIRECTION for character in composed):
        return None
    # Something must be visible: a letter, digit, sign or emoji.
    return composed if any(unicodedata.category(character)[0] in "LNPS" for character in composed) else None


def language_tag(text: str) -> str | None:
    """Answer a BCP 47 tag in its usual spelling ("de-at" becomes "de-AT"); None when no such language is known."""
    try:
        locale = Locale.parse(text, sep="-")
    except (ValueError, UnknownLocaleError, TypeError):
        return None
    parts = [locale.language, locale.script, locale.territory]
    return "-".join(part for part in parts if part)
