"""What profiles have blocked, as far as staff may know: how often something is, and of a profile how much, never what."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Profile
from accounts.origins import origin_of
from accounts.services import audit
from catalog.admin.lists import LargeList
from catalog.admin.naming import address_of, name_of
from catalog.admin.words import gettext_lazy
from catalog.models import ProfileBlock, Title
from catalog.selectors import blocks
from core import clock

SHOWN = 100
KINDS = {"title": gettext_lazy("Titles"), "genre": gettext_lazy("Genres"), "keyword": gettext_lazy("Keywords")}


class KindForm(forms.Form):
    """Of what."""

    kind = forms.ChoiceField(
        choices=KINDS.items(), initial="title", widget=UnfoldAdminSelectWidget, label=gettext_lazy("What")
    )


class ProfileForm(forms.Form):
    """Of whom, as support is told by somebody who calls."""

    profile = forms.UUIDField(
        widget=UnfoldAdminTextInputWidget, label=gettext_lazy("Profile"), help_text=gettext_lazy("Its id, from the account's page."),
    )  # fmt: skip


@admin.register(ProfileBlock)
class ProfileBlockAdmin(LargeList):
    """One page of counts: a household's limits are its own affair."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: households block, with their master PIN."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show no block of anybody's."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        raise Http404

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show no block of anybody's here either: the heading would name it."""
        return self.change_view(request, object_id)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """Show what is blocked most, and of a profile that is asked for how much is."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = KindForm({"kind": "title", **request.GET.dict()})
        kind = form.cleaned_data["kind"] if form.is_valid() else "title"
        may_ask = request.user.has_perm("accounts.view_user")
        asking = ProfileForm(request.POST or None) if may_ask else None
        numbers = None
        if request.method == "POST":
            if asking is None:
                raise PermissionDenied
            if asking.is_valid():
                numbers = self._numbers(request, asking)
        context = {
            **self.admin_site.each_context(request),
            "title": _("What profiles have blocked"),
            "opts": self.opts,
            "form": form,
            "asking": asking,
            "numbers": numbers,
            "rows": [
                (name_of(one.thing), address_of(one.thing.pk), one.profiles)
                if isinstance(one.thing, Title)
                else (str(one.thing), "", one.profiles)
                for one in blocks.most_blocked(kind, most=SHOWN)
            ],
            "few": blocks.FEW,
        }
        return TemplateResponse(request, "catalog/admin/blocks.html", context)

    def _numbers(self, request: HttpRequest, asking: ProfileForm) -> dict[str, int] | None:
        """Answer how much a profile has blocked, and put on its account's record who asked."""
        profile = Profile.objects.filter(pk=asking.cleaned_data["profile"]).first()
        if profile is None:
            asking.add_error("profile", _("There is no such profile."))
            return None
        audit.record(
            audit.Act.STAFF_VIEWED, account_id=profile.account_id, by=request.user, origin=origin_of(request),  # type: ignore[arg-type]  # the admin lets nobody in who is no user
            now=clock.now(), fields="blocks",
        )  # fmt: skip
        return blocks.numbers_of(profile.pk)
