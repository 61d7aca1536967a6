"""What each role gets from an endpoint, by kind of endpoint.

"open" is any answer but a refusal: what was asked for, or that the request is no good or the thing not there.
Everything else is the code of the refusal, or its status where it has no code.
"""

from __future__ import annotations

from collections.abc import Mapping

OPEN = "open"
STAFF = ("support", "content", "author", "billing", "administrator")
ROLES = {
    "nobody": "not signed in",
    "kids": "signed in, a kids profile entered",
    "unentered": "signed in, no profile entered",
    "television": "signed in by a code, on a television, an adult's profile entered",
    "stale": "signed in an hour ago, an adult's profile entered",
    "adult": "signed in just now, an adult's profile entered",
    **{group: f"the same, and staff of the group {group}" for group in STAFF},
}
Kind = Mapping[str, str]


def kind(**refusals: str) -> Kind:
    """Answer what each role gets: "open" unless told otherwise. Staff are accounts like any other here."""
    return dict.fromkeys(ROLES, OPEN) | refusals


# ------------------------------------------------ /api/v1: see accounts.api.permissions.Reach

_NOBODY = {"nobody": "not_authenticated"}
_NO_KIDS = _NOBODY | {"kids": "profile_restricted"}
_NO_TELEVISION = _NO_KIDS | {"television": "not_on_television"}

PUBLIC = kind()
SIGNED_IN = kind(**_NOBODY)
OWN_PROFILE = kind(**_NO_KIDS)
"""Of a child only its own; the walk asks for others'."""
PROFILE = kind(**_NOBODY, unentered="profile_required")
ACCOUNT = kind(**_NO_KIDS)
OWN_DEVICE = kind(**_NO_TELEVISION)
SENSITIVE = kind(**_NO_TELEVISION, stale="reauthentication_required")

OWNERS_PAGE = kind(nobody="403", kids="403", television="403")
"""A page of the account's own, in a browser."""
PROVIDERS_PAGE = kind(kids="403", television="403")
"""Where an OpenID provider sends people back, whom it signs in or links."""

# ------------------------------------------------ sign-in: see accounts.api.middleware

_GUARDED = {"kids": "profile_restricted", "television": "not_on_television"}

SIGN_IN = kind(**_GUARDED)
SIGN_IN_ACCOUNT = kind(**_GUARDED, nobody="401")
SIGN_IN_SENSITIVE = kind(**_GUARDED, nobody="401", stale="401")
SIGN_IN_STATE = kind(nobody="401")
SIGN_OUT = kind(**dict.fromkeys(ROLES, "401"))
"""Afterwards nobody is signed in, which is what it answers."""
SECOND_STEP = kind(**dict.fromkeys(ROLES, "401") | _GUARDED)
"""Only between the password and the second factor."""
CHANGE_OF_ADDRESS = kind(**_GUARDED, stale="401")
"""Somebody who has just signed up may correct the address, so it asks nobody to sign in."""
