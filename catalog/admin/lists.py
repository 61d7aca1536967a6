"""What lists of a million rows need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from unfold.admin import ModelAdmin
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from catalog.admin import staff
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from core.admin import BoundedPaginator
from core.errors import DomainError


def is_choosing(request: HttpRequest) -> bool:
    """Say whether rows are looked for to be named elsewhere, as in a field of a form, and not to be listed."""
    return request.resolver_match is not None and request.resolver_match.url_name == "autocomplete"


class Paragraphs(UnfoldAdminTextareaWidget):
    """Text of several lines. Browsers send their ends as two characters, which would be a change that nobody has made."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Answer the text with the ends of lines as they are stored."""
        value = super().value_from_datadict(data, files, name)
        return value.replace("\r\n", "\n") if isinstance(value, str) else value


def widget_for(db_field: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Complete a field's options: short lists, such as countries, are typed into one line with commas; synopses get room."""
    if isinstance(db_field, ArrayField):
        kwargs["widget"] = UnfoldAdminTextInputWidget()
    elif db_field.name.startswith("synopsis"):
        kwargs["widget"] = Paragraphs({"rows": 6 if db_field.name == "synopsis_long" else 2})
    return kwargs


class NamedActors(ChangeList):
    """Rows that say who did something, by what colleagues call them, looked up at once for a page."""

    of: ClassVar[tuple[str, ...]] = ("by", "undone_by")
    """The columns that say who it was."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch a page, and the names in it."""
        super().get_results(request)
        found = list(self.result_list)
        names = staff.names(by for row in found for name in self.of if (by := getattr(row, name)))
        for row in found:
            row.actors = names
        self.result_list = found


class WaitingFilter(admin.SimpleListFilter):
    """What waits for somebody, unless something else is asked for: a queue is opened to be worked on."""

    title = _("state")
    parameter_name = "state__exact"
    waiting: ClassVar[str]

    def value(self) -> str | None:
        """Take what waits for the default that it is."""
        asked = super().value()
        return None if asked == self.waiting else asked

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the other states, and all."""
        choices = model_admin.model._meta.get_field("state").choices
        return [*((code, name) for code, name in choices if code != self.waiting), ("all", gettext("All"))]

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

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Act upon what can be a row's key; Django's own fails at the rest."""
        sent, key = request.POST.copy(), self.opts.pk
        sent.setlist(ACTION_CHECKBOX_NAME, [one for one in sent.getlist(ACTION_CHECKBOX_NAME) if _may_be(key, one)])
        request.POST = sent  # type: ignore[assignment]  # what is sent may be read alone; this is a copy
        return super().response_action(request, queryset, *args, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose a widget that suits."""
        return super().formfield_for_dbfield(db_field, request, **widget_for(db_field, kwargs))


class Decided(LargeList):
    """What services alone write."""

    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the right to publish: it puts titles on the air, and takes them off."""
        return request.user.has_perm("catalog.publish_title")


def _may_be(key: Any, text: str) -> bool:
    try:
        key.to_python(text)
    except ValidationError:
        return False
    return True


_REFUSAL = "refused_by_service"


class Refusing(ModelAdmin):
    """A form whose service may refuse: it comes back with what was typed and the reason, and nothing is saved."""

    def changeform_view(  # type: ignore[override]  # unfold declares less than Django answers
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Say what the service refuses."""
        show = super().changeform_view
        try:
            return cast("HttpResponse", show(request, object_id, form_url, extra_context))
        except DomainError as error:
            setattr(request, _REFUSAL, refusal(error))
            return cast("HttpResponse", show(request, object_id, form_url, extra_context))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Answer a form that knows what the service has said of it."""
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, _REFUSAL, "")
        if not refusal:
            return form

        def clean(self: Any) -> Any:
            values = form.clean(self)
            self.add_error(None, refusal)
            return values

        return type(form.__name__, (form,), {"clean": clean})
