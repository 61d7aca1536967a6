"""Pages across the catalogue: the calendar of licences, and what is missing where."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from accounts.maturity import Audience
from accounts.rules import HIGHEST_AGE
from catalog import rules
from catalog.admin.lists import LargeList
from catalog.admin.naming import address_of, name_of
from catalog.admin.words import gettext_lazy as _
from catalog.models import Provider, Title
from catalog.models.places import validate_country
from catalog.selectors import ages, calendar, gaps
from core import clock

SHOWN = 100
BOUNDS = range(HIGHEST_AGE)
"""Of the highest ages that hide something, in years."""
WEEKS = {"2": _("2 weeks"), "4": _("4 weeks"), "13": _("13 weeks"), "26": _("26 weeks")}


class CountryForm(forms.Form):
    """Where to look."""

    country = forms.CharField(
        initial=settings.DEFAULT_COUNTRY,
        max_length=2,
        widget=UnfoldAdminTextInputWidget,
        label=_("Country (ISO 3166-1)"),
    )

    def clean_country(self) -> str:
        """Refuse what is no country."""
        code: str = self.cleaned_data["country"].upper()
        validate_country(code)
        return code


class CalendarForm(CountryForm):
    """Where, and how far to look."""

    weeks = forms.ChoiceField(
        choices=WEEKS.items(), initial="4", widget=UnfoldAdminSelectWidget, label=_("How far ahead")
    )


class GapForm(CountryForm):
    """What is missing, and for whom."""

    language = forms.CharField(
        initial=settings.LANGUAGE_CODE.split("-")[0], max_length=20, widget=UnfoldAdminTextInputWidget, label=_("Language (BCP 47)")
    )  # fmt: skip
    gap = forms.ChoiceField(
        choices=gaps.GAPS.items(), initial="poster", widget=UnfoldAdminSelectWidget, label=_("What is missing")
    )

    provider = forms.ModelChoiceField(
        Provider.objects.order_by("name"), to_field_name="code", required=False, empty_label=_("All"),
        widget=UnfoldAdminSelectWidget, label=_("Provider"),
    )  # fmt: skip

    def clean_provider(self) -> str:
        """Answer the code."""
        chosen: Provider | None = self.cleaned_data["provider"]
        return chosen.code if chosen else ""

    def clean_language(self) -> str:
        """Refuse what is no language tag."""
        tag: str = self.cleaned_data["language"].strip()
        if not rules.is_language_tag(tag):
            raise ValidationError(
                gettext("Write a language tag of BCP 47, such as de or pt-BR."), code="unknown_language"
            )
        return tag


class AgeForm(CountryForm):
    """Where, and what a profile may watch."""

    age = forms.TypedChoiceField(
        coerce=int, choices=[(age, age) for age in BOUNDS], initial="12", widget=UnfoldAdminSelectWidget,
        label=_("Highest age"),
    )  # fmt: skip
    rated_only = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, label=_("Rated titles alone"),
        help_text=_("As kids profiles are set up."),
    )  # fmt: skip


class OverviewPages(LargeList):
    """The pages beside the list of titles."""

    actions_list = ["calendar_page", "gaps_page", "ages_page"]  # type: ignore[assignment]  # unfold declares an empty tuple

    def has_overview_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Say whether this member of staff may read the catalogue."""
        return self.has_view_permission(request)

    @action(description=_("Licence calendar"), url_path="calendar", permissions=["overview"], icon="calendar_month")  # type: ignore[operator]  # unfold calls its decorator an Action
    def calendar_page(self, request: HttpRequest) -> HttpResponse:
        """Show day by day what begins and ends in a country."""
        form = _asked(CalendarForm, request)
        days, was_cut = [], False
        if form.is_valid():
            country, now = form.cleaned_data["country"], clock.now()
            until = now + timedelta(weeks=int(form.cleaned_data["weeks"]))
            found, was_cut = calendar.boundaries(country, now, until)
            days = [(day, list(items)) for day, items in groupby(map(_entry, found), lambda entry: entry["at"].date())]
        context = {"days": days, "was_cut": was_cut, "most": calendar.MOST}
        return self._overview(request, form, "catalog/admin/calendar.html", _("Licence calendar"), context)

    @action(description=_("What is missing"), url_path="gaps", permissions=["overview"], icon="rule")  # type: ignore[operator]  # unfold calls its decorator an Action
    def gaps_page(self, request: HttpRequest) -> HttpResponse:
        """Show the titles of a country that lack something, newest first."""
        form = _asked(GapForm, request)
        found: list[Title] = []
        if form.is_valid():
            titles = gaps.lacking(**form.cleaned_data, now=clock.now()).prefetch_related("texts")
            found = list(titles[: SHOWN + 1])
        context = {
            "rows": [(address_of(title.pk), name_of(title), title.get_kind_display(), title.release_year) for title in found[:SHOWN]],
            "number": gettext("More than %(number)s") % {"number": SHOWN} if len(found) > SHOWN else str(len(found)),
            "is_read": form.is_valid(),
        }  # fmt: skip
        return self._overview(request, form, "catalog/admin/gaps.html", _("What is missing"), context)

    @action(description=_("Ages"), url_path="ages", permissions=["overview"], icon="family_restroom")  # type: ignore[operator]  # unfold calls its decorator an Action
    def ages_page(self, request: HttpRequest) -> HttpResponse:
        """Show what a highest age hides in a country: the ratings behind it, and the titles by the rating that decides."""
        form = _asked(AgeForm, request)
        boards: list[tuple[str, list[Any]]] = []
        found: list[Title] = []
        if form.is_valid():
            country, age = form.cleaned_data["country"], form.cleaned_data["age"]
            beyond = sorted(ages.verdicts_beyond(country, age), key=lambda verdict: verdict.system)
            boards = [(name, list(group)) for name, group in groupby(beyond, lambda verdict: verdict.system)]
            audience = Audience(age, allows_unrated=not form.cleaned_data["rated_only"])
            hidden = ages.hidden(country, audience, clock.now()).prefetch_related("texts", "ratings")
            found = list(hidden[: SHOWN + 1])
        context = {
            "boards": boards,
            "rows": [
                (address_of(title.pk), name_of(title), title.get_kind_display(), ages.strictest(title.ratings.all(), country))
                for title in found[:SHOWN]
            ],
            "number": gettext("More than %(number)s") % {"number": SHOWN} if len(found) > SHOWN else str(len(found)),
            "is_read": form.is_valid(),
        }  # fmt: skip
        return self._overview(request, form, "catalog/admin/ages.html", _("What an age hides"), context)

    def _overview(
        self, request: HttpRequest, form: forms.Form, template: str, heading: str, context: dict[str, Any]
    ) -> TemplateResponse:
        shared = {**self.admin_site.each_context(request), "title": heading, "opts": self.opts, "form": form}
        return TemplateResponse(request, template, {**shared, **context})


def _asked(form: type[forms.Form], request: HttpRequest) -> Any:
    """Answer a form of what the address asks for, what is not asked for as it is at first."""
    initial = {name: field.initial for name, field in form.base_fields.items()}
    return form({**initial, **request.GET.dict()})


def _entry(boundary: calendar.Boundary) -> dict[str, Any]:
    title = boundary.title
    whole = title.series or title.parent
    return {
        "at": boundary.at,
        "kind": boundary.kind,
        "name": " / ".join(name_of(one) for one in (whole, title) if one),
        "address": address_of(title.pk),
        "licence": ", ".join(filter(None, (boundary.window.license_type, boundary.window.contract_id))),
        "changes": boundary.changes,
    }
