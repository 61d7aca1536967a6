"""An editor's work on one title: its versions, locks, plans, and asking for a review."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.admin import staff
from catalog.admin.lists import LargeList
from catalog.admin.naming import address_of, name_of, title_or_404
from catalog.admin.plans import outcome_of
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.models import EditLock, Review, ScheduledAct, Title
from catalog.selectors import revisions as versions
from catalog.services import locks, reviews, scheduling
from core import clock
from core.errors import DomainError

SHOWN_VERSIONS = 50


class NoteForm(forms.Form):
    """Why, in the asker's own words."""

    note = forms.CharField(
        required=False, max_length=1000, widget=UnfoldAdminTextareaWidget({"rows": 3}), label=_("What should the reviewer know?")
    )  # fmt: skip


class LockForm(forms.Form):
    """Why a title is kept."""

    reason = forms.CharField(required=False, max_length=200, widget=UnfoldAdminTextInputWidget, label=_("Why?"))


class PlanForm(forms.Form):
    """What is to be done with a title, and when."""

    action = forms.ChoiceField(
        choices=ScheduledAct.Action.choices, widget=UnfoldAdminSelectWidget, label=_("What shall happen?")
    )
    at = forms.SplitDateTimeField(widget=UnfoldAdminSplitDateTimeWidget, label=_("When (UTC)"))
    reason = forms.CharField(required=False, max_length=500, widget=UnfoldAdminTextInputWidget, label=_("Why?"))


