"""Consumer law, what buyers agree to, and the proofs of what they were told and did."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from billing.admin.base import Actor, OfPerson, amount_of, plan_link
from billing.models import Cancellation, ConsumerLaw, LegalDocument, PriceNotice, Reminder, Trial, Withdrawal
from billing.services import consents
from core import clock
from core.admin import SecureAddresses
from core.words import gettext_lazy as _

BY = Actor("by")


@admin.register(ConsumerLaw)
class ConsumerLawAdmin(ModelAdmin):
    """What the law of each country gives subscribers."""

    list_display = (
        "__str__",
        "withdrawal_days",
        "withdrawal_pro_rata",
        "yearly_reminder_days",
        "trial_reminder_days",
        "price_notice_days",
        "source",
    )
    ordering = ("country",)
    search_fields = ("=country",)


@admin.register(LegalDocument)
class LegalDocumentAdmin(SecureAddresses, ModelAdmin):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Documents. Adding one puts it in place of the present version; none is ever edited."""

    list_display = ("kind", "country", "version", "url", "published_at")
    list_filter = ("kind", "country")
    ordering = ("kind", "country", "-version")
    fields = ("kind", "country", "text", "url")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a version is what buyers agreed to."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        """Add a version."""
        wanted = cast("LegalDocument", obj)
        made = consents.publish(
            kind=consents.Kind(wanted.kind),
            country=wanted.country,
            text=wanted.text,
            url=wanted.url,
            now=clock.now(),
        )
        wanted.pk, wanted.version = made.pk, made.version


class OfSubscription(OfPerson):
    """What was said or done about a subscription."""

    person = "subscription.account_id"
    list_select_related: ClassVar[Any] = ("subscription__account", "subscription__price__plan")
    search_fields = ("=subscription__account__email", "=subscription__id")
    search_help_text = _("A whole e-mail address or id of a subscription.")
    ordering = ("-pk",)
    rest: ClassVar[tuple[Any, ...]] = ()
    """What a page says beside what the list says."""

    @display(description=_("customer"), ordering="subscription__account__email")
    def customer(self, row: Any) -> str:
        """Name the customer."""
        return str(row.subscription.account)

    @display(description=_("subscription"))
    def plan(self, row: Any) -> str:
        """Link to the subscription by its plan."""
        return plan_link(row.subscription)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show what the list shows, and the rest."""
        return (*self.list_display, *self.rest)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Have them shown."""
        return self.get_fields(request, obj)


@admin.register(PriceNotice)
class PriceNoticeAdmin(OfSubscription):
    """Who was told of which price, and from when it may be billed."""

    list_display: Any = ("customer", "plan", "price", "sent_at", "earliest_on")
    list_select_related = (*OfSubscription.list_select_related, "price")


@admin.register(Reminder)
class ReminderAdmin(OfSubscription):
    """Who was reminded of which charge."""

    list_display: Any = ("customer", "plan", "kind", "boundary", "sent_at")
    list_filter = ("kind",)


@admin.register(Cancellation)
class CancellationAdmin(OfSubscription):
    """Cancellations, and why."""

    list_display: Any = ("customer", "plan", "at", "effective_at", "reason", "comment", "undone_at")
    list_filter = ("reason",)
    rest = (BY,)


@admin.register(Withdrawal)
class WithdrawalAdmin(OfSubscription):
    """Withdrawals from the contract, and what was given back."""

    list_display: Any = ("customer", "plan", "at", BY, "refunded_label", "kept_label", "pro_rata")

    @display(description=_("refunded"), ordering="refunded")
    def refunded_label(self, withdrawal: Withdrawal) -> str:
        """Show major units."""
        return amount_of(withdrawal.refunded, withdrawal.currency)

    @display(description=_("kept by us"), ordering="kept")
    def kept_label(self, withdrawal: Withdrawal) -> str:
        """Show major units."""
        return amount_of(withdrawal.kept, withdrawal.currency)


@admin.register(Trial)
class TrialAdmin(OfPerson):
    """Who has had a trial."""

    person = "account_id"

    list_display = ("account", "plan", "started_at", "ends_at")
    list_select_related = ("account", "subscription__price__plan")
    search_fields = ("=account__email",)
    search_help_text = _("A whole e-mail address.")
    ordering = ("-pk",)
    fields = ("account", "plan", "started_at", "ends_at")
    readonly_fields = ("plan",)

    @display(description=_("subscription"))
    def plan(self, trial: Trial) -> str:
        """Link to the subscription by its plan."""
        return plan_link(trial.subscription)
