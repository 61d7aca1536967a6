"""From which sign-ins an endpoint may be called.

Every view has `WithinReach`, by the API's settings, and may say its `reach`: one for all its methods, or one
by method. What says nothing is an endpoint of the account, so that a new one is closed to children until
somebody opens it. Who need not be signed in at all is let in by `AllowAny`, which has no part in this.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any
from uuid import UUID

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import proofs
from accounts.principals import Principal
from core.clock import now
from core.errors import DomainError


class Reach(Enum):
    """Who comes through, from the widest to the narrowest."""

    SIGNED_IN = "whoever is signed in, whatever the profile, and before one is entered"
    OWN_PROFILE = "the same, but of a child only for the profile that the address names"
    PROFILE = "whoever has entered a profile"
    ACCOUNT = "whoever has not entered a kids profile"
    OWN_DEVICE = "ACCOUNT, and not on a television"
    SENSITIVE = "OWN_DEVICE, and who they are was proven a moment ago"


Declared = Reach | Mapping[str, Reach]
"""What a view says: of all its methods, or by the method's name ("GET"); those it leaves out are ACCOUNT."""


class ProfileRestricted(DomainError):
    """A kids profile is entered, which reaches no account, money, devices, or profiles of others."""

    code = "profile_restricted"
    title = "This cannot be done from a kids profile; enter another profile first."
    status = 403


class ProfileRequired(DomainError):
    """No profile is entered, and what is answered depends on who watches."""

    code = "profile_required"
    title = "Enter a profile first."
    status = 403


class NotOnTelevision(DomainError):
    """A television is everybody's who sits before it: nothing sensitive is done on one."""

    code = "not_on_television"
    title = "This cannot be done on a television; use a phone or a browser."
    status = 403


class ReauthenticationRequired(DomainError):
    """The act is sensitive, and the sign-in is not fresh: ask for password or second factor again.

    Apps do so at `/_allauth/app/v1/auth/reauthenticate` or `.../auth/2fa/reauthenticate`, browsers at the same below
    `browser`; signing in anew does as well. A proof is good for 15 minutes.
    """

    code = "reauthentication_required"
    title = "Prove again that it is you, by your password or second factor, then repeat this."
    status = 403


def reach_of(view: Any, method: str | None) -> Reach:
    """Answer how far a view's method reaches."""
    declared: Declared = getattr(view, "reach", Reach.ACCOUNT)
    if isinstance(declared, Reach):
        return declared
    return declared.get("GET" if method == "HEAD" else method or "", Reach.ACCOUNT)


_REFUSALS: Mapping[Reach, tuple[type[DomainError], ...]] = {
    Reach.SIGNED_IN: (),
    Reach.OWN_PROFILE: (ProfileRestricted,),
    Reach.PROFILE: (ProfileRequired,),
    Reach.ACCOUNT: (ProfileRestricted,),
    Reach.OWN_DEVICE: (ProfileRestricted, NotOnTelevision),
    Reach.SENSITIVE: (ProfileRestricted, NotOnTelevision, ReauthenticationRequired),
}


class WithinReach(BasePermission):
    """Lets in who is signed in and within the view's reach."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Refuse who is not signed in; raises what else keeps somebody out."""
        principal = request.auth
        if not isinstance(principal, Principal):
            return False
        reach = reach_of(view, request.method)
        if refusal := _refusal(principal, reach, view.kwargs.get("profile_id")):
            raise refusal
        return True

    @staticmethod
    def raises(view: Any, method: str) -> tuple[type[DomainError], ...]:
        """Name the refusals of a view's method, for the API's description."""
        return _REFUSALS[reach_of(view, method)]


def _refusal(principal: Principal, reach: Reach, profile_id: UUID | None) -> type[DomainError] | None:
    profile, asked = principal.profile, _REFUSALS[reach]
    is_own = reach is Reach.OWN_PROFILE and profile is not None and profile.pk == profile_id
    if ProfileRequired in asked and profile is None:
        return ProfileRequired
    if ProfileRestricted in asked and principal.is_restricted and not is_own:
        return ProfileRestricted
    if NotOnTelevision in asked and principal.is_television:
        return NotOnTelevision
    if ReauthenticationRequired in asked and not is_proven(principal):
        return ReauthenticationRequired
    return None


def is_proven(principal: Principal) -> bool:
    """Answer whether somebody proved a moment ago to be the owner."""
    session = proofs.session_of(principal.session_key)
    return proofs.is_recent(session, account_id=principal.account.pk, now=now())
