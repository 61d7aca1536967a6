"""Titles: found, read, edited, published and withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.contrib.postgres.search import SearchQuery
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db.models import Prefetch, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import action, display

from catalog import rules
from catalog.admin import staff
from catalog.admin.editorial import EditorialPages, lock_notice
from catalog.admin.lists import widget_for
from catalog.admin.media import film_of
from catalog.admin.naming import name_of, text_of
from catalog.admin.overviews import OverviewPages
from catalog.models import (
    AlternateTitle,
    Artwork,
    AvailabilityWindow,
    ContentRating,
    Credit,
    ExternalId,
    Provider,
    PublicationEntry,
    Title,
    TitleGenre,
    TitleKeyword,
    TitleText,
)
from catalog.models.titles import Kind, State
from catalog.selectors import availability
from catalog.selectors import revisions as versions
from catalog.services import editing, publication, reviews
from core import clock
from core.errors import DomainError

SHOWN_PROBLEMS = 5
MOST_AT_ONCE = 1000
"""So many titles are published one by one within a request's patience; beyond, a provider's policy is the way."""


class Part(TabularInline):
    """Rows of a title that editors replace as a whole; `part` is their name in `editing.PARTS`."""

    part: ClassVar[str]
    extra = 0
    tab = True

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose a widget that suits."""
        return super().formfield_for_dbfield(db_field, request, **widget_for(db_field, kwargs))


class LargePart(StackedInline):
    """The same, for rows of many fields."""

    part: ClassVar[str]
    extra = 0
    tab = True

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose a widget that suits."""
        return super().formfield_for_dbfield(db_field, request, **widget_for(db_field, kwargs))


class TextInline(LargePart):
    """Names and synopses by language."""

    model = TitleText
    part = "texts"
    fields = ("language", "name", "synopsis_short", "synopsis_medium", "synopsis_long")
    verbose_name = "language"
    verbose_name_plural = "texts"


class AlternateTitleInline(Part):
    model = AlternateTitle
    part = "alternate_titles"
    verbose_name_plural = "other names"


class CreditInline(Part):
    model = Credit
    part = "credits"
    autocomplete_fields = ("person",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credit]:
        """Show them in the order of billing."""
        return cast(
            "QuerySet[Credit]", super().get_queryset(request).select_related("person").order_by("billing", "pk")
        )


class WindowInline(LargePart):
    """Licences."""

    model = AvailabilityWindow
    part = "windows"
    verbose_name = "licence"
    fields = (
        ("license_type", "territories", "excluded"),
        ("starts_on", "starts_at", "ends_on", "ends_at"),
        ("announce_on", "announce_at"),
        ("languages", "holdback_languages", "formats"),
        ("grant_id", "contract_id", "reporting_id"),
    )


class RatingInline(Part):
    model = ContentRating
    part = "ratings"
    readonly_fields = ("minimum_age",)


class GenreInline(Part):
    model = TitleGenre
    part = "genres"
    autocomplete_fields = ("genre",)
    verbose_name_plural = "genres"


class KeywordInline(Part):
    model = TitleKeyword
    part = "keywords"
    autocomplete_fields = ("keyword",)
    verbose_name_plural = "keywords"


class ExternalIdInline(Part):
    model = ExternalId
    part = "external_ids"
    verbose_name_plural = "external ids"


class HistoryInline(TabularInline):
    """The publication log; nobody edits it."""

    model = PublicationEntry
    extra = 0
    max_num = 0
    tab = True
    can_delete = False
    fields = ("action", "at", "by", "revision", "reason")
    readonly_fields = fields
    verbose_name_plural = "history"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PublicationEntry]:
        """Show the newest first."""
        return cast("QuerySet[PublicationEntry]", super().get_queryset(request).order_by("-pk"))


class TitleForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """What an editor may change of a title itself."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    """The version that the editor has before them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Remember the version that is shown."""
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["seen"] = versions.fingerprint(versions.snapshot(self.instance.pk))

    def clean(self) -> dict[str, Any]:
        """Complete what follows from something else, and refuse a whole of the wrong kind."""
        values = super().clean() or {}
        if values.get("seen") and values["seen"] != self.initial.get("seen"):
            raise ValidationError(editing.EditedMeanwhile.title)
        for name in ("release", "end"):
            if values.get(f"{name}_date") and not values.get(f"{name}_precision"):
                values[f"{name}_precision"] = "day"
            if not values.get(f"{name}_date"):
                values[f"{name}_precision"] = ""
        kind, parent = values.get("kind"), values.get("parent")
        if kind:
            allowed = rules.PARENT_KINDS.get(kind, frozenset())
            if parent and parent.kind not in allowed:
                self.add_error("parent", f"A {kind} cannot belong to a {parent.kind}.")
            if not parent and kind not in {Kind.MOVIE, Kind.SERIES, Kind.SPECIAL}:
                self.add_error("parent", f"A {kind} belongs to a {' or '.join(sorted(allowed))}: choose one.")
            if kind in {Kind.SEASON, Kind.EPISODE} and values.get("number") is None:
                self.add_error("number", f"A {kind} needs its number.")
            if parent:
                # What the constraint on parts asks for; the service works it out the same way.
                self.instance.series = parent if parent.kind == Kind.SERIES else parent.series
        return values


class ProviderFilter(admin.SimpleListFilter):
    """Who delivered it."""

    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer every provider."""
        return [(code, name) for code, name in Provider.objects.order_by("name").values_list("code", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Title]) -> QuerySet[Title]:
        """Keep the provider asked for."""
        return queryset.filter(source_records__provider__code=self.value()) if self.value() else queryset


