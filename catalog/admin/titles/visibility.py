"""Who sees a title: where, at what age, when, and what stands in the way."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget, UnfoldBooleanWidget

from accounts.maturity import Audience
from accounts.rules import HIGHEST_AGE
from catalog.admin.lists import LargeList
from catalog.admin.naming import address_of, name_of, title_or_404
from catalog.admin.overviews import CountryForm
from catalog.admin.words import gettext_lazy
from catalog.rules import Viewer
from catalog.selectors import ages, availability
from core import clock


class ViewerForm(CountryForm):
    """Whose eyes to look with."""

    age = forms.TypedChoiceField(
        coerce=int, choices=[(age, age) for age in range(HIGHEST_AGE + 1)], widget=UnfoldAdminSelectWidget,
        label=gettext_lazy("Highest age"),
    )  # fmt: skip
    rated_only = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, label=gettext_lazy("Rated titles alone")
    )
    at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, label=gettext_lazy("When (UTC; empty: now)")
    )


class VisibilityPages(LargeList):
    """The page that says who sees a title."""

    @action(description=gettext_lazy("Who sees it"), url_path="viewers", permissions=["overview"], icon="visibility")  # type: ignore[operator]  # unfold calls its decorator an Action
    def viewers_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say whether a profile sees a title, and else every reason why not, at an instant."""
        title = title_or_404(object_id)
        asked = request.GET if "country" in request.GET else {"country": settings.DEFAULT_COUNTRY, "age": HIGHEST_AGE}
        form = ViewerForm(asked)
        context: dict[str, Any] = {}
        if form.is_valid():
            values = form.cleaned_data
            audience = Audience(values["age"], allows_unrated=not values["rated_only"])
            viewer = Viewer(values["country"], ("en",), audience)
            now = values["at"] or clock.now()
            context = {
                "is_read": True,
                "reasons": availability.explain(title.pk, viewer, now),
                "rating": ages.deciding(availability.line_of(title), viewer.country),
                "at": now,
            }
        shared = {
            **self.admin_site.each_context(request),
            "title": _("Who sees it: %(name)s") % {"name": name_of(title)},
            "opts": self.opts,
            "form": form,
            "back": address_of(title.pk),
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "catalog/admin/viewers.html", {**shared, **context})
