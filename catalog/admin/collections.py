"""Collections, with their titles and the rows that place them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from catalog import rules
from catalog.admin.lists import Refusing, widget_for
from catalog.admin.words import gettext_lazy as _
from catalog.models import Collection, CollectionTitle, EditorialRow
from catalog.services import collections
from core import clock


class NamesField(forms.Field):
    """Names by language, one a line, as in `en: Night trains`."""

    widget = UnfoldAdminTextareaWidget({"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        """Answer the lines."""
        return (
            "\n".join(f"{language}: {name}" for language, name in value.items()) if isinstance(value, dict) else value
        )

    def to_python(self, value: Any) -> dict[str, str]:
        """Read the lines."""
        names = {}
        for line in filter(None, map(str.strip, (value or "").splitlines())):
            language, colon, name = map(str.strip, line.partition(":"))
            if not colon or not name or not rules.is_language_tag(language) or language in names:
                raise forms.ValidationError(
                    gettext("“%(line)s”: write a language once, a colon and the name, such as de: Nachtzüge.")
                    % {"line": line[:40]},
                    code="bad_name",
                )
            names[language] = name
        return names


class CollectionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A collection, its names typed as editors write them."""

    names = NamesField(help_text=_("One a line, by language: en: Night trains"))


class MemberInline(TabularInline):
    """Titles that an editor named, in their order."""

    model = CollectionTitle
    extra = 0
    tab = True
    autocomplete_fields = ("title",)
    verbose_name = _("title")
    verbose_name_plural = _("titles")
    ordering = ("position", "pk")
    ordering_field = "position"  # type: ignore[assignment]  # unfold declares None
    hide_ordering_field = True


class RowInline(StackedInline):
    """Where the collection stands."""

    model = EditorialRow
    extra = 0
    tab = True
    verbose_name = _("row")
    verbose_name_plural = _("rows")
    fields = (("position", "audience"), ("countries", "excluded"), "starts_at", "ends_at")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose a widget that suits."""
        return super().formfield_for_dbfield(db_field, request, **widget_for(db_field, kwargs))


@admin.register(Collection)
class CollectionAdmin(Refusing):
    """What editors put before viewers."""

    form = CollectionForm
    list_display = ("label", "slug", "kind", "where", "updated_at")
    list_filter = ("kind",)
    search_fields = ("slug",)
    ordering = ("slug",)
    fields = (("slug", "kind"), "names", "rule", ("order", "most"))
    inlines = (MemberInline, RowInline)
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        """Fetch what a row of the list shows, in a few queries."""
        return super().get_queryset(request).prefetch_related("rows")

    @display(description=_("collection"))
    def label(self, collection: Collection) -> str:
        """Name it."""
        return str(collection)

    @display(description=_("stands"))
    def where(self, collection: Collection) -> str:
        """Say in which rows it stands."""
        rows = sorted(collection.rows.all(), key=lambda row: row.position)
        return "; ".join(
            f"{row.position}: {'all but ' if row.excluded else ''}{', '.join(row.countries) or 'the world'}, {row.get_audience_display().lower()}"
            for row in rows
        ) or "nowhere"  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Wait for titles and rows: `save_related` writes all at once."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Hand everything to the service."""
        members, rows = formsets
        for formset in formsets:
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        titles = sorted(_kept(members), key=lambda values: values["position"])
        collections.save(
            collection_id=form.instance.pk,
            fields={name: form.cleaned_data[name] for name in ("slug", "kind", "names", "rule", "order", "most")},
            title_ids=[values["title"].pk for values in titles],
            rows=[
                {name: value for name, value in values.items() if name not in {"id", "collection", "DELETE"}}
                for values in _kept(rows)
            ],
            now=clock.now(),
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Take it away."""
        collections.delete(collection_id=obj.pk)


def _kept(formset: Any) -> list[dict[str, Any]]:
    """Answer the values of the forms that remain."""
    return [
        form.cleaned_data
        for form in formset.forms
        if form not in formset.deleted_forms and (form.instance.pk or form.has_changed())
    ]
