"""Reviews: what waits for other eyes, and what they decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from catalog.admin import staff
from catalog.admin.lists import LargeList, NamedActors, WaitingFilter
from catalog.admin.naming import address_of, name_of
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.models import Review
from catalog.selectors import revisions as versions
from catalog.services import reviews
from core import clock
from core.errors import DomainError


class DecisionForm(forms.Form):
    """What a reviewer says."""

    comment = forms.CharField(
        required=False, max_length=1000, widget=UnfoldAdminTextareaWidget({"rows": 3}), label=_("Comment")
    )


class ReviewList(NamedActors):
    """Reviews, and who asked and decided."""

    of = ("requested_by", "decided_by")


class ToReviewFilter(WaitingFilter):
    """Reviews that nobody has decided."""

    waiting = Review.State.IN_PROGRESS


@admin.register(Review)
class ReviewAdmin(LargeList):
    """What waits for other eyes, oldest first."""

    list_display = ("name", "state_label", "asks", "requested_at", "requested_by_name", "decided_by_name", "comment")
    list_filter = (ToReviewFilter,)
    ordering = ("-requested_at", "-pk")
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """List them with names."""
        return ReviewList

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: it is asked for on a title's page."""
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Fetch what a row of the list shows, in a few queries."""
        return super().get_queryset(request).select_related("title").prefetch_related("title__texts")

    @display(description=_("title"))
    def name(self, review: Review) -> str:
        """Name the title."""
        return name_of(review.title)

    @display(
        description=_("state"),
        label={
            Review.State.IN_PROGRESS: "warning",
            Review.State.APPROVED: "success",
            Review.State.NEEDS_CHANGES: "danger",
            Review.State.CANCELLED: "info",
        },
    )
    def state_label(self, review: Review) -> tuple[str, str]:
        """Colour the state."""
        return review.state, review.get_state_display()

    @display(description=_("asks for"))
    def asks(self, review: Review) -> str:
        """Say in a word what approval does."""
        changed = [versions.label(name).lower() for name in (*review.fields, *review.parts)]
        return gettext("change of %(what)s") % {"what": ", ".join(changed)} if changed else gettext("publication")

    @display(description=_("asked by"))
    def requested_by_name(self, review: Review) -> str:
        """Name who asked."""
        return _name_in(review, review.requested_by)

    @display(description=_("decided by"))
    def decided_by_name(self, review: Review) -> str:
        """Name who decided."""
        return _name_in(review, review.decided_by)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what is asked for, and take the decision."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        review = self.get_queryset(request).filter(pk=object_id).first() if object_id.isdecimal() else None
        if review is None:
            raise Http404
        form = DecisionForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._decide(request, review, form.cleaned_data["comment"])
        asked = {"fields": review.fields, "parts": review.parts}
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Review: %(name)s") % {"name": name_of(review.title)},
            "opts": self.opts,
            "review": review,
            "form": form,
            "asked_by": self.requested_by_name(review),
            "decided_by": self.decided_by_name(review),
            "changes": versions.difference(review.before, asked) if any(asked.values()) else None,
            "address": address_of(review.title_id),
            "is_open": review.state == Review.State.IN_PROGRESS,
            "is_own": review.requested_by == staff.actor(request),
            "may_approve": request.user.has_perm("catalog.publish_title"),
        }
        return TemplateResponse(request, "catalog/admin/review.html", context)

    def _decide(self, request: HttpRequest, review: Review, comment: str) -> HttpResponse:
        by, now, choice = staff.actor(request), clock.now(), request.POST.get("choice")
        may_publish = request.user.has_perm("catalog.publish_title")
        decisions: dict[str, tuple[Callable[..., Review], bool, str]] = {
            "approve": (reviews.approve, may_publish, gettext("Approved: it is public as asked.")),
            "needs_changes": (reviews.ask_for_changes, may_publish, gettext("Sent back.")),
            "cancel": (reviews.cancel, may_publish or review.requested_by == by, gettext("Taken back.")),
        }
        if choice not in decisions:
            raise Http404
        act, allowed, said = decisions[choice]
        if not allowed:
            raise PermissionDenied
        try:
            act(review_id=review.pk, by=by, now=now, comment=comment)
        except DomainError as error:
            messages.error(request, refusal(error))
            return HttpResponseRedirect(request.path)
        messages.success(request, said)
        return HttpResponseRedirect(f"{reverse('admin:catalog_review_changelist')}?state__exact=in_progress")


def _name_in(review: Review, actor: str) -> str:
    names: dict[str, str] = getattr(review, "actors", None) or staff.names([actor])
    return names.get(actor, actor)
