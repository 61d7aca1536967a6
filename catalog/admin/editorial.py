"""An editor's work on one title: its versions, locks, plans, and the reviews that others give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.views import ChangeList
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.admin import staff
from catalog.admin.lists import LargeList, WaitingFilter
from catalog.admin.naming import name_of
from catalog.models import EditLock, Review, ScheduledAct, Title
from catalog.selectors import revisions as versions
from catalog.services import locks, reviews, scheduling
from core import clock
from core.errors import DomainError

SHOWN_VERSIONS = 50
_NAMES = "names_in_list"


class NoteForm(forms.Form):
    """Why, in the asker's own words."""

    note = forms.CharField(
        required=False, max_length=1000, widget=UnfoldAdminTextareaWidget({"rows": 3}), label="What should the reviewer know?"
    )  # fmt: skip


class LockForm(forms.Form):
    """Why a title is kept."""

    reason = forms.CharField(required=False, max_length=200, widget=UnfoldAdminTextInputWidget, label="Why?")


class PlanForm(forms.Form):
    """What is to be done with a title, and when."""

    action = forms.ChoiceField(choices=ScheduledAct.Action.choices, widget=UnfoldAdminSelectWidget)
    at = forms.SplitDateTimeField(widget=UnfoldAdminSplitDateTimeWidget, label="When (UTC)")
    reason = forms.CharField(required=False, max_length=500, widget=UnfoldAdminTextInputWidget)


class DecisionForm(forms.Form):
    """What a reviewer says."""

    comment = forms.CharField(
        required=False, max_length=1000, widget=UnfoldAdminTextareaWidget({"rows": 3}), label="Comment"
    )


