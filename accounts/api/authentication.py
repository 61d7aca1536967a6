"""Who is asking: the session of an app (token) or of a browser (cookie), one kind for both.

Both are the same session on the server. `request.user` is the account, `request.auth` a
`selectors.SignIn` with the profile that the session entered.
"""

from __future__ import annotations

from typing import cast

from allauth.headless.contrib.rest_framework.authentication import XSessionTokenAuthentication
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import selectors
from accounts.models import Profile, User


class SessionToken(XSessionTokenAuthentication):
    """A session token in the header `X-Session-Token`.

    A token that is not (or no longer) good is refused, also where nobody need sign in: else an app
    would not notice that it was signed out.
    """

    def authenticate(self, request: Request) -> tuple[User, selectors.SignIn] | None:  # type: ignore[override]  # allauth names Django's request, DRF hands its own
        """Answer account and session of the token; None when the request has none."""
        token = self.get_session_token(request._request)
        if token is None:
            return None
        found = super().authenticate(request._request)
        if found is None:
            raise AuthenticationFailed(_("The session token is not valid, or no longer. Sign in again."))
        user, session = found
        return user, selectors.sign_in(session.session_key)

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in 401 answers."""
        return "SessionToken"


class SessionCookie(SessionAuthentication):
    """The same session in an HttpOnly cookie; whatever changes something needs the CSRF token too."""

    def authenticate(self, request: Request) -> tuple[User, selectors.SignIn] | None:
        """Answer account and session of the cookie; None when nobody is signed in."""
        found = super().authenticate(request)
        if found is None:
            return None
        session_key = request._request.session.session_key
        return cast(User, found[0]), selectors.sign_in(cast(str, session_key))


def current_profile(request: Request) -> Profile | None:
    """Answer the profile that this request acts as; None for anonymous requests and before one is entered."""
    return request.auth.profile if isinstance(request.auth, selectors.SignIn) else None