class EditorialPages(LargeList):
    """The pages beside a title's own: history, review, plan, lock."""

    actions_detail = [  # type: ignore[assignment]  # unfold declares an empty tuple
        "publish_one",
        "withdraw_one",
        {
            "title": _("More"),
            "icon": "more_vert",
            "items": [
                "artwork_one",
                "viewers_one",
                "history_one",
                "review_one",
                "plan_one",
                "lock_one",
                "release_one",
                "sources_one",
            ],
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

    @action(description=_("Versions"), url_path="versions", permissions=["edit"], icon="history")  # type: ignore[operator]  # unfold calls its decorator an Action
    def history_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show every version of a title with what changed in it."""
        title = title_or_404(object_id)
        history = versions.history(title.pk)[:SHOWN_VERSIONS]
        names = staff.names(version.by for version, _ in history)
        present = versions.fingerprint(versions.snapshot(title.pk))
        context = {
            "versions": [
                {
                    "number": version.number,
                    "at": version.at,
                    "by": names.get(version.by) or gettext("as it was before"),
                    "note": version.note,
                    "changes": versions.difference(before.snapshot, version.snapshot) if before else None,
                    "is_present": versions.fingerprint(version.snapshot) == present,
                    "revert": reverse("admin:catalog_title_revert", args=[title.pk, version.number]),
                }
                for version, before in history
            ]
        }
        return self._page(request, title, "catalog/admin/versions.html", _("Versions"), context)

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
            messages.error(request, refusal(error))
            return HttpResponseRedirect(address_of(title_id))
        said = (
            gettext("The title is public: this waits for a review.")
            if review
            else gettext("It is again what it was at revision %(number)s; that is a revision too.") % {"number": number}
        )
        if keeping:
            kept = ", ".join(sorted(versions.label(part).lower() for part in keeping))
            said += " " + gettext("What you may not change stays as it is: %(kept)s.") % {"kept": kept}
        messages.success(request, said)
        return HttpResponseRedirect(address_of(title_id))

    # ---------------------------------------------------------------- review and plan

    @action(description=_("Ask for review ..."), url_path="ask-review", permissions=["edit"], icon="rate_review")  # type: ignore[operator]  # unfold calls its decorator an Action
    def review_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask that a draft become public."""
        title = title_or_404(object_id)
        form = NoteForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            done = self._do(
                request,
                title.pk,
                lambda: reviews.request(
                    title_id=title.pk, by=staff.actor(request), now=clock.now(), note=form.cleaned_data["note"]
                ),
                gettext("Asked: somebody else may now approve it."),
                form,
            )
            if done:
                return done
        return self._page(
            request, title, "catalog/admin/form.html", _("Ask for review"), {"form": form, "verb": _("Ask")}
        )

    @action(description=_("Plan ..."), url_path="plan", permissions=["publish"], icon="schedule")  # type: ignore[operator]  # unfold calls its decorator an Action
    def plan_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have a title published or withdrawn at an instant, or call that off."""
        title, by, now = title_or_404(object_id), staff.actor(request), clock.now()
        if request.method == "POST" and request.POST.get("call_off", "").isdecimal():
            act_id = int(request.POST["call_off"])
            self._do(
                request,
                title.pk,
                lambda: scheduling.call_off(act_id=act_id, by=by, now=now),
                gettext("It is called off."),
            )
            return HttpResponseRedirect(request.path)
        form = PlanForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            said = gettext("Planned for %(at)s UTC: %(act)s.") % {
                "at": f"{values['at']:%Y-%m-%d %H:%M}",
                "act": dict(ScheduledAct.Action.choices)[values["action"]],
            }
            done = self._do(
                request, title.pk, lambda: scheduling.plan(title_id=title.pk, by=by, now=now, **values), said, form
            )
            if done:
                return done
        plans = list(ScheduledAct.objects.filter(title=title).order_by("-pk")[:20])
        names = staff.names(by for plan in plans for by in (plan.by, plan.called_off_by) if by)
        context = {
            "form": form,
            "verb": _("Plan"),
            "plans": [(plan, names.get(plan.by, plan.by), outcome_of(plan, names)) for plan in plans],
            "media": self.media + form.media,
        }
        return self._page(request, title, "catalog/admin/plan.html", _("Plan"), context)

    # ---------------------------------------------------------------- locks

    @action(description=_("Keep from others ..."), url_path="lock", permissions=["edit"], icon="lock")  # type: ignore[operator]  # unfold calls its decorator an Action
    def lock_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep a title from other editors."""
        title = title_or_404(object_id)
        form = LockForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            done = self._do(
                request,
                title.pk,
                lambda: locks.lock(
                    title_id=title.pk, by=staff.actor(request), now=clock.now(), reason=form.cleaned_data["reason"]
                ),
                gettext("Nobody but you can edit it, until you release it."),
                form,
            )
            if done:
                return done
        context = {"form": form, "verb": _("Keep it")}
        return self._page(request, title, "catalog/admin/form.html", _("Keep from other editors"), context)

    @action(description=_("Release ..."), url_path="release", permissions=["edit"], icon="lock_open")  # type: ignore[operator]  # unfold calls its decorator an Action
    def release_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Release a title; whoever may publish may break another's lock."""
        title = title_or_404(object_id)
        form = forms.Form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            done = self._do(
                request,
                title.pk,
                lambda: locks.unlock(
                    title_id=title.pk,
                    by=staff.actor(request),
                    may_break=request.user.has_perm("catalog.publish_title"),
                ),
                gettext("Everybody can edit it."),
                form,
            )
            if done:
                return done
        kept = EditLock.objects.filter(title=title).first()
        said = (
            gettext("%(name)s has kept it since %(at)s UTC.")
            % {"name": staff.names([kept.by])[kept.by], "at": f"{kept.at:%Y-%m-%d %H:%M}"}
            if kept
            else gettext("Nobody keeps it.")
        )
        context = {"form": form, "verb": _("Release"), "said": said}
        return self._page(request, title, "catalog/admin/form.html", _("Release"), context)

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
                "back": address_of(title.pk),
                **context,
            },
        )

    def _do(
        self,
        request: HttpRequest,
        title_id: UUID,
        act: Callable[[], object],
        said: str,
        form: forms.Form | None = None,
    ) -> HttpResponse | None:
        """Do it, and say so on the title's page. What is refused is said by the form, which is to be shown again."""
        try:
            act()
        except DomainError as error:
            if form is not None:
                form.add_error(None, refusal(error))
                return None
            messages.error(request, refusal(error))
        else:
            messages.success(request, said)
        return HttpResponseRedirect(address_of(title_id))


def review_notice(title: Title) -> SafeString | str:
    """Say that a review of a title is open, and lead there; empty if none is."""
    review = Review.objects.filter(title=title, state=Review.State.IN_PROGRESS).first()
    if review is None:
        return ""
    return format_html(
        '{} <a class="underline" href="{}">{}</a>',
        gettext("What %(name)s asked for waits for a review, and is not on this page yet.")
        % {"name": staff.names([review.requested_by])[review.requested_by]},
        reverse("admin:catalog_review_change", args=[review.pk]),
        gettext("Open the review"),
    )


def lock_notice(title: Title, request: HttpRequest) -> str:
    """Say who keeps a title from whoever reads this; empty if nobody does."""
    kept = EditLock.objects.filter(title=title).exclude(by=staff.actor(request)).first()
    if kept is None:
        return ""
    said = gettext("%(name)s has kept this title from other editors since %(at)s UTC.") % {
        "name": staff.names([kept.by])[kept.by],
        "at": f"{kept.at:%Y-%m-%d %H:%M}",
    }
    return f"{said} {kept.reason}"


def _not_theirs(request: HttpRequest) -> frozenset[str]:
    """Answer the parts of titles that this member of staff may not change as a whole."""
    return frozenset(
        part
        for part, model in versions.PARTS.items()
        if not request.user.has_perms(
            [f"catalog.{verb}_{model._meta.model_name}" for verb in ("add", "change", "delete")]
        )
    )