class EditorialPages(LargeList):
    """The pages beside a title's own: history, review, plan, lock."""

    actions_detail = [  # type: ignore[assignment]  # unfold declares an empty tuple
        "publish_one",
        "withdraw_one",
        "artwork_one",
        {
            "title": "More",
            "icon": "more_vert",
            "items": ["history_one", "review_one", "plan_one", "lock_one", "release_one"],
        },
    ]

    def get_urls(self) -> list[Any]:
        """Add the act of going back to a version."""
        revert = path(
            "<uuid:title_id>/revert/<int:number>", self.admin_site.admin_view(self.revert), name="catalog_title_revert"
        )
        return [revert, *super().get_urls()]

    def has_edit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Say whether this member of staff may change titles."""
        return request.user.has_perm("catalog.change_title")

    # ---------------------------------------------------------------- versions

    @action(description="Versions", url_path="versions", permissions=["edit"], icon="history")  # type: ignore[operator]  # unfold calls its decorator an Action
    def history_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show every version of a title with what changed in it."""
        title = _title(object_id)
        history = versions.history(title.pk)[:SHOWN_VERSIONS]
        names = staff.names(version.by for version, _ in history)
        present = versions.fingerprint(versions.snapshot(title.pk))
        context = {
            "versions": [
                {
                    "number": version.number,
                    "at": version.at,
                    "by": names.get(version.by) or "as it was before",
                    "note": version.note,
                    "changes": versions.difference(before.snapshot, version.snapshot) if before else None,
                    "is_present": versions.fingerprint(version.snapshot) == present,
                    "revert": reverse("admin:catalog_title_revert", args=[title.pk, version.number]),
                }
                for version, before in history
            ]
        }
        return self._page(request, title, "catalog/admin/versions.html", "Versions", context)

    def revert(self, request: HttpRequest, title_id: UUID, number: int) -> HttpResponse:
        """Make a title again what it was; what is public, somebody who may publish decides."""
        if not self.has_edit_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        keeping = _not_theirs(request)
        try:
            review = reviews.revert(
                title_id=title_id, number=number, by=staff.actor(request), now=clock.now(), keeping=keeping,
                may_publish=request.user.has_perm("catalog.publish_title"),
            )  # fmt: skip
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(_address(title_id))
        said = (
            "The title is public: this waits for a review."
            if review
            else f"It is again what it was at revision {number}; that is a revision too."
        )
        kept = ", ".join(sorted("licences" if part == "windows" else part.replace("_", " ") for part in keeping))
        messages.success(request, f"{said} What you may not change stays as it is: {kept}." if kept else said)
        return HttpResponseRedirect(_address(title_id))

    # ---------------------------------------------------------------- review and plan

    @action(description="Ask for review ...", url_path="ask-review", permissions=["edit"], icon="rate_review")  # type: ignore[operator]  # unfold calls its decorator an Action
    def review_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask that a draft become public."""
        title = _title(object_id)
        form = NoteForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._do(
                request,
                title.pk,
                lambda: reviews.request(
                    title_id=title.pk, by=staff.actor(request), now=clock.now(), note=form.cleaned_data["note"]
                ),
                "Asked: somebody else may now approve it.",
            )
        return self._page(request, title, "catalog/admin/form.html", "Ask for review", {"form": form, "verb": "Ask"})

    @action(description="Plan ...", url_path="plan", permissions=["publish"], icon="schedule")  # type: ignore[operator]  # unfold calls its decorator an Action
    def plan_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have a title published or withdrawn at an instant, or call that off."""
        title, by, now = _title(object_id), staff.actor(request), clock.now()
        if request.method == "POST" and request.POST.get("call_off", "").isdecimal():
            act_id = int(request.POST["call_off"])
            return self._do(
                request, title.pk, lambda: scheduling.call_off(act_id=act_id, by=by, now=now), "It is called off."
            )
        form = PlanForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            return self._do(
                request,
                title.pk,
                lambda: scheduling.plan(title_id=title.pk, by=by, now=now, **values),
                f"{dict(ScheduledAct.Action.choices)[values['action']]} is planned for {values['at']:%Y-%m-%d %H:%M} UTC.",
            )
        plans = list(ScheduledAct.objects.filter(title=title).order_by("-pk")[:20])
        context = {"form": form, "verb": "Plan", "plans": plans, "names": staff.names(plan.by for plan in plans)}
        return self._page(request, title, "catalog/admin/plan.html", "Plan", context)

    # ---------------------------------------------------------------- locks

    @action(description="Keep from others ...", url_path="lock", permissions=["edit"], icon="lock")  # type: ignore[operator]  # unfold calls its decorator an Action
    def lock_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep a title from other editors."""
        title = _title(object_id)
        form = LockForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._do(
                request,
                title.pk,
                lambda: locks.lock(
                    title_id=title.pk, by=staff.actor(request), now=clock.now(), reason=form.cleaned_data["reason"]
                ),
                "Nobody but you can edit it, until you release it.",
            )
        context = {"form": form, "verb": "Keep it"}
        return self._page(request, title, "catalog/admin/form.html", "Keep from other editors", context)

    @action(description="Release ...", url_path="release", permissions=["edit"], icon="lock_open")  # type: ignore[operator]  # unfold calls its decorator an Action
    def release_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Release a title; whoever may publish may break another's lock."""
        title = _title(object_id)
        if request.method == "POST":
            return self._do(
                request,
                title.pk,
                lambda: locks.unlock(
                    title_id=title.pk,
                    by=staff.actor(request),
                    may_break=request.user.has_perm("catalog.publish_title"),
                ),
                "Everybody can edit it.",
            )
        kept = EditLock.objects.filter(title=title).first()
        said = (
            f"{staff.names([kept.by])[kept.by]} has kept it since {kept.at:%Y-%m-%d %H:%M} UTC."
            if kept
            else "Nobody keeps it."
        )
        context = {"form": forms.Form(), "verb": "Release", "said": said}
        return self._page(request, title, "catalog/admin/form.html", "Release", context)

    # ---------------------------------------------------------------- the rest

    def _page(
        self, request: HttpRequest, title: Title, template: str, heading: str, context: dict[str, Any]
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "title": f"{heading}: {name_of(title)}",
                "opts": self.opts,
                "back": _address(title.pk),
                **context,
            },
        )

    def _do(self, request: HttpRequest, title_id: UUID, act: Callable[[], object], said: str) -> HttpResponse:
        """Do it, and say on the title's page what came of it."""
        try:
            act()
        except DomainError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, said)
        return HttpResponseRedirect(_address(title_id))


