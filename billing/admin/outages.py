"""Outages: what billing gives away when it catches up."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from billing.models import Outage
from billing.services import outages
from core import clock


class OutageForm(ModelForm):  # type: ignore[type-arg] # takes no parameter at runtime
    """An outage."""

    def clean(self) -> dict[str, Any]:
        """Refuse one that ends before it starts."""
        said = super().clean() or self.cleaned_data
        if said.get("ends_at") and said.get("starts_at") and said["ends_at"] <= said["starts_at"]:
            raise ValidationError(outages.OutageEndsBeforeItStarts.title)
        return said

    def clean_country(self) -> str:
        """Take a country as people write it."""
        return str(self.cleaned_data["country"]).upper()


@admin.register(Outage)
class OutageAdmin(ModelAdmin):
    """Look at what a catch-up would do with `manage.py bill --dry-run --catch-up` before billing goes on."""

    form = OutageForm
    list_display = ("starts_at", "ends_at", "country", "reason", "by")
    list_filter = ("country",)
    ordering = ("-starts_at",)
    readonly_fields = ("by", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: it is why somebody was not charged."""
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Record it in the name of who entered it."""
        said = cast("Outage", obj)
        recorded = outages.record(
            starts_at=said.starts_at,
            ends_at=said.ends_at,
            country=said.country,
            reason=said.reason,
            by=f"staff:{request.user.pk}",
            now=clock.now(),
            outage_id=said.pk if change else None,
        )
        obj.pk = recorded.pk
