"""The door to the admin.

Staff sign in here with the same protection as everybody: guesses are counted by address and by
network, and a second factor is asked for where one is set up. In production one must be.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite
from unfold.widgets import BASE_INPUT_CLASSES

from accounts import rules
from accounts.api import sign_ins
from accounts.api.second_factors import AuthenticateForm
from accounts.models import User


class StaffLoginForm(AuthenticationForm):
    """Address, password and, where a second factor is set up, a code from it."""

    code = forms.CharField(
        label=_("Authenticator code"),
        required=False,
        max_length=20,
        widget=forms.TextInput({"autocomplete": "one-time-code", "class": " ".join(BASE_INPUT_CLASSES)}),
        help_text=_("From your authenticator app, or a recovery code; empty while you have neither."),
    )

    def clean(self) -> dict[str, Any]:
        """Check all three, and note in the session how the person signed in."""
        address, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if self.request and address and password:
            user = get_adapter().authenticate(self.request, email=address, password=password)
            if not isinstance(user, User):
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(user)
            second = self._second_factor(user)
            # Also of the same person: Django would go on with the session that has not shown a second factor.
            sign_ins.end(self.request)
            self.request.session.flush()
            record_authentication(self.request, user, "password", email=address)
            if second:
                second.save()
            self.user_cache = user
        return self.cleaned_data

    def _second_factor(self, user: User) -> AuthenticateForm | None:
        if get_mfa_adapter().is_mfa_enabled(user):
            second = AuthenticateForm({"code": self.cleaned_data.get("code", "")}, user=user)
            if not second.is_valid():
                raise ValidationError(_("The authenticator code is missing or wrong."), code="second_factor")
            return second
        if settings.STAFF_SECOND_FACTOR_REQUIRED:
            raise ValidationError(
                _("Staff need a second factor here. Ask for one: manage.py set_up_second_factor."),
                code="second_factor_missing",
            )
        return None


class StaffSite(UnfoldAdminSite):
    """The admin, for staff who came in through a door with a second factor."""

    login_form = StaffLoginForm
    login_template = "admin/staff_login.html"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Let somebody in, and put the sign-in on their list of devices."""
        response = super().login(request, extra_context)
        # A form that was refused is shown again, with 200.
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            sign_ins.begin(request, cast(User, request.user), rules.BROWSER)
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """End the sign-in."""
        sign_ins.end(request)
        return super().logout(request, extra_context)

    def has_permission(self, request: HttpRequest) -> bool:
        """Refuse sessions of staff that were begun elsewhere without a second factor, where one is required."""
        if not super().has_permission(request):
            return False
        if not settings.STAFF_SECOND_FACTOR_REQUIRED:
            return True
        return any(
            record["method"] == "mfa" for record in get_authentication_records(request, cast(User, request.user))
        )
