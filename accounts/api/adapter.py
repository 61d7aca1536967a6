"""How django-allauth behaves here."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal import flows
from allauth.account.internal.flows.password_reset_by_code import PASSWORD_RESET_VERIFICATION_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from allauth.headless.base.response import AuthenticationResponse, ConflictResponse
from allauth.headless.constants import Client
from allauth.headless.internal.restkit.response import ErrorResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts import proofs, rules, tasks
from accounts.api import sign_ins
from accounts.models import User
from accounts.services import mails, sessions
from core.clock import now

NOTICE_USEFUL_FOR = timedelta(days=1)
RESET = "/v1/auth/password/reset"
SIGN_UP = "/v1/auth/signup"
"""Where an account is made with a password; by passkey or provider it has none."""


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets of authenticator apps are no use to who reads the database alone."""

    def encrypt(self, text: str) -> str:
        """Encrypt under the present SECRET_KEY."""
        return _cipher().encrypt(text.encode()).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bind passkeys to one domain, whatever host a request names."""
        return {"id": settings.PASSKEY_DOMAIN, "name": settings.SITE_NAME}

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt what any SECRET_KEY encrypted that is still listed."""
        return _cipher().decrypt(encrypted_text.encode()).decode()


class ProvidersAdapter(DefaultSocialAccountAdapter):
    """What an OpenID provider says of somebody opens their account here, and nothing else of theirs."""

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: BaseForm | None = None) -> User:
        """Store a new account with the address that was typed, which we verify ourselves.

        Else whoever has a provider's word for somebody else's address would have it here before its owner.
        """
        sociallogin.email_addresses = []
        return cast(User, super().save_user(request, sociallogin, form))


class SessionsAdapter(DefaultUserSessionsAdapter):
    """Sessions end in one place, wherever somebody asked for it."""

    def end_sessions(self, chosen: Iterable[UserSession]) -> None:
        """End these sessions of one account."""
        by_account: dict[Any, list[int]] = {}
        for session in chosen:
            by_account.setdefault(session.user_id, []).append(session.pk)
        for account_id, only in by_account.items():
            sessions.end(account_id=account_id, only=only, now=now())


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet(
        [Fernet(urlsafe_b64encode(salted_hmac("second factor", "", key, algorithm="sha256").digest())) for key in keys]
    )


class AccountAdapter(DefaultAccountAdapter):
    """One address is one account; mail goes through our queue; nobody learns which addresses we know."""

    def clean_email(self, email: str) -> str:
        """Refuse an address in an unusual spelling, and say the usual one.

        Mail must go exactly where the person typed, so the spelling is theirs to change.
        """
        longest = User._meta.get_field("email").max_length
        if longest and len(email) > longest:
            raise ValidationError(
                _("An address has at most %(longest)d characters."), "max_length", {"longest": longest}
            )
        usual = rules.canonical_email(email)
        if usual != email:
            raise ValidationError(
                _("Write this address in plain characters: %(address)s"), "unusual_spelling", {"address": usual}
            )
        if not rules.is_known_text(email):
            raise ValidationError(_("This address has characters that we do not know."), "unknown_characters")
        return email

    def save_user(self, request: HttpRequest, user: Any, form: BaseForm, commit: bool = True) -> User:
        """Store a new account with its country and the language it signed up in."""
        user.country = form.cleaned_data["country"]
        user.language = get_language() or settings.LANGUAGE_CODE
        try:
            with transaction.atomic():
                return cast(User, super().save_user(request, user, form, commit))
        except IntegrityError:
            # Another sign-up with this address was quicker; answer as if it had been there before.
            response = flows.signup.prevent_enumeration(request, email=form.cleaned_data["email"])
            raise ImmediateHttpResponse(AuthenticationResponse.from_response(request, response)) from None

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Answer whether a proof is too old for what is sensitive: the rule of our own endpoints."""
        request = context.request
        if proofs.is_recent(request.session, account_id=request.user.pk, now=now()):
            return False
        if not flows.reauthentication.get_reauthentication_flows(request.user):
            # An account with neither password nor authenticator signs in anew; allauth would ask for nothing.
            raise ReauthenticationRequired
        return True

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        """Put the new sign-in on the list of devices."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        if kwargs.get("signup") and not flows.login.get_authentication_records(request, user):
            # Whoever has just chosen the password has given it; allauth notes that at sign-in alone.
            flows.login.record_authentication(request, user, "password", email=user.email)
        # Whoever comes back from an OpenID provider is a browser.
        headless = getattr(request.allauth, "headless", None)  # type: ignore[attr-defined]  # set by allauth
        is_browser = headless is None or headless.client == Client.BROWSER
        sign_ins.begin(request, user, rules.BROWSER if is_browser else rules.OTHER)
        return response

    def logout(self, request: HttpRequest) -> None:
        """End the session that signs out."""
        sign_ins.end(request)
        super().logout(request)

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse | None:
        """Refuse a code that was mailed to an address which the account has given up meanwhile."""
        self._require_present_address(request, user, kwargs.get("email"))
        return super().pre_login(request, user, **kwargs)

    def set_password(self, user: Any, password: str) -> None:
        """Change a password, which ends every other sign-in.

        A first one is a new way to sign in, which asks for a recent proof: there is no present one to ask for. One that
        was forgotten is reset by a code, which must have been mailed to an address of the account.
        """
        request = context.request
        if request.path_info.endswith(RESET):
            reset = request.session[PASSWORD_RESET_VERIFICATION_SESSION_KEY]
            self._require_present_address(request, user, reset["email"])
        elif not user.has_usable_password():
            flows.reauthentication.raise_if_reauthentication_required(request, app="allauth.account")
        with transaction.atomic():
            super().set_password(user, password)
            sessions.end(account_id=user.pk, spare=context.request.session.session_key, now=now())

    @staticmethod
    def _require_present_address(request: HttpRequest, user: User, address: str | None) -> None:
        known = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
        if address and rules.canonical_email(address) not in {user.email, *known}:
            raise ImmediateHttpResponse(ConflictResponse(request))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Mark an address as verified; an address that another account took meanwhile stays theirs."""
        # Whose is known before the write, or by it: with two at once, either.
        with suppress(IntegrityError), transaction.atomic():
            if super().confirm_email(request, email_address):
                return True
        raise ImmediateHttpResponse(ErrorResponse(request, exception=self.validation_error("email_taken")))

    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell the owner of an address, and take as long as a new account would."""
        if context.request.path_info.endswith(SIGN_UP):
            make_password("what a new account's password would cost")
        super().send_account_already_exists_mail(email)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue a mail in the language of the request."""
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in context.items()
            if isinstance(value, str | int | datetime)
        }
        if not settings.FRONTEND_URL:
            # Without a web client of the operator's own there is nothing behind these addresses.
            plain = {name: value for name, value in plain.items() if not name.endswith("_url")}
        seconds = app_settings.EMAIL_VERIFICATION_BY_CODE_TIMEOUT
        mail_id = mails.enqueue(
            template=template_prefix,
            address=email,
            language=get_language() or settings.LANGUAGE_CODE,
            context=plain,
            useful_for=timedelta(seconds=seconds) if "code" in plain else NOTICE_USEFUL_FOR,
            now=now(),
        )
        tasks.deliver_mail.delay_on_commit(mail_id=str(mail_id))
