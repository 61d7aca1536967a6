"""Rights of staff, by group, and their second factors.

Least privilege: a group holds what its work needs, and nobody edits what a ledger says. The groups
are made from what the apps declare, by a command that is run after every migration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from accounts.models import User
from accounts.services import audit, sessions
from accounts.services.audit import Act
from core.errors import DomainError

Right = tuple[str, str]
"""An app's label and a permission's codename."""

READ_ACCOUNTS = {
    ("accounts", "view_user"),
    ("accounts", "view_profile"),
    ("accounts", "view_outgoingemail"),
    ("accounts", "view_auditentry"),
    ("accounts", "view_accountdeletion"),
    ("accounts", "view_recovery"),
    ("accounts", "view_profiletransfer"),
    ("accounts", "view_suppressedaddress"),
    ("account", "view_emailaddress"),
    ("usersessions", "view_usersession"),
}


WRITTEN = {
    "titletext",
    "alternatetitle",
    "titlegenre",
    "titlekeyword",
    "credit",
    "contentrating",
    "externalid",
    "titlenumber",
}
"""What an author may say of a title."""


def _support(right: Right) -> bool:
    # Sees what a caller asks about, and can shut an account out; changes no money and no title.
    label, codename = right
    return (
        right in READ_ACCOUNTS
        or right == ("accounts", "suspend_user")
        or (label in {"billing", "catalog"} and codename.startswith("view_"))
    )


def _content(right: Right) -> bool:
    return right[0] == "catalog" or right == ("core", "preview_country")


def _author(right: Right) -> bool:
    # Writes about titles, and asks somebody of the content team to make it public; licences and deliveries are the team's.
    label, codename = right
    action, _, model = codename.partition("_")
    if label != "catalog" or action == "publish":
        return False
    return (
        action == "view"
        or (action in {"add", "change"} and model == "title")
        or (action == "add" and model in {"person", "keyword"})
        or (action in {"add", "change", "delete"} and model in WRITTEN)
    )


MAINTAINED = {"plan", "planfamily", "price", "planprice", "coupon", "outage", "consumerlaw", "legaldocument"}
"""What billing staff write by hand: what is offered and under which law; nothing that was charged."""


def _billing(right: Right) -> bool:
    # Everything is seen; what changes money is an action with a permission of its own.
    label, codename = right
    action, _, model = codename.partition("_")
    is_table = action in {"add", "change", "delete"}
    edited = action in {"add", "change"} and model in MAINTAINED
    return (label == "billing" and (not is_table or edited)) or right in {
        ("accounts", "view_user"),
        ("accounts", "view_outgoingemail"),
    }


def _administrator(right: Right) -> bool:
    return right[0] in {"account", "accounts", "auth", "billing", "catalog", "core", "usersessions"}


GROUPS: dict[str, Callable[[Right], bool]] = {
    "support": _support,
    "content": _content,
    "author": _author,
    "billing": _billing,
    "administrator": _administrator,
}


class NotStaff(DomainError):
    """Second factors are handed out to staff alone."""

    code = "not_staff"
    title = "This person is not a member of staff."


class SecondFactorExists(DomainError):
    """The person has a second factor."""

    code = "second_factor_exists"
    title = "This person has a second factor already; replace it if it is lost."


@dataclass(frozen=True)
class SecondFactor:
    """What its owner must keep; it is shown once."""

    url: str
    """An otpauth:// address for an authenticator app."""
    recovery_codes: list[str]


def sync_groups() -> dict[str, int]:
    """Give every group exactly its rights; answers how many each has.

    Permissions of apps that are not migrated yet are missing then, and come with the next run.
    """
    with transaction.atomic():
        permissions = list(Permission.objects.select_related("content_type").order_by("pk"))
        sizes = {}
        for name, wants in GROUPS.items():
            group, _ = Group.objects.get_or_create(name=name)
            wanted = [each for each in permissions if wants((each.content_type.app_label, each.codename))]
            group.permissions.set(wanted)
            sizes[name] = len(wanted)
        return sizes


def set_up_second_factor(*, email: str, replace: bool, now: datetime) -> SecondFactor:
    """Give a member of staff an authenticator secret and recovery codes.

    For the first member of staff, and for whoever lost the device, on which they may be signed in: every
    sign-in ends. Raises NotStaff and, unless `replace`, SecondFactorExists.
    """
    with transaction.atomic():
        user = User.objects.for_email(email).filter(is_staff=True).locked().first()
        if user is None:
            raise NotStaff
        existing = Authenticator.objects.filter(user=user)
        if existing.exists() and not replace:
            raise SecondFactorExists
        act = Act.AUTHENTICATOR_RESET if existing.exists() else Act.AUTHENTICATOR_ADDED
        existing.delete()
        sessions.end(account_id=user.pk, now=now)
        audit.record(act, account_id=user.pk, by=None, origin=audit.NOWHERE, now=now, kind="totp")
        secret = generate_totp_secret()
        TOTP.activate(user, secret)
        codes = RecoveryCodes.activate(user).get_unused_codes()
        return SecondFactor(get_adapter().build_totp_url(user, secret), codes)
