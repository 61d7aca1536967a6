"""What counts as the same address, as a name, as a language. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from babel import Locale, UnknownLocaleError

PROFILES_PER_ACCOUNT = 7
HIGHEST_AGE = 18
"""The age from which everything may be watched, in years."""
KIDS_HIGHEST_AGE = 12
"""The highest minimum age, in years, that a kids profile may ever watch."""
NAME_LENGTH = 40

# Control, format, surrogate, private and unassigned characters; line and paragraph separators. Those for formatting
# turn the writing direction or are seen by nobody; see `_joins` for those that names need.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}
_BLACK_FLAG, _TAGS = "\U0001f3f4", {*map(chr, range(0xE0020, 0xE0080))}
# By their category letters and a sign, and blank all the same.
_BLANK = set("\u115f\u1160\u3164\uffa0\u2800")
_MARKS = {"Mn", "Me"}
_MARKS_IN_A_ROW = 4
"""Upon one letter; more make towers that hide the lines around them (Unicode Technical Standard 39, 5.4)."""


def canonical_email(address: str) -> str:
    """Answer the one form of an address that stands for the account.

    Case-insensitive and compatibility-normalised (NFKC), so that look-alike spellings are one
    account. Dots and +tags are kept: only the mailbox's own provider knows what they mean.
    """
    # Lower-casing can leave a form that NFKC still changes, and the other way round.
    folded = unicodedata.normalize("NFKC", address).lower()
    return unicodedata.normalize("NFKC", folded).strip()


def is_known_text(text: str) -> bool:
    """Answer whether every character is one that this version of Python knows.

    The database may know more, and then has another canonical form of what we cannot change.
    """
    return all(unicodedata.category(character) != "Cn" for character in text)


PIN_DIGITS = range(4, 9)
"""How many digits a PIN may have."""
FREE_PIN_TRIES = 3
"""Wrong PINs in a row that cost no time: fingers slip."""
MOST_WRONG_TRIES = 1000
_COMMON_PINS = {"2580", "0852", "1004", "2000", "2001", "1999", "1984", "007007", "147258", "159753", "147258369"}


def is_weak_pin(pin: str) -> bool:
    """Answer whether this is no PIN (4 to 8 digits) or one that is tried first: a row, a repetition, a common one."""
    if len(pin) not in PIN_DIGITS or not (pin.isascii() and pin.isdigit()):
        return True
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    is_row = len(steps) == 1 and steps <= {0, 1, 9}
    is_repetition = any(pin == pin[:size] * (len(pin) // size) for size in range(1, len(pin) // 2 + 1))
    return is_row or is_repetition or pin in _COMMON_PINS


def pin_delay(wrong_tries: int) -> timedelta:
    """Answer how long no PIN is tried after so many wrong ones in a row: 30 s after the fourth, then four times as
    long each, a day at most."""
    if wrong_tries <= FREE_PIN_TRIES:
        return timedelta()
    return timedelta(seconds=min(30 * 4 ** min(wrong_tries - FREE_PIN_TRIES - 1, 10), 24 * 3600))


OFF, FORCED, ON = "off", "forced", "on"
SUBTITLES = (OFF, FORCED, ON)
"""Never; only what is foreign in the language that is heard; always."""


def clean_name(name: str) -> str | None:
    """Answer a name as it is shown: NFC, single spaces, 1 to 40 characters; None when it is no name."""
    composed = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(composed) <= NAME_LENGTH:
        return None
    kinds = [unicodedata.category(character) for character in composed]
    hidden = [at for at, kind in enumerate(kinds) if kind in _UNPRINTABLE and not _joins(composed, at)]
    towers = [
        run for is_mark, run in groupby(kinds, key=_MARKS.__contains__) if is_mark and len([*run]) > _MARKS_IN_A_ROW
    ]
    if hidden or towers or not _BLANK.isdisjoint(composed):
        return None
    # Something must be visible: a letter, digit, sign or emoji.
    return composed if any(kind[0] in "LNPS" for kind in kinds) else None


def _joins(text: str, at: int) -> bool:
    """Answer whether a character that nobody sees makes one sign of those around it.

    Joiners do so in emoji and in Persian and Indian scripts, tags in flags of regions.
    """
    before = text[at - 1] if at else ""
    if text[at] in _TAGS:
        return before == _BLACK_FLAG or before in _TAGS
    return text[at] in _JOINERS and before > "\x7f" and at + 1 < len(text)


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
SIGN_INS = 100
"""How many an account has at once. One more ends the one that was not used for longest: nobody is refused."""
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a sign-in was last used."""
EXTENDED_EVERY = timedelta(days=1)
"""How exactly a lifetime slides: one write a day instead of one a request."""