class KindFilter(admin.SimpleListFilter):
    """What stands alone, unless a kind is asked for: episodes are read with their series."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer every kind."""
        return list(Kind.choices)

    def choices(self, changelist: ChangeList) -> Iterable[Any]:  # type: ignore[override]  # Django's own is a generator too
        """Name the default for what it is."""
        default, *kinds = super().choices(changelist)
        yield {**default, "display": "Standing alone"}
        yield from kinds

    def queryset(self, request: HttpRequest, queryset: QuerySet[Title]) -> QuerySet[Title]:
        """Keep the kind asked for."""
        return queryset.filter(kind=self.value()) if self.value() else queryset.filter(parent__isnull=True)


@admin.register(Title)
class TitleAdmin(EditorialPages, OverviewPages):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """The catalogue."""

    form = TitleForm
    list_display = ("heading", "kind_label", "year", "state_label", "providers", "updated_at")
    list_filter = (KindFilter, "state", ProviderFilter)
    search_fields = ("search_document__words",)
    search_help_text = "Name, other name, person or subject; words may be unfinished"
    ordering = ("-id",)
    sortable_by = ("year",)
    autocomplete_fields = ("parent",)
    inlines = (
        TextInline, CreditInline, WindowInline, RatingInline, GenreInline, KeywordInline, AlternateTitleInline,
        ExternalIdInline, HistoryInline,
    )  # fmt: skip
    actions = ("publish_selected", "withdraw_selected")
    readonly_fields = (
        "state_name",
        "pictures",
        "film",
        "belongs_to",
        "parts",
        "sources",
        "who_said_what",
        "edited_by_us",
        "shown",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "seen",
                    "pictures",
                    "film",
                    ("state_name", "kind"),
                    ("parent", "number"),
                    "belongs_to",
                    "parts",
                )
            },
        ),
        (
            "Facts",
            {
                "fields": (
                    ("original_title", "original_language"),
                    ("release_date", "release_precision"),
                    ("end_date", "end_precision"),
                    ("runtime_seconds", "season_count"),
                    ("countries", "made_for_kids"),
                    "editorial_weight",
                )
            },
        ),
        ("Where it comes from", {"fields": ("sources", "who_said_what", "edited_by_us")}),
        ("Who sees it", {"fields": ("shown",)}),
    )

    # ---------------------------------------------------------------- the list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Title]:
        """Fetch what a row of the list shows, in a few queries."""
        return cast("QuerySet[Title]", super().get_queryset(request)).prefetch_related(
            "texts",
            "source_records__provider",
            Prefetch("artwork", Artwork.objects.exclude(file="").order_by("position", "pk")),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Title], search_term: str
    ) -> tuple[QuerySet[Title], bool]:
        """Search as viewers do, without what is kept from them."""
        words = rules.fold(search_term).split()
        if not words:
            return queryset, False
        query = SearchQuery(" & ".join(f"'{word}':*" for word in words), search_type="raw", config="simple")
        return queryset.filter(search_document__words=query), False

    @display(description="title", header=True)
    def heading(self, title: Title) -> list[Any]:
        """Answer name, synopsis and poster."""
        text = text_of(title)
        about = Truncator(text.synopsis_short or text.synopsis_medium).chars(90) if text else ""
        name = name_of(title)
        posters = {image.kind: image for image in reversed(title.artwork.all())}
        poster = posters.get(Artwork.Kind.POSTER)
        picture = {"path": _url(poster), "squared": True, "width": 32, "height": 48} if poster else {}
        return [name, about, name[:2], picture]

    @display(description="kind")
    def kind_label(self, title: Title) -> str:
        """Name the kind."""
        return title.get_kind_display()

    @display(description="year", ordering="release_date")
    def year(self, title: Title) -> int | None:
        """Answer the year of release."""
        return title.release_year

    @display(
        description="state",
        label={State.PUBLISHED: "success", State.DRAFT: "info", State.WITHDRAWN: "danger"},
    )
    def state_label(self, title: Title) -> tuple[str, str]:
        """Colour the state."""
        return title.state, title.get_state_display()

    @display(description="provider")
    def providers(self, title: Title) -> str:
        """Name who delivered it."""
        return ", ".join(sorted({record.provider.name for record in title.source_records.all()})) or "-"

    # ---------------------------------------------------------------- the page

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what a title is and belongs to, once it exists."""
        return (*self.readonly_fields, "kind", "parent") if obj else self.readonly_fields

    @display(description="state")
    def state_name(self, title: Title) -> str:
        """Name the state."""
        return title.get_state_display()

    @display(description="artwork")
    def pictures(self, title: Title) -> SafeString | str:
        """Show the images that have arrived."""
        images = title.artwork.all() if not title._state.adding else []
        shown = format_html_join(
            "", '<img src="{}" alt="{}" title="{}" loading="lazy" style="display:inline-block;height:150px;width:auto;margin-right:8px">',
            ((_url(image), image.kind, f"{image.kind} {image.language}") for image in images),
        )  # fmt: skip
        return shown or "None yet"

    @display(description="film")
    def film(self, title: Title) -> SafeString | str:
        """Say how it stands with the title's film."""
        return film_of(title) if not title._state.adding else "None yet"

    @display(description="belongs to")
    def belongs_to(self, title: Title) -> SafeString | str:
        """Link what it is a part of."""
        wholes = [whole for whole in dict.fromkeys((title.series, title.parent)) if whole]
        return format_html_join(" / ", "{}", ((_link(whole),) for whole in wholes)) or "Stands alone"

    @display(description="parts")
    def parts(self, title: Title) -> SafeString | str:
        """List seasons with their episodes, trailers and extras."""
        children = Title.objects.filter(parent=title).order_by("kind", "number", "pk").prefetch_related(
            "texts", Prefetch("children", Title.objects.order_by("kind", "number", "pk").prefetch_related("texts"))
        )  # fmt: skip
        return format_html_join(
            "", '<details {}><summary>{}</summary><div style="padding-left:1.5em">{}</div></details>',
            (
                (
                    "open" if len(children) < 3 else "",
                    _line(child),
                    format_html_join("", "<div>{}</div>", ((_line(part),) for part in child.children.all())),
                )
                for child in children
            ),
        ) or "None"  # fmt: skip

    @display(description="delivered by")
    def sources(self, title: Title) -> str:
        """Name the providers' own ids of it."""
        records = title.source_records.all()
        return ", ".join(f"{record.provider.name}: {record.external_id}" for record in records) or "Nobody: made here"

    @display(description="says what")
    def who_said_what(self, title: Title) -> SafeString | str:
        """Name for each field whose word counts, where several tell of the title."""
        owners: dict[str, list[str]] = {}
        for name, owner in sorted(title.provenance.items()):
            owners.setdefault("editors" if name in title.edited else owner, []).append(name.replace("_", " "))
        lines = ((owner, ", ".join(names)) for owner, names in owners.items())
        return format_html_join("", "<div><strong>{}</strong>: {}</div>", lines) or "All of it"

    @display(description="shown now")
    def shown(self, title: Title) -> SafeString | str:
        """Answer why an adult in the service's own country does not see it, if so."""
        if title._state.adding:
            return "-"
        country = settings.DEFAULT_COUNTRY
        reasons = availability.explain(title.pk, rules.Viewer(country, ("en",)), clock.now())
        lines = ((reason.message,) for reason in reasons)
        return format_html_join("", "<div>{}</div>", lines) or f"Yes, to adults in {country}"

    @display(description="edited here")
    def edited_by_us(self, title: Title) -> str:
        """Name what later deliveries leave alone."""
        return ", ".join(title.edited) or "Nothing: later deliveries may change everything"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Wait for the parts: `save_related` writes all at once."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Hand what was changed to the service."""
        title: Title = form.instance
        fields = {name: form.cleaned_data[name] for name in _changed(form) if name in versions.FIELDS}
        parts = {}
        for formset in formsets:
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
            name = getattr(_inline_of(self, formset), "part", None)
            if name and formset.has_changed():
                parts[name] = _rows(formset)
        if change and not fields and not parts:
            return
        by, now = staff.actor(request), clock.now()
        if change and title.state == State.PUBLISHED and not self.has_publish_permission(request):
            reviews.request(title_id=title.pk, fields=fields, parts=parts, by=by, now=now)
            messages.info(request, "The title is public: your change waits for the review of somebody who may publish.")
            return
        if change:
            editing.edit(title_id=title.pk, fields=fields, parts=parts, by=by, now=now, seen=form.cleaned_data["seen"])
            return
        parent = form.cleaned_data.get("parent")
        editing.create(
            title_id=title.pk,
            kind=title.kind,
            parent_id=parent.pk if parent else None,
            fields=fields,
            parts=parts,
            by=by,
            now=now,
        )

    def changeform_view(  # type: ignore[override]  # unfold declares less than Django answers
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Say what a service refuses, and save nothing then."""
        try:
            return cast("HttpResponse", super().changeform_view(request, object_id, form_url, extra_context))
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Say who keeps the title, before somebody edits it in vain."""
        title = kwargs.get("obj")
        if title is not None and (notice := lock_notice(title, request)):
            messages.warning(request, notice)
        return super().render_change_form(request, context, *args, **kwargs)

    # ---------------------------------------------------------------- publishing

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Say whether this member of staff may make titles public."""
        return request.user.has_perm("catalog.publish_title")

    @admin.action(description="Publish ...", permissions=["publish"])
    def publish_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask, then publish."""
        return self._confirmed(request, queryset, "publish_selected", "Publish", publication.publish_many)

    @admin.action(description="Withdraw ...", permissions=["publish"])
    def withdraw_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask, then withdraw."""
        return self._confirmed(request, queryset, "withdraw_selected", "Withdraw", publication.withdraw_many)

    @action(description="Publish ...", url_path="publish", permissions=["publish"], icon="publish")  # type: ignore[operator]  # unfold calls its decorator an Action
    def publish_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask before publishing this title."""
        return self._ask(request, Title.objects.filter(pk=object_id), "publish_selected", "Publish")

    @action(description="Withdraw ...", url_path="withdraw", permissions=["publish"], icon="unpublished")  # type: ignore[operator]  # unfold calls its decorator an Action
    def withdraw_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask before withdrawing this title."""
        return self._ask(request, Title.objects.filter(pk=object_id), "withdraw_selected", "Withdraw")

    def _ask(self, request: HttpRequest, queryset: QuerySet[Title], action: str, verb: str) -> HttpResponse:
        titles = list(queryset.order_by("-pk").prefetch_related("texts")[:MOST_AT_ONCE])
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {len(titles):,} titles",
            "opts": self.opts,
            "verb": verb,
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "target": reverse("admin:catalog_title_changelist"),
            "titles": [
                (title.pk, name_of(title), title.get_kind_display(), title.get_state_display()) for title in titles
            ],
        }
        return TemplateResponse(request, "catalog/admin/confirm.html", context)

    def _confirmed(
        self, request: HttpRequest, queryset: QuerySet[Title], action: str, verb: str, act: Callable[..., Any]
    ) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            if len(queryset.values("pk")[: MOST_AT_ONCE + 1]) > MOST_AT_ONCE:
                message = f"Choose at most {MOST_AT_ONCE:,} titles at once, or change the provider's policy."
                self.message_user(request, message, messages.ERROR)
                return None
            return self._ask(request, queryset, action, verb)
        # Those that were shown and confirmed, whatever the list's filters hold by now.
        ids = [UUID(title_id) for title_id in request.POST.getlist(ACTION_CHECKBOX_NAME)]
        done, refused = act(title_ids=ids, by=staff.actor(request), now=clock.now())
        if done:
            self.message_user(request, f"{verb}ed {done:,} titles.".replace("Withdrawed", "Withdrew"), messages.SUCCESS)
        for title_id, error in list(refused.items())[:SHOWN_PROBLEMS]:
            self.message_user(request, f"{name_of(Title.objects.get(pk=title_id))}: {error}", messages.WARNING)
        if len(refused) > SHOWN_PROBLEMS:
            self.message_user(request, f"... and {len(refused) - SHOWN_PROBLEMS:,} more.", messages.WARNING)
        return None


def _url(image: Artwork) -> str:
    return default_storage.url(image.file.name)


def _link(title: Title) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("admin:catalog_title_change", args=[title.pk]), name_of(title))


def _line(title: Title) -> SafeString:
    number = f" {title.number}" if title.number is not None else ""
    return format_html(
        "{}{}: {} <small>({})</small>", title.get_kind_display(), number, _link(title), title.get_state_display()
    )


def _changed(form: forms.BaseForm) -> list[str]:
    """Answer what an editor changed, with what the form completed."""
    names = list(form.changed_data)
    return names + [f"{name}_precision" for name in ("release", "end") if f"{name}_date" in names]


def _inline_of(model_admin: TitleAdmin, formset: Any) -> Any:
    return next(inline for inline in model_admin.inlines if inline.model is formset.model)


def _rows(formset: Any) -> list[dict[str, Any]]:
    """Answer the rows that remain: changed, new and untouched ones, without those marked for deletion."""
    kept = [
        form for form in formset.forms if form not in formset.deleted_forms and (form.instance.pk or form.has_changed())
    ]
    return [
        {name: value for name, value in form.cleaned_data.items() if name not in {"id", "title", "DELETE"}}
        for form in kept
    ]
