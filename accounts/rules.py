"""What counts as the same address, as a name, as a language. Pure functions."""

from __future__ import annotations

import unicodedata
from datetime import timedelta

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


# ------------------------------------------------ sessions and devices

BROWSER, PHONE, TABLET, TELEVISION, OTHER = "browser", "phone", "tablet", "television", "other"
DEVICE_KINDS = (BROWSER, PHONE, TABLET, TELEVISION, OTHER)
SESSION_LIFETIME = {
    BROWSER: timedelta(days=30),
    PHONE: timedelta(days=180),
    TABLET: timedelta(days=180),
    TELEVISION: timedelta(days=400),
    # An app that has not said yet what it runs on.
    OTHER: timedelta(days=30),
}
"""How long a sign-in lasts without being used; each use begins it anew."""
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a sign-in was last used."""
EXTENDED_EVERY = timedelta(days=1)
"""How exactly a lifetime slides: one write a day instead of one a request."""


def place_name(city: str | None, country: str | None) -> str:
    """Answer a rough place as it is shown: "Berlin, DE", "DE", or nothing where nothing is known."""
    return ", ".join(part for part in (city, country) if part)[:120]
