"""The dashboard of billing, and the books as files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext

from billing.admin.base import ReadOnly
from billing.models import RecurringRevenueDay, Setback
from billing.selectors import exports, figures
from billing.selectors.figures import Figures, RecurringDay, Slice
from billing.words import in_words
from core import clock, money
from core.money import Money

FRESH = 60
"""Seconds for which the numbers are shown again to whoever asks."""
KEY = "billing:figures"
DAYS_SHOWN = 30

MOVEMENTS = {
    "new": "var(--color-green-500)",
    "reactivation": "var(--color-blue-500)",
    "expansion": "var(--color-primary-500)",
    "contraction": "var(--color-orange-500)",
    "churn": "var(--color-red-500)",
}
GREY = "#9ca3af"
AXIS: dict[str, Any] = {"border": {"dash": [5, 5], "width": 0}, "ticks": {"color": GREY}}
CHART: dict[str, Any] = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "grouped": False,
    "maxBarThickness": 4,
    "datasets": {"bar": {"borderRadius": 12, "borderSkipped": "middle"}, "line": {"borderWidth": 2}},
    "plugins": {"legend": {"display": False}},
}
"""As charts of the admin look; those are told neither the language nor what is counted in whole numbers."""


@admin.register(RecurringRevenueDay)
class DashboardAdmin(ReadOnly):
    """How billing stands, in one page."""

    def get_urls(self) -> list[Any]:
        """Add the files."""
        view = self.admin_site.admin_view(self.export)
        return [path("export/<slug:what>", view, name="billing_export"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the numbers, a minute old at most."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = _figures()
        language = get_language() or "en"
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Billing dashboard"),
            "figures": found,
            "currencies": [_currency(code, days) for code, days in found.recurring.items()],
            "renewals": [(code, _amounts(parts, code)) for code, parts in found.renewals.items()],
            "charts": {
                "subscriptions": _bars(found.subscriptions, "var(--color-primary-500)"),
                "dunning": _bars(found.dunning, "var(--color-orange-500)"),
                "declines": _bars(found.declines, "var(--color-red-500)"),
                "counted": _options(language, whole=True),
                "moved": _options(language),
                "measured": _options(language, from_zero=False),
            },
            "tie_outs": [
                (report, money.shown(Money(report.difference, report.currency)), report.details)
                for report in found.tie_outs
            ],
            "parked": [(part.name, in_words(part.name), part.count) for part in found.parked],
            "setbacks": [(part.name, Setback.Sweep(part.name).label, part.count) for part in found.setbacks],
            "exports": exports.EXPORTS if request.user.has_perm("billing.export_books") else {},
            "today": clock.now().date(),
        }
        return TemplateResponse(request, "billing/admin/dashboard.html", context)

    def export(self, request: HttpRequest, what: str) -> HttpResponseBase:
        """Send one of the books as CSV while it is read; `from` and `until` are days, the second one included.

        Days that are none, or in the wrong order, lead back with the reason.
        """
        if not request.user.has_perm("billing.export_books"):
            raise PermissionDenied
        if what not in exports.EXPORTS:
            raise Http404
        try:
            begins, ends = (date.fromisoformat(request.GET.get(name, "")) for name in ("from", "until"))
            rows = exports.rows(what, begins=begins, ends=ends)
        except ValueError:
            said = gettext("Nothing was downloaded: choose two days, the last one not before the first.")
            self.message_user(request, said, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:billing_recurringrevenueday_changelist"))
        response = StreamingHttpResponse(exports.as_csv(rows), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{what}-{begins}-{ends}.csv"'
        return response


def _figures() -> Figures:
    """Answer the numbers, from the cache where they are fresh and such as this version knows them.

    They are kept as JSON: while an upgrade goes on, versions that know other numbers ask the same cache.
    """
    try:
        return msgspec.json.decode(cache.get(KEY) or b"", type=Figures)
    except msgspec.DecodeError:
        found = figures.figures(now=clock.now())
        cache.set(KEY, msgspec.json.encode(found), FRESH)
        return found


def _currency(code: str, days: list[RecurringDay]) -> dict[str, Any]:
    newest, shown = days[-1], days[-DAYS_SHOWN:]
    labels = [date_format(day.day, "MONTH_DAY_FORMAT") for day in shown]

    def major(amount: int) -> float:
        return float(Money(amount, code).major)

    movements = [
        {
            "label": _named(name),
            "data": [major(getattr(day, name)) for day in shown],
            "backgroundColor": colour,
            "stack": "all",
        }
        for name, colour in MOVEMENTS.items()
    ]
    # One day alone makes no line.
    points = {"pointStyle": "circle", "pointRadius": 4} if len(shown) == 1 else {"pointStyle": False}
    colour = "var(--color-primary-500)"
    line = {"data": [major(day.closing) for day in shown], "borderColor": colour, "backgroundColor": colour} | points
    return {
        "code": code,
        "title": gettext("Monthly recurring revenue, %(currency)s") % {"currency": code},
        "amount": money.shown(Money(newest.closing, code)),
        "subscribers": newest.subscribers,
        "day": newest.day,
        "rows": [
            (_named(name), money.shown(Money(sum(getattr(day, name) for day in shown), code))) for name in MOVEMENTS
        ],
        "line": json.dumps({"labels": labels, "datasets": [line]}),
        "bars": json.dumps({"labels": labels, "datasets": movements}),
    }


def _amounts(parts: Iterable[Slice], code: str) -> list[tuple[str, int, str]]:
    return [(in_words(part.name), part.count, money.shown(Money(part.amount, code))) for part in parts]


def _named(movement: str) -> str:
    """Call a movement of the revenue as people of a language do."""
    names = {
        "new": gettext("new"),
        "reactivation": gettext("reactivation"),
        "expansion": gettext("expansion"),
        "contraction": gettext("contraction"),
        "churn": gettext("churn"),
    }
    return names[movement]


def _bars(parts: Iterable[Slice], colour: str) -> str:
    parts = list(parts)
    data = {"data": [part.count for part in parts], "backgroundColor": colour}
    return json.dumps({"labels": [in_words(part.name) for part in parts], "datasets": [data]})


def _options(language: str, *, whole: bool = False, from_zero: bool = True) -> str:
    """Answer how a chart writes its numbers: as people of a language do, and in steps of one where they are counted."""
    ticks = AXIS["ticks"] | ({"precision": 0} if whole else {})
    scales = {
        "x": AXIS | {"grid": {"tickWidth": 0}, "ticks": AXIS["ticks"] | {"maxTicksLimit": 10}},
        "y": AXIS | {"grid": {"lineWidth": 0, "tickWidth": 0}, "ticks": ticks, "beginAtZero": from_zero},
    }
    return json.dumps(CHART | {"locale": language, "scales": scales})
