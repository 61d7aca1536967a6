"""Collections, with their titles and the rows that place them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from accounts.maturity import Audience
from accounts.rules import HIGHEST_AGE
from catalog import rules
from catalog.admin.conditions import CONDITIONS, ConditionsForm
from catalog.admin.formsets import PartFormSet
from catalog.admin.lists import Refusing, widget_for
from catalog.admin.naming import address_of, name_of
from catalog.admin.overviews import CountryForm
from catalog.admin.words import gettext_lazy as _
from catalog.models import Collection, CollectionTitle, EditorialRow
from catalog.selectors import collections as selectors
from catalog.services import collections
from core import clock
from core.ids import new_id

MOST_NAMED = 1000
"""So many lines of a form are looked at for a preview."""


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


class CollectionForm(ConditionsForm, forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A collection, its names and its rule typed as editors write them."""

    names = NamesField(label=_("Names"), help_text=_("One a line, by language: en: Night trains"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show the rule as it is stored."""
        super().__init__(*args, **kwargs)
        if "rule_kinds" in self.fields:
            self.fill_in(self.instance.rule)

    def clean(self) -> dict[str, Any]:
        """Make the rule of its conditions."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        rule, is_ruled = self.rule(), values.get("kind") != Collection.Kind.MANUAL
        if is_ruled and not rule and not self.errors:
            message = gettext("A collection by rule needs a condition at least; without one choose manual.")
            self.add_error(None, forms.ValidationError(message, code="rule_missing"))
        self.instance.rule = rule if is_ruled else {}
        return values


class PreviewForm(CountryForm):
    """Whose eyes to look at a collection with."""

    prefix = "preview"

    age = forms.TypedChoiceField(
        coerce=int, choices=[(age, age) for age in range(HIGHEST_AGE + 1)], initial=HIGHEST_AGE,
        widget=UnfoldAdminSelectWidget, label=_("Highest age"),
    )  # fmt: skip
    rated_only = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, label=_("Rated titles alone"),
        help_text=_("As kids profiles are set up."),
    )  # fmt: skip

    def viewer(self) -> rules.Viewer:
        """Answer whose eyes; no household's blocks."""
        values = self.cleaned_data
        audience = Audience(values["age"], allows_unrated=not values["rated_only"])
        return rules.Viewer(values["country"], (settings.LANGUAGE_CODE,), audience)


class MemberInline(TabularInline):
    """Titles that an editor named, in their order."""

    model = CollectionTitle
    formset = PartFormSet
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
    fieldsets = (
        (None, {"fields": (("slug", "kind"), "names", ("order", "most"))}),
        (
            _("Rule"),
            {
                "fields": (
                    "rule_kinds",
                    ("rule_genres", "rule_keywords"),
                    ("rule_countries", "rule_original_languages"),
                    ("rule_year_from", "rule_year_to"),
                    ("rule_highest_age", "rule_made_for_kids"),
                    ("rule_added_within_days", "rule_leaves_within_days"),
                    "rule_providers",
                ),
                "description": _(
                    "Of collections by rule and mixed ones. A title must meet each condition that is filled in, and within"
                    " one any of what it lists. A manual collection is saved without."
                ),
            },
        ),
    )
    inlines = (MemberInline, RowInline)
    actions = None
    warn_unsaved_form = True
    change_form_after_template = "catalog/admin/preview_panel.html"  # type: ignore[assignment]  # unfold declares None

    class Media:
        js = ("catalog/admin/changes.js",)

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
        return "; ".join(map(_placed, rows)) or gettext("nowhere")

    def get_urls(self) -> list[Any]:
        """Add the preview."""
        preview = path("preview", self.admin_site.admin_view(self.preview), name="catalog_collection_preview")
        return [preview, *super().get_urls()]

    def changeform_view(  # type: ignore[override]  # unfold declares less than Django answers
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask with whose eyes to look at it."""
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), "preview_form": PreviewForm()}
        )

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Show what a collection as it is filled in, saved or not, would show a viewer now; nothing is written."""
        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form, eyes = self.get_form(request)(request.POST), PreviewForm(request.POST)
        form.is_valid()
        wrong = [
            error for name in (*CONDITIONS, "kind", "order", "most", "__all__") for error in form.errors.get(name, [])
        ]
        context: dict[str, Any] = {"wrong": wrong + [error for errors in eyes.errors.values() for error in errors]}
        if not context["wrong"]:
            values = {name: form.cleaned_data[name] for name in ("kind", "order", "most")}
            collection = Collection(rule=form.instance.rule, **values)
            shown = selectors.preview(collection, _named(request.POST), eyes.viewer(), clock.now())
            context |= {
                "shown": shown,
                "rows": [(address_of(one.pk), name_of(one), one.get_kind_display(), one.release_year) for one in shown.titles],
                "unseen": [(address_of(one.pk), name_of(one)) for one in shown.unseen],
                "more": shown.number - len(shown.titles),
                "country": eyes.cleaned_data["country"],
                "found": gettext("More than %(number)s") % {"number": selectors.FOUND} if (shown.found or 0) > selectors.FOUND else shown.found,
            }  # fmt: skip
        return TemplateResponse(request, "catalog/admin/preview.html", context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Wait for titles and rows: `save_related` writes all at once."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Hand everything to the service."""
        members, rows = formsets
        for formset in formsets:
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        titles = sorted(_kept(members), key=lambda values: values["position"])
        collection: Any = form.instance
        saved = collections.save(
            # Of a new one, its lines have taken the id away.
            collection_id=collection.pk or new_id(),
            fields={
                **{name: form.cleaned_data[name] for name in ("slug", "kind", "names", "order", "most")},
                "rule": collection.rule,
            },
            title_ids=[values["title"].pk for values in titles],
            rows=[
                {name: value for name, value in values.items() if name not in {"id", "collection", "DELETE"}}
                for values in _kept(rows)
            ],
            now=clock.now(),
        )
        collection.pk, collection._state.adding = saved.pk, False

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


def _placed(row: EditorialRow) -> str:
    """Say where a row stands, and before whom."""
    countries = ", ".join(row.countries) or gettext("the world")
    where = gettext("all but %(countries)s") % {"countries": countries} if row.excluded else countries
    return f"{row.position}: {where}, {row.get_audience_display()}"


def _named(sent: Any) -> list[UUID]:
    """Answer the titles of the lines that are filled in and remain, in the order of the page."""
    found = []
    for number in range(MOST_NAMED):
        title_id, goes = sent.get(f"members-{number}-title"), sent.get(f"members-{number}-DELETE")
        if title_id is None:
            break
        try:
            found.append((int(sent.get(f"members-{number}-position") or number), number, UUID(title_id), goes))
        except ValueError:
            continue  # a line that is not filled in yet
    return [title_id for _position, _number, title_id, goes in sorted(found, key=lambda one: one[:2]) if not goes]