def place_name(city: str | None, country: str | None) -> str:
    """Answer a rough place as it is shown: "Berlin, DE", "DE", or nothing where nothing is known."""
    return ", ".join(part for part in (city, country) if part)[:120]


SWAP_PERIOD = timedelta(days=30)
"""A place that a device gave up counts as changed for so long."""


@dataclass(frozen=True)
class DeviceLimits:
    """What a plan allows."""

    cap: int
    """Devices that may be registered at once."""
    per_kind: Mapping[str, int] = field(default_factory=dict)
    """How many of a kind; one that is absent has no cap of its own."""
    swaps: int | None = None
    """How often within SWAP_PERIOD a place may pass from one device to another; None is always."""


@dataclass(frozen=True)
class Place:
    """A place of the plan that a device took, and gave up unless `ended_at` is None."""

    kind: str
    registered_at: datetime
    ended_at: datetime | None
    is_swap: bool


@dataclass(frozen=True)
class PlaceRuling:
    """Whether one more device may be registered."""

    refusal: str | None
    """`cap`, `kind_cap` or `swaps`; None if it may."""
    is_swap: bool
    """Whether it takes a place that another gave up within SWAP_PERIOD."""
    next_swap_at: datetime | None
    """When a place may pass to another device; None is at once."""


def rule_on_place(kind: str, places: Iterable[Place], limits: DeviceLimits, now: datetime) -> PlaceRuling:
    """Decide whether a device of this kind may be registered, given the places taken so far.

    A place stays taken when the plan shrinks: nobody new comes in until the number is under the cap.
    """
    places = list(places)
    of_kind = [place for place in places if place.kind == kind]
    caps = [("cap", places, limits.cap)]
    if kind in limits.per_kind:
        caps.append(("kind_cap", of_kind, limits.per_kind[kind]))
    full = [name for name, among, cap in caps if len(_held(among)) >= cap]
    is_swap = any(len(_held(among)) + len(_given_up(among, now)) >= cap for _, among, cap in caps)
    next_swap_at = max((_next_swap_at(among, cap, limits.swaps, now) for _, among, cap in caps), default=now)
    is_too_soon = is_swap and next_swap_at > now
    refusal = full[0] if full else "swaps" if is_too_soon else None
    return PlaceRuling(refusal, is_swap, next_swap_at if is_too_soon else None)


def _held(places: Iterable[Place]) -> list[Place]:
    return [place for place in places if place.ended_at is None]


def _given_up(places: Iterable[Place], now: datetime) -> list[datetime]:
    return sorted(place.ended_at for place in places if place.ended_at and place.ended_at > now - SWAP_PERIOD)


def _next_swap_at(places: list[Place], cap: int, swaps: int | None, now: datetime) -> datetime:
    """Answer when a device may take a place that another gave up, or gives up now."""
    made = sorted(p.registered_at for p in places if p.is_swap and p.registered_at > now - SWAP_PERIOD)
    if swaps is None or len(made) < swaps:
        return now
    # Either swaps are long enough ago, or so many places have been empty long enough that one is as good as new.
    empty = _given_up(places, now) + [now] * max(0, len(_held(places)) - cap + 1)
    surplus = min(len(_held(places)), cap - 1) + len(empty) - cap + 1
    by_age = [empty[surplus - 1] + SWAP_PERIOD] if 0 < surplus <= len(empty) else []
    by_swaps = [made[-swaps] + SWAP_PERIOD] if swaps else []
    return min([*by_age, *by_swaps], default=now)


# ------------------------------------------------ codes on a television's screen

CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters that make no words and that nobody mistakes for a digit (RFC 8628, 6.1)."""
CODE_LENGTH = 8


def shown_code(code: str) -> str:
    """Answer a code as a screen shows it: "WDJB-MJHT"."""
    return f"{code[: CODE_LENGTH // 2]}-{code[CODE_LENGTH // 2 :]}"


def read_code(typed: str) -> str:
    """Answer the code that a person typed, in whatever case and with whatever between the letters."""
    return "".join(letter for letter in typed.upper() if letter in CODE_ALPHABET)


# ------------------------------------------------ mail

MAIL_TOPICS = ("news", "recommendations", "offers")
"""What optional mail may be about; each can be left by itself."""
