"""Who is asking: the session of an app (token) or of a browser (cookie), one kind for both.

Both are the same session on the server. `request.user` is the account, `request.auth` the
`principals.Principal` with the profile that the session entered.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import origins, principals, rules
from accounts.models import Profile, User
from accounts.principals import Principal
from accounts.services import sessions
from core.clock import now


class SessionToken(BaseAuthentication):
    """A session token in the header `X-Session-Token`.

    A token that is not (or no longer) good is refused, also where nobody need sign in: else an app
    would not notice that it was signed out.
    """

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        """Answer account and session of the token; None when the request has none."""
        token = request.headers.get("X-Session-Token")
        if token is None:
            return None
        principal = principals.resolve(token, now=now())
        if principal is None:
            raise AuthenticationFailed(_("The session token is not valid, or no longer. Sign in again."))
        _note_use(request, principal)
        return principal.account, principal

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in 401 answers."""
        return "SessionToken"


class SessionCookie(SessionAuthentication):
    """The same session in an HttpOnly cookie; whatever changes something needs the CSRF token too."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        """Answer account and session of the cookie; None when nobody is signed in."""
        principal = principals.resolve(request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), now=now())
        if principal is None:
            return None
        self.enforce_csrf(request)
        if _note_use(request, principal):
            _renew_cookie(request, principal)
        return principal.account, principal


def current_profile(request: Request) -> Profile | None:
    """Answer the profile that this request acts as; None for anonymous requests and before one is entered."""
    return request.auth.profile if isinstance(request.auth, Principal) else None


def _note_use(request: Request, principal: Principal) -> bool:
    moment = now()
    if moment - principal.last_seen_at < rules.SEEN_EVERY:
        return False
    return sessions.touch(principal=principal, place=origins.place_of(request), now=moment)


def _renew_cookie(request: Request, principal: Principal) -> None:
    # Else the browser forgets the cookie when the lifetime it was sent with has passed.
    if now() + rules.SESSION_LIFETIME[rules.BROWSER] - principal.ends_at >= rules.EXTENDED_EVERY:
        request._request.session.modified = True
