"""Accounts in the admin: who they are, how they stand, what mail went out; changes go through services."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar, cast
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import ActionForm, AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import rules
from accounts.admin_pages import OnRecord
from accounts.models import (
    AccountDeletion,
    AuditEntry,
    OutgoingEmail,
    PolicyDocument,
    Profile,
    ProfileTransfer,
    Recovery,
    SuppressedAddress,
    User,
)
from accounts.origins import origin_of
from accounts.services import accounts, audit, sessions, suppressions
from core import clock
from core.admin import SecureAddresses
from core.errors import DomainError
from core.words import gettext_lazy as _


class ReasonForm(ActionForm):
    """An action and why it is taken."""

    reason = forms.CharField(
        label="",
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget({"placeholder": _("Reason"), "aria-label": _("Reason"), "x-show": "action"}),
    )


class Discreet(OnRecord):
    """What it does not show nobody finds out by filters either: a code could be guessed letter by letter."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse filters on fields that are left out."""
        is_hidden = lookup.partition(LOOKUP_SEP)[0] in (self.exclude or ())
        return not is_hidden and super().lookup_allowed(lookup, value, request)


def _never(_admin: Any, *_: Any, **__: Any) -> bool:
    return False


class ProfileInline(TabularInline):
    """The household; its profiles are its own to change."""

    model = Profile
    fields = ["id", "name", "language", "is_kids", "highest_age", "allows_unrated", "created_at"]
    readonly_fields = ["id", "created_at"]
    extra = 0
    ordering = ["created_at"]
    has_add_permission = has_change_permission = has_delete_permission = _never


class AddressInline(TabularInline):
    """Where mail goes, and what is verified."""

    model = EmailAddress
    fields = ["email", "verified", "primary"]
    extra = 0
    has_add_permission = has_change_permission = has_delete_permission = _never


class SignInInline(TabularInline):
    """Where the account is signed in. Never shows a session's key, which is as good as a password."""

    model = UserSession
    verbose_name_plural = _("Sign-ins")
    fields = ["ip", "user_agent", "created_at", "last_seen_at"]
    extra = 0
    ordering = ["-last_seen_at"]
    has_add_permission = has_change_permission = has_delete_permission = _never


class AddUserForm(UserCreationForm):
    """A new member of staff; people who watch sign up by themselves."""

    def clean_email(self) -> str:
        """Store the address in the form that stands for the account."""
        return rules.canonical_email(self.cleaned_data["email"])


