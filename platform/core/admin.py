"""The floor in the admin: what the outbox could not deliver, and what staff decide about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.paginator import Paginator
from django.db import connection, models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from core import clock
from core.errors import DomainError
from core.models import OutboxDelivery
from core.outbox import interventions, subscriptions

State = OutboxDelivery.State

COUNTED = 5000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs alone
    """Counts up to COUNTED rows exactly; beyond, a whole table by PostgreSQL's own estimate, a filtered list as COUNTED.

    Counting a million rows for a page of fifty would take longer than the page.
    """

    @cached_property
    def count(self) -> int:
        """Answer how many rows to show pages for."""
        query: Any = self.object_list
        counted = len(query.order_by().values("pk")[: COUNTED + 1])
        if counted <= COUNTED or query.query.where:
            return min(counted, COUNTED)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [query.model._meta.db_table]
            )
            return max(counted, int(cursor.fetchone()[0]))


class SecureAddresses:
    """Takes an address that is typed without its scheme for https://."""

    def formfield_for_dbfield(self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Say so to fields of addresses."""
        if isinstance(db_field, models.URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]  # of the admin it is mixed into


class ReasonForm(ActionForm):
    """An action and why it is taken."""

    reason = forms.CharField(
        label="",
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget({"placeholder": "Reason", "aria-label": "Reason", "x-show": "action"}),
    )


class StateFilter(admin.SimpleListFilter):
    """Open deliveries unless another state is asked for: the settled ones are millions."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer every state."""
        return list(State.choices)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Name the default for what it is."""
        default, *states = super().choices(changelist)
        yield {**default, "display": "open"}
        yield from states

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxDelivery]) -> QuerySet[OutboxDelivery]:
        """Keep the state asked for."""
        if self.value() in State.values:
            return queryset.filter(state=self.value())
        return queryset.filter(settled_at__isnull=True)


class HandlerFilter(admin.SimpleListFilter):
    """Handlers of this release; those of others are found by searching for their name."""

    title = "handler"
    parameter_name = "handler"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer every handler without asking the table."""
        return [(name, name) for name in subscriptions.names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxDelivery]) -> QuerySet[OutboxDelivery]:
        """Keep the handler asked for."""
        return queryset.filter(handler=self.value()) if self.value() else queryset


@admin.register(OutboxDelivery)
class OutboxDeliveryAdmin(ModelAdmin):
    """What is open, what failed and why; staff retry or skip, and give their reason."""

    list_display = (
        "event_type",
        "handler",
        "aggregate",
        "state_label",
        "failures",
        "error_start",
        "occurred_at",
        "due_at",
    )
    list_filter = (StateFilter, HandlerFilter)
    list_select_related = ("event",)
    search_fields = ("=aggregate", "=handler")
    search_help_text = "A whole aggregate (account:...) or a handler's whole name."
    ordering = ("-pk",)
    show_full_result_count = False
    action_form = ReasonForm
    actions = ("retry", "skip")
    fields = (
        "event_type",
        "payload",
        "handler",
        "aggregate",
        "state_label",
        "failures",
        "error",
        "occurred_at",
        "due_at",
        "settled_at",
        "decision",
        "decision_by",
        "decided_at",
        "decision_reason",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: OutboxDelivery | None = None) -> bool:
        """Refuse: services publish."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxDelivery | None = None) -> bool:
        """Refuse: a delivery is not edited, it is decided about."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxDelivery | None = None) -> bool:
        """Refuse: what staff give up is skipped, with a reason."""
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to change deliveries."""
        return request.user.has_perm("core.change_outboxdelivery")

    @admin.action(description="Retry at once", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxDelivery]) -> None:
        """Have what failed tried again."""
        self._decide(request, queryset, interventions.retry, "will be retried")

    @admin.action(description="Skip for good", permissions=["decide"])
    def skip(self, request: HttpRequest, queryset: QuerySet[OutboxDelivery]) -> None:
        """Let the lane go on without what failed."""
        self._decide(request, queryset, interventions.skip, "skipped")

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[OutboxDelivery], decide: Callable[..., None], done: str
    ) -> None:
        reason = request.POST.get("reason", "")
        by = cast("AbstractBaseUser", request.user)
        decided = 0
        for delivery in queryset:
            try:
                decide(delivery_id=delivery.pk, by=by, reason=reason, now=clock.now())
            except DomainError as error:
                self.message_user(request, f"{delivery}: {error}", messages.ERROR)
            else:
                self.log_change(request, delivery, f"{done}: {reason}")
                decided += 1
        if decided:
            self.message_user(request, f"{decided} {done}.", messages.SUCCESS)

    @display(description="event")
    def event_type(self, delivery: OutboxDelivery) -> str:
        """Name the fact."""
        return delivery.event.type

    @display(
        description="state",
        ordering="state",
        label={State.PENDING: "info", State.PARKED: "danger", State.DELIVERED: "success", State.SKIPPED: "warning"},
    )
    def state_label(self, delivery: OutboxDelivery) -> str:
        """Colour the state."""
        return delivery.state

    @display(description="last error")
    def error_start(self, delivery: OutboxDelivery) -> str:
        """Show the beginning of the last failure."""
        return Truncator(delivery.error).chars(100)

    @display(description="payload")
    def payload(self, delivery: OutboxDelivery) -> str:
        """Show what the event says."""
        return format_html("<pre>{}</pre>", json.dumps(delivery.event.payload, indent=2, ensure_ascii=False))

    @display(description="decided by")
    def decision_by(self, delivery: OutboxDelivery) -> str:
        """Name who decided, while they are known."""
        if not delivery.decided_by:
            return ""
        user = get_user_model()._default_manager.filter(pk=delivery.decided_by).first()
        return str(user or delivery.decided_by)
