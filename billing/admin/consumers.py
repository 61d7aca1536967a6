"""Consumer law, what buyers agree to, and the proofs of what they were told and did."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from billing.admin.base import ReadOnly
from billing.models import Cancellation, ConsumerLaw, LegalDocument, PriceNotice, Reminder, Trial, Withdrawal
from billing.services import consents
from core import clock
from core.admin import SecureAddresses
from core.money import Money


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


@admin.register(PriceNotice)
class PriceNoticeAdmin(ReadOnly):
    """Who was told of which price, and from when it may be billed."""

    list_display = ("subscription", "price", "sent_at", "earliest_on")
    list_select_related = ("subscription", "price")
    search_fields = ("=subscription__account__email", "=subscription__id")
    search_help_text = "A whole e-mail address or id of a subscription."
    ordering = ("-pk",)


@admin.register(Reminder)
class ReminderAdmin(ReadOnly):
    """Who was reminded of which charge."""

    list_display = ("subscription", "kind", "boundary", "sent_at")
    list_filter = ("kind",)
    list_select_related = ("subscription",)
    search_fields = ("=subscription__account__email", "=subscription__id")
    search_help_text = "A whole e-mail address or id of a subscription."
    ordering = ("-pk",)


@admin.register(Cancellation)
class CancellationAdmin(ReadOnly):
    """Cancellations, and why."""

    list_display = ("subscription", "at", "effective_at", "reason", "comment", "undone_at")
    list_filter = ("reason",)
    list_select_related = ("subscription",)
    search_fields = ("=subscription__account__email", "=subscription__id")
    search_help_text = "A whole e-mail address or id of a subscription."
    ordering = ("-pk",)


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnly):
    """Withdrawals from the contract, and what was given back."""

    list_display = ("subscription", "at", "by", "refunded_label", "kept_label", "pro_rata")
    list_select_related = ("subscription",)
    ordering = ("-pk",)

    @display(description="refunded", ordering="refunded")
    def refunded_label(self, withdrawal: Withdrawal) -> str:
        """Show major units."""
        return str(Money(withdrawal.refunded, withdrawal.currency))

    @display(description="kept", ordering="kept")
    def kept_label(self, withdrawal: Withdrawal) -> str:
        """Show major units."""
        return str(Money(withdrawal.kept, withdrawal.currency))


@admin.register(Trial)
class TrialAdmin(ReadOnly):
    """Who has had a trial."""

    list_display = ("account", "subscription", "started_at", "ends_at")
    list_select_related = ("account", "subscription")
    search_fields = ("=account__email",)
    search_help_text = "A whole e-mail address."
    ordering = ("-pk",)
    exclude = ("card_digest",)