@admin.register(User)
class UserAdmin(DjangoUserAdmin, OnRecord):  # type: ignore[misc, type-arg]  # Django's and unfold's classes disagree on types
    """Accounts and staff. Rights are given by superusers alone."""

    person = "pk"

    form = UserChangeForm
    add_form = AddUserForm
    change_password_form = AdminPasswordChangeForm
    action_form = ReasonForm
    actions = ["suspend", "unsuspend"]
    inlines = [ProfileInline, AddressInline, SignInInline]
    filter_horizontal = ()
    ordering = ["-created_at"]
    list_display = ["email", "country", "language", "is_active", "is_staff", "created_at"]
    list_filter = ["is_active", "is_staff", "groups"]
    search_fields = ["email__startswith"]
    search_help_text = _("The beginning of an address")
    show_full_result_count = False
    readonly_fields = ["suspended_at", "suspension_reason", "created_at", "last_login", "is_active"]
    fieldsets = (
        (None, {"fields": ["email", "password", "country", "language"]}),
        (_("Standing"), {"fields": ["is_active", "suspended_at", "suspension_reason", "created_at", "last_login"]}),
        (_("Rights"), {"fields": ["is_staff", "is_superuser", "groups"]}),
    )
    add_fieldsets = ((None, {"classes": ["wide"], "fields": ["email", "password1", "password2"]}),)  # type: ignore[assignment]  # declared as empty
    RIGHTS: ClassVar[list[str]] = ["is_staff", "is_superuser", "groups"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Let nobody but superusers give rights, to themselves or others."""
        fixed = [*self.readonly_fields, *(["email"] if obj else [])]
        return fixed if request.user.is_superuser else [*fixed, *self.RIGHTS]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Show a password, masked, to superusers alone, who may set another."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or request.user.is_superuser:
            return fieldsets
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "password"]})
            for title, options in fieldsets
        ]

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Use the form with the password only where it is shown."""
        if obj is not None and not request.user.is_superuser:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's name
        """Refuse all but superusers: who sets a password can be that person."""
        if not request.user.is_superuser:
            raise PermissionDenied
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            row = self.get_object(request, id)
            if row is not None and response.status_code == HTTPStatus.OK:
                self.record_opening(request, row, "password")
            # A form that was refused is shown again, with 200.
            if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
                # Django has given one's own session another key.
                kept = request.session.session_key if request.user.pk == UUID(id) else None
                if kept:
                    before = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
                    sessions.carry_over(account_id=UUID(id), before=before, after=kept)
                sessions.end(account_id=UUID(id), spare=kept, now=clock.now())
                self._record(request, audit.Act.STAFF_CHANGED, UUID(id), fields="password")
        return response

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Let rights that were given or taken hold from the next request on."""
        super().save_related(request, form, formsets, change)
        sessions.forget(account_id=form.instance.pk)
        if change and form.changed_data:
            self._record(request, audit.Act.STAFF_CHANGED, form.instance.pk, fields=", ".join(form.changed_data))

    @staticmethod
    def _record(request: HttpRequest, act: audit.Act, account_id: UUID, **detail: str) -> None:
        by = cast(User, request.user)
        audit.record(act, account_id=account_id, by=by, origin=origin_of(request), now=clock.now(), **detail)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never: an account is erased by its owner's request, with what the law keeps kept."""
        return False

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        """Whether this member of staff may suspend."""
        return request.user.has_perm("accounts.suspend_user")

    def _reason(self, request: HttpRequest) -> str:
        """Answer why an action is taken; empty, and said so, if nobody says."""
        reason = request.POST.get("reason", "").strip()[:200]
        if not reason:
            self.message_user(request, gettext("Say why, beside the action."), messages.ERROR)
        return reason

    @admin.action(description=_("Suspend, with a reason"), permissions=["suspend"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Shut the chosen accounts out."""
        if not (reason := self._reason(request)):
            return
        for account in queryset:
            try:
                accounts.suspend(
                    account_id=account.pk,
                    reason=reason,
                    by=cast(User, request.user),
                    now=clock.now(),
                    origin=origin_of(request),
                )
            except DomainError as error:
                self.message_user(request, f"{account}: {gettext(str(error))}", messages.ERROR)
            else:
                self.log_change(request, account, f"Suspended: {reason}")
                self.message_user(request, gettext("%(account)s is suspended.") % {"account": account})

    @admin.action(description=_("Unsuspend, with a reason"), permissions=["suspend"])
    def unsuspend(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let the chosen accounts in again."""
        if not (reason := self._reason(request)):
            return
        for account in queryset:
            try:
                accounts.unsuspend(
                    account_id=account.pk,
                    reason=reason,
                    by=cast(User, request.user),
                    now=clock.now(),
                    origin=origin_of(request),
                )
            except DomainError as error:
                self.message_user(request, f"{account}: {gettext(str(error))}", messages.ERROR)
            else:
                self.log_change(request, account, f"Unsuspended: {reason}")
                self.message_user(request, gettext("%(account)s may sign in again.") % {"account": account})


@admin.register(OutgoingEmail)
class OutgoingEmailAdmin(Discreet):
    """What mail went out, and what did not; never what it said."""

    person = "account_id"

    list_display = ["address", "template", "language", "created_at", "sent_at", "given_up_at", "attempts", "last_error"]
    list_filter = ["template"]
    search_fields = ["address__startswith"]
    search_help_text = _("The beginning of an address")
    show_full_result_count = False
    exclude = ["context"]
    ordering = ["-created_at"]
    has_add_permission = has_change_permission = has_delete_permission = _never


@admin.register(PolicyDocument)
class PolicyDocumentAdmin(SecureAddresses, ModelAdmin):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Versions of what people agree to. One that somebody agreed to is never changed; a new text is a new version."""

    list_display = ["kind", "version", "effective_at", "url"]
    list_filter = ["kind"]
    ordering = ["kind", "-effective_at"]

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Note when it was made."""
        if isinstance(obj, PolicyDocument) and not change:
            obj.created_at = clock.now()
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: PolicyDocument | None = None) -> bool:
        """Allow it while nobody agreed to it."""
        is_agreed_to = obj is not None and obj.consents.exists()
        return not is_agreed_to and super().has_change_permission(request, obj)

    has_delete_permission = has_change_permission


@admin.register(SuppressedAddress)
class SuppressedAddressAdmin(ModelAdmin):
    """Addresses that get no mail, as digests; search by the whole address. Taking one off the list lets mail go again."""

    list_display = ["address_hash", "reason", "detail", "at"]
    list_filter = ["reason"]
    search_fields = ["address_hash"]
    search_help_text = _("A whole address")
    show_full_result_count = False
    ordering = ["-at"]
    has_add_permission = has_change_permission = _never

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Look for the digest of what was typed."""
        digest = suppressions.hash_of(search_term) if search_term else ""
        return super().get_search_results(request, queryset, digest)


@admin.register(AccountDeletion)
class AccountDeletionAdmin(Discreet):
    """Who is leaving, what an erasure waits for, and what was erased. Nobody changes it."""

    person = "account_id"

    list_display = ["account_id", "requested_at", "erase_at", "waits_for", "cancelled_at", "started_at", "erased_at"]
    list_filter = ["waits_for"]
    search_fields = ["account__id"]
    show_full_result_count = False
    ordering = ["-requested_at"]
    exclude = ["farewell_to", "farewell_language"]
    readonly_fields = ["what_was_erased"]
    has_add_permission = has_change_permission = has_delete_permission = _never

    @admin.display(description=_("What was erased"))
    def what_was_erased(self, deletion: AccountDeletion) -> str:
        """Answer each app's counts."""
        steps = deletion.steps.order_by("pk")
        return "; ".join(
            f"{step.contributor}: " + ", ".join(f"{rows} {model}" for model, rows in sorted(step.rows.items()))
            for step in steps
        )


@admin.register(Recovery)
class RecoveryAdmin(Discreet):
    """Who says that a second factor is lost. Staff see it, and can neither hurry nor complete it."""

    person = "account_id"

    list_display = ["account", "requested_at", "effective_at", "outcome", "ended_at"]
    list_filter = ["outcome"]
    list_select_related = ["account"]
    search_fields = ["account__email__startswith"]
    show_full_result_count = False
    ordering = ["-requested_at"]
    exclude = ["cancel_hash", "code_hash"]
    has_add_permission = has_change_permission = has_delete_permission = _never


@admin.register(ProfileTransfer)
class ProfileTransferAdmin(OnRecord):
    """Which profiles were offered to other households, and how that ended; kept for 30 days. Nobody changes it."""

    person = "from_account_id"
    others = ("to_account_id",)

    list_display = ["profile_id", "from_account", "to_email", "to_account", "offered_at", "outcome", "ended_at"]
    list_filter = ["outcome"]
    list_select_related = ["from_account", "to_account"]
    search_fields = ["from_account__email__startswith", "to_email__startswith"]
    search_help_text = _("The beginning of either address")
    show_full_result_count = False
    ordering = ["-offered_at"]
    has_add_permission = has_change_permission = has_delete_permission = _never


@admin.register(AuditEntry)
class AuditEntryAdmin(OnRecord):
    """What was done to accounts, by whom and from where. Nobody changes it."""

    person = "account_id"

    list_display = ["at", "account", "act", "actor", "address", "place"]
    list_filter = ["act", "actor"]
    list_select_related = ["account"]
    search_fields = ["account__email__startswith"]
    search_help_text = _("The beginning of an address")
    show_full_result_count = False
    ordering = ["-at", "-id"]
    has_add_permission = has_change_permission = has_delete_permission = _never


# What allauth registers would let staff edit what only its owner may change, or see sessions' keys.
for model in (Group, Authenticator, EmailAddress, UserSession, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # Django's and unfold's classes disagree on types
    """Groups are made by `manage.py sync_staff_groups`, so that they mean the same everywhere."""

    has_add_permission = has_change_permission = has_delete_permission = _never
