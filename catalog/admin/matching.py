"""Titles that may be one: the editors' queue, and what they decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from unfold.decorators import display

from catalog.admin import staff
from catalog.admin.lists import Decided, NamedActors, WaitingFilter
from catalog.admin.naming import link_to, name_of
from catalog.admin.parting import say_losses
from catalog.admin.titles.artwork import preview_of
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.models import MatchCandidate, Title, TitleMerge
from catalog.selectors.matching import side_by_side
from catalog.services import matching
from core import clock
from core.errors import DomainError

QUEUE = "admin:catalog_matchcandidate_changelist"

_REASONS = {
    "same name": _("same name"),
    "same year": _("same year"),
    "a year apart": _("a year apart"),
    "same running time": _("same running time"),
    "other running time": _("other running time"),
    "nobody in common": _("nobody in common"),
}
_COUNTED = {
    "years apart": ngettext_lazy("%(number)s year apart", "%(number)s years apart", "number"),
    "people in common": ngettext_lazy("%(number)s person in common", "%(number)s people in common", "number"),
}


class OpenFilter(WaitingFilter):
    """Pairs that nobody has decided."""

    waiting = MatchCandidate.State.OPEN


@admin.register(MatchCandidate)
class MatchCandidateAdmin(Decided):
    """Pairs to decide, surest first."""

    list_display = ("names", "score", "why", "state_label")
    list_filter = (OpenFilter,)
    ordering = ("-score", "pk")

    @display(description=_("titles"))
    def names(self, candidate: MatchCandidate) -> str:
        """Name both."""
        return " / ".join(name_of(title) for title in (candidate.title, candidate.other))

    @display(description=_("why"))
    def why(self, candidate: MatchCandidate) -> str:
        """Name the reasons."""
        return ", ".join(map(_in_words, candidate.reasons))

    @display(
        description=_("state"),
        label={
            MatchCandidate.State.OPEN: "warning",
            MatchCandidate.State.MERGED: "success",
            MatchCandidate.State.SEPARATE: "info",
        },
    )
    def state_label(self, candidate: MatchCandidate) -> tuple[str, str]:
        """Colour the state."""
        return candidate.state, candidate.get_state_display()

    def get_queryset(self, request: HttpRequest) -> Any:
        """Fetch what a row of the list shows, in a few queries."""
        return super().get_queryset(request).prefetch_related("title__texts", "other__texts")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show two titles side by side, and do what was decided."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        candidate = self.get_queryset(request).filter(pk=object_id).first() if object_id.isdecimal() else None
        if candidate is None:
            raise Http404
        if request.method == "POST":
            return self._decide(request, candidate)
        context = {
            **self.admin_site.each_context(request),
            "title": self.names(candidate),
            "opts": self.opts,
            "candidate": candidate,
            "open": candidate.state == MatchCandidate.State.OPEN,
            "reasons": self.why(candidate),
            "facts": side_by_side(candidate),
            "links": [
                reverse("admin:catalog_title_change", args=[pk]) for pk in (candidate.title_id, candidate.other_id)
            ],
            "pictures": [_picture_of(title) for title in (candidate.title, candidate.other)],
        }
        return TemplateResponse(request, "catalog/admin/match.html", context)

    def _decide(self, request: HttpRequest, candidate: MatchCandidate) -> HttpResponse:
        by, now, choice = f"user:{request.user.pk}", clock.now(), request.POST.get("choice")
        one, other = candidate.title_id, candidate.other_id
        try:
            if choice == "apart":
                matching.keep_apart(candidate_id=candidate.pk, by=by, now=now)
            elif choice in {"keep_title", "keep_other"}:
                kept, merged = (one, other) if choice == "keep_title" else (other, one)
                matching.merge(kept_id=kept, merged_id=merged, by=by, now=now)
            else:
                raise Http404
        except DomainError as error:
            messages.error(request, refusal(error))
            return HttpResponseRedirect(request.path)
        messages.success(
            request,
            gettext("Two titles they stay.")
            if choice == "apart"
            else gettext("Merged; it can be undone under Title merges."),
        )
        return HttpResponseRedirect(f"{reverse(QUEUE)}?state__exact=open")


class Parting(Protocol):
    """A service that undoes merges."""

    def unmerge(self, *, merge_id: int, by: str, now: datetime) -> object:
        """Undo a merge. Raises DomainError."""


class Merges(Decided):
    """Merges, and who made and undid them."""

    service: Parting

    list_display_links = None
    actions = ("undo",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """List them with names."""
        return NamedActors

    @display(description=_("by"))
    def by_name(self, merge: Any) -> str:
        """Name who merged."""
        return str(merge.actors.get(merge.by, merge.by))

    @display(description=_("undone by"))
    def undone_by_name(self, merge: Any) -> str:
        """Name who undid it."""
        return str(merge.actors.get(merge.undone_by, merge.undone_by))

    @admin.action(description=_("Undo"), permissions=["change"])
    def undo(self, request: HttpRequest, queryset: Any) -> None:
        """Part what was merged, the last merge first."""
        standing = queryset.filter(undone_at__isnull=True)
        if queryset.exclude(undone_at__isnull=True).exists():
            self.message_user(request, gettext("What was undone before stays as it is."), messages.WARNING)
        for merge_id in list(standing.order_by("-pk").values_list("pk", flat=True)):
            # What was merged within another is parted with it.
            if standing.filter(pk=merge_id).exists():
                self._undo(request, merge_id)

    def _undo(self, request: HttpRequest, merge_id: int) -> None:
        try:
            parted = self.service.unmerge(merge_id=merge_id, by=staff.actor(request), now=clock.now())
        except DomainError as error:
            self.message_user(request, refusal(error), messages.ERROR)
        else:
            self.say(request, parted)

    def say(self, request: HttpRequest, parted: Any) -> None:
        """Say what came of it."""
        self.message_user(request, gettext("Parted again."), messages.SUCCESS)


@admin.register(TitleMerge)
class TitleMergeAdmin(Merges):
    """Merges of titles, newest first; each can be undone."""

    service = matching
    list_display = ("kept_name", "merged_name", "at", "by_name", "undone_at", "undone_by_name")
    ordering = ("-pk",)

    @display(description=_("kept"))
    def kept_name(self, merge: TitleMerge) -> SafeString:
        """Link what answers now."""
        return _whole_and(merge.kept)

    @display(description=_("merged into it"))
    def merged_name(self, merge: TitleMerge) -> SafeString:
        """Link what was merged."""
        return _whole_and(merge.merged)

    def say(self, request: HttpRequest, parted: Any) -> None:
        """Say what came of it, and what they lack since."""
        super().say(request, parted)
        say_losses(request, parted)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Fetch what a row of the list shows, in a few queries."""
        return (
            super()
            .get_queryset(request)
            .select_related("kept__series", "merged__series")
            .prefetch_related("kept__texts", "merged__texts", "kept__series__texts", "merged__series__texts")
        )


def _whole_and(title: Title) -> SafeString:
    """Answer a link to a title, after the name of its series: every series has a season 1."""
    return format_html("{} / {}", name_of(title.series), link_to(title)) if title.series else link_to(title)


def _in_words(reason: str) -> str:
    """Answer what speaks for two titles being one, or against it, as `rules.resemblance` says it, in the language at hand."""
    number, _space, counted = reason.partition(" ")
    if number.isdecimal() and counted in _COUNTED:
        return str(_COUNTED[counted] % {"number": int(number)})
    return str(_REASONS.get(reason, reason))


def _picture_of(title: Title) -> str:
    """Answer the address of a picture of a title; empty where there is none."""
    image = title.artwork.exclude(file="").order_by("kind", "position").first()
    return preview_of(image, 160) if image else ""