class ReviewList(ChangeList):
    """Reviews with what those are called who asked and decided, looked up at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch a page, and the names in it."""
        super().get_results(request)
        found = list(self.result_list)
        names = staff.names(by for review in found for by in (review.requested_by, review.decided_by))
        for review in found:
            setattr(review, _NAMES, names)
        self.result_list = found


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

    @display(description="title")
    def name(self, review: Review) -> str:
        """Name the title."""
        return name_of(review.title)

    @display(
        description="state",
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

    @display(description="asks for")
    def asks(self, review: Review) -> str:
        """Say in a word what approval does."""
        changed = [name.replace("_", " ") for name in (*review.fields, *review.parts)]
        return f"change of {', '.join(changed)}" if changed else "publication"

    @display(description="asked by")
    def requested_by_name(self, review: Review) -> str:
        """Name who asked."""
        return _name_in(review, review.requested_by)

    @display(description="decided by")
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
            "title": f"Review: {name_of(review.title)}",
            "opts": self.opts,
            "review": review,
            "form": form,
            "asked_by": self.requested_by_name(review),
            "decided_by": self.decided_by_name(review),
            "changes": versions.difference(review.before, asked) if any(asked.values()) else None,
            "address": _address(review.title_id),
            "is_open": review.state == Review.State.IN_PROGRESS,
            "is_own": review.requested_by == staff.actor(request),
            "may_approve": request.user.has_perm("catalog.publish_title"),
        }
        return TemplateResponse(request, "catalog/admin/review.html", context)

    def _decide(self, request: HttpRequest, review: Review, comment: str) -> HttpResponse:
        by, now, choice = staff.actor(request), clock.now(), request.POST.get("choice")
        may_publish = request.user.has_perm("catalog.publish_title")
        decisions: dict[str, tuple[Callable[..., Review], bool, str]] = {
            "approve": (reviews.approve, may_publish, "Approved: it is public as asked."),
            "needs_changes": (reviews.ask_for_changes, may_publish, "Sent back."),
            "cancel": (reviews.cancel, may_publish or review.requested_by == by, "Taken back."),
        }
        if choice not in decisions:
            raise Http404
        act, allowed, said = decisions[choice]
        if not allowed:
            raise PermissionDenied
        try:
            act(review_id=review.pk, by=by, now=now, comment=comment)
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)
        messages.success(request, said)
        return HttpResponseRedirect(f"{reverse('admin:catalog_review_changelist')}?state__exact=in_progress")


def lock_notice(title: Title, request: HttpRequest) -> SafeString | str:
    """Say who keeps a title from whoever reads this; empty if nobody does."""
    kept = EditLock.objects.filter(title=title).exclude(by=staff.actor(request)).first()
    if kept is None:
        return ""
    return format_html(
        "{} has kept this title from other editors since {} UTC. {}",
        staff.names([kept.by])[kept.by], kept.at.strftime("%Y-%m-%d %H:%M"), kept.reason,
    )  # fmt: skip


def _not_theirs(request: HttpRequest) -> frozenset[str]:
    """Answer the parts of titles that this member of staff may not change as a whole."""
    return frozenset(
        part
        for part, model in versions.PARTS.items()
        if not request.user.has_perms(
            [f"catalog.{verb}_{model._meta.model_name}" for verb in ("add", "change", "delete")]
        )
    )


def _name_in(review: Review, actor: str) -> str:
    names: dict[str, str] = getattr(review, _NAMES, None) or staff.names([actor])
    return names[actor]


def _title(object_id: str) -> Title:
    try:
        return Title.objects.prefetch_related("texts").get(pk=UUID(object_id))
    except (ValueError, Title.DoesNotExist):
        raise Http404 from None


def _address(title_id: UUID) -> str:
    return reverse("admin:catalog_title_change", args=[title_id])
