"""What accounts hold about a person, the tables of sign-in included."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.usersessions.models import UserSession
from django.db.models import Case, Value, When

from accounts.models import (
    AccountDeletion,
    AuditEntry,
    CodeTries,
    Consent,
    DataExport,
    Device,
    DeviceAuthorization,
    DeviceRegistration,
    ErasureStep,
    MailPreference,
    OutgoingEmail,
    Pin,
    Profile,
    ProfileTransfer,
    Recovery,
    SessionProfile,
    User,
)
from accounts.services import accounts
from core.personal_data import Contributor, Stream


def export(*, account_id: UUID) -> Iterable[Stream]:
    """Answer the account, its addresses, profiles, sign-ins, second factors (not their secrets) and mail."""
    yield Stream(
        "account",
        User.objects.filter(pk=account_id)
        .values("id", "email", "country", "language", "created_at", "last_login", "suspended_at", "suspension_reason")
        .iterator(),
    )
    yield Stream("addresses", EmailAddress.objects.filter(user=account_id).values("email", "verified", "primary"))
    yield Stream(
        "profiles",
        Profile.objects.filter(account=account_id)
        .order_by("created_at")
        .values(
            "id",
            "name",
            "avatar",
            "language",
            "is_kids",
            "highest_age",
            "allows_unrated",
            "autoplay",
            "subtitles",
            "subtitle_language",
            "subtitles_for_deaf",
            "created_at",
        ),
    )
    yield Stream(
        "profile_transfers",
        ProfileTransfer.objects.known_to(account_id)
        .annotate(direction=Case(When(from_account=account_id, then=Value("outgoing")), default=Value("incoming")))
        .order_by("offered_at")
        .values("direction", "profile", "to_email", "offered_at", "expires_at", "ended_at", "outcome"),
    )
    yield Stream(
        "sessions",
        UserSession.objects.filter(user=account_id)
        .order_by("created_at")
        .values("ip", "user_agent", "created_at", "last_seen_at", "entered__profile"),
    )
    yield Stream(
        "devices",
        Device.objects.of_account(account_id)
        .order_by("created_at")
        .values("id", "name", "kind", "place", "created_at", "last_seen_at"),
    )
    yield Stream(
        "device_registrations",
        DeviceRegistration.objects.filter(account=account_id)
        .order_by("registered_at")
        .values("device", "kind", "registered_at", "ended_at"),
    )
    yield Stream(
        "second_factors", Authenticator.objects.filter(user=account_id).values("type", "created_at", "last_used_at")
    )
    yield Stream(
        "linked_sign_ins",
        SocialAccount.objects.filter(user=account_id)
        .order_by("date_joined")
        .values("provider", "uid", "date_joined", "last_login", "extra_data"),
    )
    yield Stream(
        "activity",
        (
            # Where staff sit is no data of the owner's.
            entry
            if entry["actor"] != AuditEntry.Actor.STAFF
            else {**entry, "address": None, "place": "", "user_agent": ""}
            for entry in AuditEntry.objects.filter(account=account_id)
            .order_by("at", "pk")
            .values("at", "act", "actor", "address", "place", "user_agent", "detail")
            .iterator()
        ),
    )
    yield Stream(
        "consents",
        Consent.objects.filter(account=account_id)
        .order_by("given_at")
        .values("document__kind", "document__version", "given_at", "address", "place", "user_agent", "withdrawn_at"),
    )
    yield Stream(
        "mail_preferences",
        MailPreference.objects.filter(account=account_id).order_by("topic").values("topic", "wanted", "changed_at"),
    )
    yield Stream(
        "deletions",
        AccountDeletion.objects.filter(account=account_id)
        .order_by("requested_at")
        .values("requested_at", "erase_at", "cancelled_at"),
    )
    yield Stream(
        "recoveries",
        Recovery.objects.filter(account=account_id)
        .order_by("requested_at")
        .values("requested_at", "effective_at", "ended_at", "outcome"),
    )
    yield Stream(
        "exports",
        DataExport.objects.filter(account=account_id).order_by("requested_at").values("requested_at", "ready_at"),
    )
    yield Stream(
        "mail",
        OutgoingEmail.objects.filter(address__in=accounts.addresses_of(account_id))
        .order_by("created_at")
        .values("address", "template", "language", "created_at", "sent_at"),
    )


CONTRIBUTOR = Contributor(
    name="accounts",
    export=export,
    erase=accounts.erase,
    covers=frozenset(
        model._meta.label
        for model in (
            User,
            User.groups.through,
            User.user_permissions.through,
            Profile,
            ProfileTransfer,
            Pin,
            SessionProfile,
            Device,
            DeviceRegistration,
            DeviceAuthorization,
            CodeTries,
            OutgoingEmail,
            EmailAddress,
            UserSession,
            Authenticator,
            DataExport,
            Recovery,
            SocialAccount,
            SocialToken,
            Consent,
            MailPreference,
        )
    )
    | {"account.EmailConfirmation"},
    keeps={
        "admin.LogEntry": "what staff changed stays accountable; it names the member of staff by id, and not the account",
        AccountDeletion._meta.label: "it is the proof that the account was erased, and when: ids and times, no name",
        ErasureStep._meta.label: "it is the proof of what was erased: names of tables and counts of rows",
        "accounts.AuditEntry": "that something was done, and by whom of the staff, stays provable for 400 days; "
        "address, place, program and detail are taken out",
    },
)
