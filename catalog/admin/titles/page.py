"""A title's page: what it is, where it comes from, who sees it; what is changed goes through the services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog import rules
from catalog.admin import staff
from catalog.admin.editorial import EditorialPages, lock_notice
from catalog.admin.media import film_of
from catalog.admin.naming import name_of
from catalog.admin.overviews import OverviewPages
from catalog.admin.titles.artwork import ArtworkPages, pictures_of
from catalog.admin.titles.browsing import TitleList
from catalog.admin.titles.forms import TitleForm
from catalog.admin.titles.parts import (
    AlternateTitleInline,
    CreditInline,
    ExternalIdInline,
    GenreInline,
    HistoryInline,
    KeywordInline,
    NumberInline,
    RatingInline,
    TextInline,
    WindowInline,
)
from catalog.admin.titles.publishing import PublishingPages
from catalog.models import (
    Title,
)
from catalog.models.titles import Kind
from catalog.selectors import availability
from catalog.selectors import revisions as versions
from catalog.services import editing, reviews
from core import clock
from core.errors import DomainError

_OFTEN = (Kind.SEASON, Kind.EPISODE, Kind.TRAILER, Kind.EXTRA)
"""What is added from the page of what it belongs to."""


@admin.register(Title)
class TitleAdmin(TitleList, PublishingPages, ArtworkPages, EditorialPages, OverviewPages):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """The catalogue."""

    form = TitleForm
    autocomplete_fields = ("parent",)
    inlines = (
        TextInline, CreditInline, WindowInline, RatingInline, GenreInline, KeywordInline, AlternateTitleInline,
        ExternalIdInline, NumberInline, HistoryInline,
    )  # fmt: skip
    readonly_fields = (
        "state_name",
        "pictures",
        "film",
        "belongs_to",
        "parts",
        "tracks_found",
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
                    "companies",
                    "tracks_found",
                    "editorial_weight",
                )
            },
        ),
        ("Where it comes from", {"fields": ("sources", "who_said_what", "edited_by_us")}),
        ("Who sees it", {"fields": ("shown",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what a title is and belongs to, once it exists."""
        return (*self.readonly_fields, "kind", "parent") if obj else self.readonly_fields

    @display(description="state")
    def state_name(self, title: Title) -> str:
        """Name the state."""
        return title.get_state_display()

    @display(description="artwork")
    def pictures(self, title: Title) -> SafeString | str:
        """Show the images, and lead to their page."""
        return pictures_of(title) if not title._state.adding else "None yet"

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
        """List seasons with their episodes, trailers and extras, and lead to another one."""
        children = Title.objects.filter(parent=title).order_by("kind", "number", "pk").prefetch_related(
            "texts", Prefetch("children", Title.objects.order_by("kind", "number", "pk").prefetch_related("texts"))
        )  # fmt: skip
        shown = format_html_join(
            "", '<details style="margin-bottom:4px" {}><summary style="cursor:pointer">{}</summary>{}{}</details>',
            (
                (
                    "open" if len(children) < 3 else "",
                    _line(child),
                    _table(child.children.all()),
                    _more(child, child.children.all()),
                )
                for child in children
                if child.kind == Kind.SEASON
            ),
        )  # fmt: skip
        others = [child for child in children if child.kind != Kind.SEASON]
        return (
            format_html("{}{}{}", shown, _table(others), _more(title, children)) if not title._state.adding else "None"
        )

    @display(description="sound and subtitles")
    def tracks_found(self, title: Title) -> SafeString | str:
        """Say what deliveries tell of tracks, language by language."""
        lines = ((_track(track),) for track in title.tracks)
        return format_html_join("", "<div>{}</div>", lines) or "Nobody says"

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
        if change:
            if reviews.change(
                title_id=title.pk, fields=fields, parts=parts, by=by, now=now, seen=form.cleaned_data["seen"],
                may_publish=self.has_publish_permission(request),
            ):  # fmt: skip
                said = "The title is public: your change waits for the review of somebody who may publish."
                messages.info(request, said)
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


def _link(title: Title) -> SafeString:
    return format_html(
        '<a class="underline" href="{}">{}</a>', reverse("admin:catalog_title_change", args=[title.pk]), name_of(title)
    )


def _line(title: Title) -> SafeString:
    number = f" {title.number}" if title.number is not None else ""
    return format_html(
        "{}{}: {} <small>({})</small>", title.get_kind_display(), number, _link(title), title.get_state_display()
    )


def _table(titles: Iterable[Title]) -> SafeString:
    """Answer the parts of a title in lines: number, name, day of release, length, state."""
    rows = [
        (
            title.get_kind_display() if title.kind != Kind.EPISODE else "",
            "" if title.number is None else title.number,
            _link(title),
            title.release_date or "",
            f"{round(title.runtime_seconds / 60)} min" if title.runtime_seconds else "",
            title.get_state_display(),
        )
        for title in titles
    ]
    cells = '<td style="padding:2px 12px 2px 0">{}</td>'
    lines = format_html_join("", f"<tr>{cells * 6}</tr>", rows)
    return format_html('<table style="margin:4px 0 4px 16px">{}</table>', lines) if rows else SafeString("")


def _more(title: Title, parts: Iterable[Title]) -> SafeString:
    """Lead to the form for another part, with the next number."""
    links = []
    for kind, parents in rules.PARENT_KINDS.items():
        if title.kind in parents and kind in _OFTEN:
            values = {"kind": kind, "parent": str(title.pk)}
            if kind in {Kind.SEASON, Kind.EPISODE}:
                numbers = [part.number for part in parts if part.kind == kind and part.number is not None]
                values["number"] = str(max(numbers, default=0) + 1)
            address = f"{reverse('admin:catalog_title_add')}?{urlencode(values)}"
            links.append((address, "an" if kind[0] in "aeiou" else "a", kind))
    return format_html_join(" ", '<a class="underline" style="margin:0 12px 0 16px" href="{}">Add {} {}</a>', links)


def _track(track: Mapping[str, Any]) -> str:
    what = [name.replace("_", " ") for name in ("audio_description", "sdh", "forced", "commentary") if track.get(name)]
    return " ".join(filter(None, (str(track.get("language", "")), str(track.get("type", "")), *what)))


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
