"""What second factors are held to beyond django-allauth: a code of an authenticator app is good once, at every door, and
a passkey's name has an end.

django-allauth takes a code for three periods of 30 seconds, since clocks differ, and forgets after one that it was
used: see docs/adr/0032. It limits a passkey's name when it is changed, and not when it is given.
"""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.headless.constants import Client
from allauth.headless.mfa import inputs, views
from allauth.mfa import app_settings
from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator
from django import forms as django_forms
from django.core.cache import cache
from django.urls import URLPattern, path

from accounts.models import User


class _GoodOnce(forms.BaseAuthenticateForm):
    """Refuses a code that was taken before."""

    def clean_code(self) -> str:
        """Accept a code that is right and new."""
        code: str = super().clean_code()
        if self.authenticator.type == Authenticator.Type.TOTP and not _is_new(self.user, code):
            self._emit_authentication_failed(self.authenticator)
            raise get_adapter().validation_error("incorrect_code")
        return code


def _is_new(account: User, code: str) -> bool:
    """Answer whether this is the first time that somebody gives a code; of two at once one is."""
    taken_for = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
    digits = "".join(filter(str.isdigit, code))
    return bool(cache.add(f"second-factor:{account.pk}:{digits}", True, timeout=taken_for))


class AuthenticateForm(_GoodOnce, forms.AuthenticateForm):
    """The second step at the admin's door."""


class AuthenticateInput(_GoodOnce, inputs.AuthenticateInput):
    """The second step of a sign-in."""


class ReauthenticateInput(_GoodOnce, inputs.ReauthenticateInput):
    """A proof once more of who it is."""


class _ShortName(django_forms.Form):
    """A passkey's name, no longer than it may be changed to."""

    name = django_forms.CharField(required=False, max_length=100)


class AddPasskeyInput(_ShortName, inputs.AddWebAuthnInput):
    """A passkey of an account."""


class SignUpPasskeyInput(_ShortName, inputs.CreateWebAuthnInput):
    """The passkey that an account begins with."""


class AuthenticateView(views.AuthenticateView):
    """See AuthenticateInput."""

    input_class = AuthenticateInput


class ReauthenticateView(views.ReauthenticateView):
    """See ReauthenticateInput."""

    input_class = ReauthenticateInput


class PasskeysView(views.ManageWebAuthnView):
    """See AddPasskeyInput."""

    input_class = views.ManageWebAuthnView.input_class | {"POST": AddPasskeyInput}


class SignUpView(views.SignupWebAuthnView):
    """See SignUpPasskeyInput."""

    input_class = views.SignupWebAuthnView.input_class | {"PUT": SignUpPasskeyInput}


_VIEWS = {
    "auth/2fa/authenticate": AuthenticateView,
    "auth/2fa/reauthenticate": ReauthenticateView,
    "auth/webauthn/signup": SignUpView,
    "account/authenticators/webauthn": PasskeysView,
}
urlpatterns: list[URLPattern] = [
    path(f"{client.value}/v1/{address}", view.as_api_view(client=client))
    for client in Client
    for address, view in _VIEWS.items()
]
"""In place of django-allauth's, so before them."""
