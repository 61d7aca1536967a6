"""What failed and is tried again: the list that whoever looks after the platform works off."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.decorators import display

from billing.admin.base import ReadOnly, list_link
from billing.models import Gift, Invoice, PaymentAttempt, PaymentMethod, Refund, Setback, Subscription
from billing.services import setbacks
from core import clock
from core.words import gettext_lazy as _

Sweep = Setback.Sweep


@admin.register(Setback)
class SetbackAdmin(ReadOnly):
    """Rows that could not be handled, longest first: nothing is given up, and each is tried again by itself."""

    ROWS: ClassVar[dict[str, type[Model]]] = {
        Sweep.RENEWALS: Subscription,
        Sweep.PAYMENTS: PaymentAttempt,
        Sweep.REFUNDS: Refund,
        Sweep.GIFT_MAILS: Gift,
        Sweep.GIFT_ENDS: Gift,
        Sweep.RECEIPTS: Invoice,
        Sweep.PRICE_NOTICES: Subscription,
        Sweep.REMINDERS: Subscription,
        Sweep.CARD_WARNINGS: PaymentMethod,
    }

    list_display = ("sweep", "about", "error", "failures", "first_at", "last_at", "next_try_at")
    list_filter = ("sweep",)
    search_fields = ("=row",)
    search_help_text = _("A whole id.")
    ordering = ("first_at",)
    actions = ("try_again",)
    exclude = ("row",)
    readonly_fields = ("about",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to have what failed tried again."""
        return request.user.has_perm("billing.retry_setback")

    @admin.action(description=_("Try again now"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Setback]) -> None:
        """Have the next run of each sweep try it."""
        self.carry_out(
            request,
            queryset,
            lambda row, by: setbacks.retry(setback_id=row.pk, now=clock.now()),
            gettext("to be tried again"),
        )

    @display(description=_("about"))
    def about(self, setback: Setback) -> str:
        """Link to the row."""
        return list_link(self.ROWS[setback.sweep], str(setback.row), pk=str(setback.row))
