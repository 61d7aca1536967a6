"""A title's page: what it is, where it comes from, who sees it; what is changed goes through the services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.decorators import display

from catalog import rules, tracks
from catalog.admin import staff
from catalog.admin.displaying import linked, may, once, read_by
from catalog.admin.lists import Refusing
from catalog.admin.media import film_of
from catalog.admin.naming import address_of, link_to
from catalog.admin.overviews import OverviewPages
from catalog.admin.plans import outcome_of
from catalog.admin.precedence import called
from catalog.admin.titles.artwork import ArtworkPages, pictures_of
from catalog.admin.titles.browsing import TitleList
from catalog.admin.titles.editorial import EditorialPages, lock_notice, review_notice
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
from catalog.admin.titles.sources import SourcePages
from catalog.admin.titles.visibility import VisibilityPages
from catalog.admin.words import gettext_lazy as _
from catalog.models import AvailabilityWindow, ScheduledAct, Title, TitleText
from catalog.models.titles import Kind, State
from catalog.selectors import availability, media
from catalog.selectors import revisions as versions
from catalog.services import editing, reviews
from core import clock

_WAITS = "change_waits_for_review"
_OFTEN = (Kind.SEASON, Kind.EPISODE, Kind.TRAILER, Kind.EXTRA)
"""What is added from the page of what it belongs to."""
_IN_A_LINE = (
    "kind", "number", "state", "parent_id", "release_date", "runtime_seconds", "original_title", "original_language",
)  # fmt: skip
"""What the list of parts says of each; there may be hundreds, and the other columns are many."""
_WHERE_IT_WENT = ((None, {"fields": (("state_name", "kind"), "undoing")}),)
"""What the page of a title says that was merged."""
_COMPARED = ("type", "language", "audio_description", "sdh", "forced")
"""What packaging knows of a track, and deliveries state as well."""


@admin.register(Title)
class TitleAdmin(  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    Refusing, TitleList, PublishingPages, ArtworkPages, EditorialPages, SourcePages, VisibilityPages, OverviewPages
):
    """The catalogue."""

    form = TitleForm
    warn_unsaved_form = True
    autocomplete_fields = ("parent",)
    inlines = (
        TextInline, CreditInline, WindowInline, RatingInline, GenreInline, KeywordInline, AlternateTitleInline,
        ExternalIdInline, NumberInline, HistoryInline,
    )  # fmt: skip
    readonly_fields = (
        "state_name",
        "undoing",
        "pictures",
        "film",
        "belongs_to",
        "parts",
        "tracks_in_film",
        "sources",
        "who_said_what",
        "edited_by_us",
        "shown",
        "planned",
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
            _("Facts"),
            {
                "fields": (
                    ("original_title", "original_language"),
                    ("release_date", "release_precision"),
                    ("end_date", "end_precision"),
                    ("runtime_seconds", "season_count"),
                    ("countries", "made_for_kids"),
                    "companies",
                    "editorial_weight",
                    "tracks",
                    "tracks_in_film",
                )
            },
        ),
        (_("Where it comes from"), {"fields": ("sources", "who_said_what", "edited_by_us")}),
        (_("Who sees it"), {"fields": ("shown", "planned")}),
    )

    class Media:
        js = ("catalog/admin/changes.js",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what a title is and belongs to, once it exists."""
        return (*self.readonly_fields, "kind", "parent") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Of a title that was merged, show where it went."""
        return _WHERE_IT_WENT if _was_merged(obj) else super().get_fieldsets(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Of a title that was merged, show its history alone."""
        return (HistoryInline,) if _was_merged(obj) else super().get_inlines(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody edit what another title answers for: what is written there, nobody reads."""
        return super().has_change_permission(request, obj) and not _was_merged(obj)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Remember who reads its page."""
        title = super().get_object(request, object_id, from_field)
        return title and read_by(title, request)

    @display(description=_("state"))
    def state_name(self, title: Title) -> SafeString | str:
        """Name the state; of one that was merged, lead to what answers for it."""
        if title.merged_into is None:
            return title.get_state_display()
        return format_html("{}; {} {}", title.get_state_display(), gettext("merged into"), link_to(title.merged_into))

    @display(description=_("to part them again"))
    def undoing(self, title: Title) -> SafeString:
        """Lead to the merge, where it is undone."""
        merge = f"{reverse('admin:catalog_titlemerge_changelist')}?merged__exact={title.pk}"
        return format_html('<a class="underline" href="{}">{}</a>', merge, gettext("Undo the merge"))

    @display(description=_("artwork"))
    @once
    def pictures(self, title: Title) -> SafeString | str:
        """Show the images, and lead to their page."""
        return pictures_of(title) if not title._state.adding else _("None yet")

    @display(description=_("film"))
    @once
    def film(self, title: Title) -> SafeString | str:
        """Say how it stands with the title's film."""
        return film_of(title) if not title._state.adding else _("None yet")

    @display(description=_("belongs to"))
    @once
    def belongs_to(self, title: Title) -> SafeString | str:
        """Link what it is a part of."""
        wholes = [whole for whole in dict.fromkeys((title.series, title.parent)) if whole]
        return format_html_join(" / ", "{}", ((link_to(whole),) for whole in wholes)) or _("Stands alone")

    @display(description=_("parts"))
    @once
    def parts(self, title: Title) -> SafeString | str:
        """List seasons with their episodes, trailers and extras, and lead to another one."""
        lines = Title.objects.order_by("kind", "number", "pk").only(*_IN_A_LINE)
        lines = lines.prefetch_related(Prefetch("texts", TitleText.objects.only("title_id", "language", "name")))
        children = lines.filter(parent=title).prefetch_related(Prefetch("children", lines))
        grows = may(title, "catalog.add_title")
        shown = format_html_join(
            "", '<details style="margin-bottom:4px" {}><summary style="cursor:pointer">{}</summary>{}{}</details>',
            (
                (
                    "open" if len(children) < 3 else "",
                    _line(child),
                    _table(child.children.all()),
                    _more(child, child.children.all()) if grows else "",
                )
                for child in children
                if child.kind == Kind.SEASON
            ),
        )  # fmt: skip
        others = [child for child in children if child.kind != Kind.SEASON]
        return (
            format_html("{}{}{}", shown, _table(others), _more(title, children) if grows else "")
            if not title._state.adding
            else gettext("None yet")
        )

    @display(description=_("in the film"))
    @once
    def tracks_in_film(self, title: Title) -> SafeString | str:
        """Say what packaging found in the film, which nobody edits, and what of it nobody states above."""
        film = None if title._state.adding else media.manifests(title.pk)
        if film is None:
            return _("There is no packaged film")
        stated = [{name: value for name, value in track.items() if name in _COMPARED} for track in title.tracks]
        lines = (
            (tracks.in_words(track), "" if track in stated else " (" + gettext("not stated above") + ")")
            for track in tracks.in_film(film.audio, film.text)
        )
        return format_html_join("", "<div>{}{}</div>", lines) or _("A picture alone")

    @display(description=_("delivered by"))
    @once
    def sources(self, title: Title) -> str:
        """Name the providers' own ids of it."""
        records = title.source_records.select_related("provider").order_by("pk")
        return ", ".join(f"{record.provider.name}: {record.external_id}" for record in records) or _(
            "Nobody: made here"
        )

    @display(description=_("says what"))
    @once
    def who_said_what(self, title: Title) -> SafeString | str:
        """Name for each field whose word counts, where several tell of the title."""
        owners: dict[str, list[str]] = {}
        for name, owner in sorted(title.provenance.items()):
            who = gettext("editors") if name in title.edited else owner
            owners.setdefault(who, []).append(called(name))
        lines = ((owner, ", ".join(names)) for owner, names in owners.items())
        return format_html_join("", "<div><strong>{}</strong>: {}</div>", lines) or _("All of it")

    @display(description=_("shown now"))
    @once
    def shown(self, title: Title) -> SafeString | str:
        """Answer why an adult in the service's own country does not see it, if so."""
        if title._state.adding:
            return "-"
        country = settings.DEFAULT_COUNTRY
        reasons = availability.explain(title.pk, rules.Viewer(country, ("en",)), clock.now())
        lines = ((reason.message,) for reason in reasons)
        if reasons:
            return format_html_join("", "<div>{}</div>", lines)
        windows = availability.open_windows(title.pk, country, clock.now())
        terms = ((line,) for line in dict.fromkeys(map(_terms, windows)) if line)
        return format_html(
            "{}{}",
            gettext("Yes, to adults in %(country)s") % {"country": country},
            format_html_join("", "<div>{}</div>", terms),
        )

    @display(description=_("planned"))
    @once
    def planned(self, title: Title) -> SafeString | str:
        """Say what is to be done with it later, and what has gone wrong with that so far."""
        if title._state.adding:
            return "-"
        acts = ScheduledAct.objects.pending().filter(title=title).order_by("at", "pk")
        address = reverse("admin:catalog_title_plan_one", args=[title.pk])
        leads = may(title, "catalog.publish_title")
        lines = (
            (
                linked(address, f"{act.get_action_display()}, {act.at:%Y-%m-%d %H:%M} UTC", leads=leads),
                outcome_of(act, {}),
            )
            for act in acts
        )
        return format_html_join("", "<div>{} {}</div>", lines) or _("Nothing")

    @display(description=_("edited here"))
    def edited_by_us(self, title: Title) -> str:
        """Name what later deliveries leave alone."""
        return ", ".join(map(called, title.edited)) or _("Nothing: later deliveries may change everything")

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
                parts[name] = _rows(name, title, formset)
        if change and not fields and not parts:
            return
        by, now = staff.actor(request), clock.now()
        if change:
            if reviews.change(
                title_id=title.pk, fields=fields, parts=parts, by=by, now=now, seen=form.cleaned_data["seen"],
                may_publish=self.has_publish_permission(request),
            ):  # fmt: skip
                setattr(request, _WAITS, True)
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

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Say of a change that waits for a review that it waits, and not that it is made."""
        if not getattr(request, _WAITS, False):
            return super().response_change(request, obj)
        messages.info(
            request, gettext("The title is public: your change waits for the review of somebody who may publish.")
        )
        back = address_of(obj.pk) if "_continue" in request.POST else reverse("admin:catalog_title_changelist")
        return HttpResponseRedirect(back)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Say who keeps the title, and what of it waits, before somebody edits it in vain."""
        title = kwargs.get("obj")
        if title is not None:
            for notice in filter(None, (lock_notice(title, request), review_notice(title))):
                messages.warning(request, notice)
        return super().render_change_form(request, context, *args, **kwargs)


def _was_merged(title: Any) -> bool:
    return isinstance(title, Title) and title.merged_into_id is not None


def _terms(window: AvailabilityWindow) -> str:
    """Say what a licence restricts beside place and time."""
    told = (
        (gettext("in %(what)s"), map(tracks.licensed_in_words, window.languages)),
        (gettext("not in %(what)s"), map(tracks.licensed_in_words, window.holdback_languages)),
        (gettext("as %(what)s"), window.formats),
    )
    return ", ".join(words % {"what": what} for words, items in told if (what := ", ".join(items)))


def _line(title: Title) -> SafeString:
    number = f" {title.number}" if title.number is not None else ""
    return format_html(
        "{}{}: {} <small>({})</small>", title.get_kind_display(), number, link_to(title), title.get_state_display()
    )


def _table(titles: Iterable[Title]) -> SafeString:
    """Answer the parts of a title in lines: number, name, day of release, length, state."""
    states = {state: str(label) for state, label in State.choices}
    rows = [
        (
            title.get_kind_display() if title.kind != Kind.EPISODE else "",
            "" if title.number is None else title.number,
            link_to(title),
            title.release_date or "",
            f"{round(title.runtime_seconds / 60)} min" if title.runtime_seconds else "",
            states[title.state],
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
            links.append((address, gettext("Add: %(kind)s") % {"kind": Kind(kind).label}))
    return format_html_join(" ", '<a class="underline" style="margin:0 12px 0 16px" href="{}">{}</a>', links)


def _changed(form: forms.BaseForm) -> list[str]:
    """Answer what an editor changed, with what the form completed."""
    names = list(form.changed_data)
    return names + [f"{name}_precision" for name in ("release", "end") if f"{name}_date" in names]


def _inline_of(model_admin: TitleAdmin, formset: Any) -> Any:
    return next(inline for inline in model_admin.inlines if inline.model is formset.model)


def _rows(part: str, title: Title, formset: Any) -> list[dict[str, Any]]:
    """Answer the rows that remain: those of other pages, changed, new and untouched ones, without those to be deleted."""
    sent = {form.instance.pk: form for form in formset.forms if form.instance.pk}
    new = [form for form in formset.forms if not form.instance.pk and form.has_changed()]
    rows: list[dict[str, Any]] = []
    for pk, row in versions.rows_of(part, title.pk):
        form = sent.get(pk)
        if form is None:
            rows += editing.read({"fields": {}, "parts": {part: [row]}})["parts"][part]
        elif form not in formset.deleted_forms:
            rows.append(_values(form))
    return rows + [_values(form) for form in new if form not in formset.deleted_forms]


def _values(form: Any) -> dict[str, Any]:
    return {name: value for name, value in form.cleaned_data.items() if name not in {"id", "title", "DELETE"}}
