"""Pages that belong to no app: the doors of the platform."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView


class Door(NamedTuple):
    """A place that the landing page leads to."""

    name: str | Promise
    purpose: str | Promise
    url: str


class Landing(TemplateView):
    """What a person sees who opens the address alone."""

    template_name = "site/landing.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the doors that this deployment has."""
        return super().get_context_data(site_name=settings.SITE_NAME, doors=_doors(), **kwargs)


def _doors() -> list[Door]:
    doors = [
        Door(_("API"), _("Every operation, to read and to try"), reverse("docs")),
        Door(_("Admin"), _("Catalogue, accounts and billing for staff"), reverse("admin:index")),
    ]
    if settings.INBOX_URL:
        doors.append(Door(_("Inbox"), _("The e-mails this platform has sent"), settings.INBOX_URL))
    return doors
