"""Who may do what is sensitive."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import proofs
from accounts.principals import Principal
from core.clock import now
from core.errors import DomainError


class ReauthenticationRequired(DomainError):
    """Prove once more that it is you, with `POST /_allauth/{client}/v1/auth/reauthenticate` or its like.

    A password, a code of the authenticator app or a passkey will do, and so does a new sign-in; the proof is good for 15 minutes.
    """

    code = "reauthentication_required"
    title = "This is sensitive: prove first, once more, that it is you."
    status = 403


class NotOnTelevision(BasePermission):
    """A television is everybody's who sits before it: nothing sensitive is done on one."""

    message = _("This cannot be done on a television; use a phone or a browser.")

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse televisions."""
        return not (isinstance(request.auth, Principal) and request.auth.is_television)


class RecentlyProved(BasePermission):
    """What is sensitive is done by who proved a moment ago to be the owner."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raise ReauthenticationRequired, or let the request pass."""
        who = request.auth
        if not isinstance(who, Principal):
            return False
        session = proofs.session_of(who.session_key)
        if not proofs.is_recent(session, account_id=who.account.pk, now=now()):
            raise ReauthenticationRequired
        return True


class RecentlyProvedToChange(RecentlyProved):
    """Looking needs no proof; whatever changes something does."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raise ReauthenticationRequired, or let the request pass."""
        return request.method in SAFE_METHODS or super().has_permission(request, view)


SENSITIVE: list[type[BasePermission]] = [IsAuthenticated, NotOnTelevision, RecentlyProved]
"""Permissions of a view that does what is sensitive."""
SENSITIVE_TO_CHANGE: list[type[BasePermission]] = [IsAuthenticated, NotOnTelevision, RecentlyProvedToChange]
"""Permissions of a view that shows what is sensitive to change."""
