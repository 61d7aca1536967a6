"""What sign-in tells us for the record: django-allauth and Django announce by signals of their own."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account_signals
from allauth.account.models import EmailAddress
from allauth.mfa import signals as second_factor_signals
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.contrib.auth import signals as auth_signals
from django.dispatch import Signal
from django.http import HttpRequest

from accounts.models import User
from accounts.origins import origin_of
from accounts.services import audit, suppressions
from accounts.services.audit import Act
from core.clock import now

_BY_SIGNAL: tuple[tuple[Signal, Act], ...] = (
    (account_signals.user_signed_up, Act.SIGNED_UP),
    (account_signals.password_changed, Act.PASSWORD_CHANGED),
    (account_signals.password_set, Act.PASSWORD_CHANGED),
    (account_signals.password_reset, Act.PASSWORD_RESET),
    (account_signals.email_changed, Act.EMAIL_CHANGED),
    (account_signals.email_added, Act.EMAIL_ADDED),
    (account_signals.email_removed, Act.EMAIL_REMOVED),
    (auth_signals.user_logged_in, Act.SIGNED_IN),
    (second_factor_signals.authenticator_added, Act.AUTHENTICATOR_ADDED),
    (second_factor_signals.authenticator_removed, Act.AUTHENTICATOR_REMOVED),
    (second_factor_signals.authenticator_reset, Act.AUTHENTICATOR_RESET),
)
_REJECTED = (
    account_signals.login_code_rejected,
    account_signals.password_reset_code_rejected,
    account_signals.email_verification_code_rejected,
)


def listen() -> None:
    """Record what these signals announce."""
    for signal, act in _BY_SIGNAL:
        signal.connect(_recorder(act), weak=False, dispatch_uid=f"audit {act}")
    for signal in _REJECTED:
        signal.connect(_record_rejected_code, dispatch_uid="audit")
    auth_signals.user_login_failed.connect(_record_failed_sign_in, dispatch_uid="audit")
    social_account_added.connect(_record_linked_provider, dispatch_uid="audit")
    social_account_removed.connect(_record_unlinked_provider, dispatch_uid="audit")
    account_signals.email_confirmed.connect(_record_confirmed_address, dispatch_uid="audit")
    second_factor_signals.authentication_failed.connect(_record_failed_second_factor, dispatch_uid="audit")


def _recorder(act: Act) -> Any:
    def receive(user: User, request: HttpRequest | None = None, **more: Any) -> None:
        if "from_email_address" in more and more["from_email_address"] is None:
            return  # a new account's first address, which is no change
        authenticator = more.get("authenticator")
        detail = {"kind": authenticator.type} if isinstance(authenticator, Authenticator) else {}
        audit.record(act, account_id=user.pk, by=user, origin=origin_of(request), now=now(), **detail)

    return receive


def _record_confirmed_address(request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    account = email_address.user
    suppressions.lift(address=email_address.email)
    audit.record(Act.EMAIL_CONFIRMED, account_id=account.pk, by=account, origin=origin_of(request), now=now())


def _record_failed_sign_in(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    # An unknown address leaves an entry too, without the address: both take as long.
    known = User.objects.for_email(str(credentials.get("email") or credentials.get("username") or "")).first()
    audit.record(
        Act.SIGN_IN_FAILED, account_id=known.pk if known else None, by=None, origin=origin_of(request), now=now()
    )


def _record_rejected_code(request: HttpRequest, user: User | None = None, **_: Any) -> None:
    account_id = user.pk if user else None
    audit.record(Act.CODE_REJECTED, account_id=account_id, by=None, origin=origin_of(request), now=now())


def _record_failed_second_factor(user: User, request: HttpRequest | None = None, **_: Any) -> None:
    audit.record(Act.SECOND_FACTOR_FAILED, account_id=user.pk, by=None, origin=origin_of(request), now=now())


def _record_linked_provider(request: HttpRequest, sociallogin: SocialLogin, **_: Any) -> None:
    _record_provider(Act.AUTHENTICATOR_ADDED, request, sociallogin.account)


def _record_unlinked_provider(request: HttpRequest, socialaccount: SocialAccount, **_: Any) -> None:
    _record_provider(Act.AUTHENTICATOR_REMOVED, request, socialaccount)


def _record_provider(act: Act, request: HttpRequest, linked: SocialAccount) -> None:
    detail = {"kind": "provider", "provider": linked.provider}
    audit.record(act, account_id=linked.user_id, by=linked.user, origin=origin_of(request), now=now(), **detail)
