"""What lists of a million rows need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.postgres.fields import ArrayField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from core.admin import BoundedPaginator
from core.errors import DomainError


def widget_for(db_field: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Complete a field's options: short lists, such as countries, are typed into one line with commas; synopses get room."""
    if isinstance(db_field, ArrayField):
        kwargs["widget"] = UnfoldAdminTextInputWidget()
    elif db_field.name.startswith("synopsis"):
        kwargs["widget"] = UnfoldAdminTextareaWidget({"rows": 6 if db_field.name == "synopsis_long" else 2})
    return kwargs


class WaitingFilter(admin.SimpleListFilter):
    """What waits for somebody, unless something else is asked for: a queue is opened to be worked on."""

    title = "state"
    parameter_name = "state__exact"
    waiting: ClassVar[str]

    def value(self) -> str | None:
        """Take what waits for the default that it is."""
        asked = super().value()
        return None if asked == self.waiting else asked

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the other states, and all."""
        choices = model_admin.model._meta.get_field("state").choices
        return [*((code, name) for code, name in choices if code != self.waiting), ("all", "All")]

    def choices(self, changelist: ChangeList) -> Iterable[Any]:  # type: ignore[override]  # Django's own is a generator too
        """Name the default for what it is."""
        default, *others = super().choices(changelist)
        model: Any = changelist.model
        yield {**default, "display": dict(model._meta.get_field("state").choices)[self.waiting]}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep the state asked for."""
        return queryset if self.value() == "all" else queryset.filter(state=self.value() or self.waiting)


class LargeList(ModelAdmin):
    """A list that stays quick however long the table is."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        """Refuse: what was public is withdrawn, not deleted."""
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose a widget that suits."""
        return super().formfield_for_dbfield(db_field, request, **widget_for(db_field, kwargs))


class Refusing(ModelAdmin):
    """A form whose service may refuse: what it says is shown, and nothing is saved."""

    def changeform_view(  # type: ignore[override]  # unfold declares less than Django answers
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Say what the service refuses."""
        try:
            return cast("HttpResponse", super().changeform_view(request, object_id, form_url, extra_context))
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())
