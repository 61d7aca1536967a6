"""Pages that belong to no app: the doors of the platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import redis
import structlog
from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from catalog.models import Artwork, Title
from config.celery import app as celery_app
from core import health
from core.models import OutboxDelivery

logger = structlog.get_logger(__name__)

SHOWN_POSTERS = 14
"""Two rows on a wide screen."""


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
        return super().get_context_data(site_name=settings.SITE_NAME, doors=_doors(), posters=_posters(), **kwargs)


class Status(TemplateView):
    """How the platform's parts are, for whoever runs it on one machine; elsewhere for staff."""

    template_name = "site/status.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Hide it from strangers in production."""
        if settings.PRODUCTION and not request.user.is_staff:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Ask each part."""
        return super().get_context_data(site_name=settings.SITE_NAME, parts=[_ask(*part) for part in PARTS], **kwargs)


class Part(NamedTuple):
    """A part of the platform as it is now."""

    name: str | Promise
    is_well: bool
    detail: str | Promise


def icon(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to the icon."""
    return redirect(static("site/icon.svg"))


def _database() -> str:
    health.database()
    with connection.cursor() as cursor:
        cursor.execute("SELECT split_part(version(), ' ', 2)")
        return f"PostgreSQL {cursor.fetchone()[0]}"


def _cache() -> str:
    health.cache()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        about = client.info("server")
    return f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {about['redis_version']}"


def _jobs() -> str:
    workers = celery_app.control.ping(timeout=0.7)
    if not workers:
        raise ConnectionError
    return ngettext("%d worker answers", "%d workers answer", len(workers)) % len(workers)


def _events() -> str:
    open_ones = OutboxDelivery.objects.exclude(state__in=[OutboxDelivery.State.DELIVERED, OutboxDelivery.State.SKIPPED])
    parked = open_ones.filter(state=OutboxDelivery.State.PARKED).count()
    if parked:
        raise RuntimeError(gettext("%d parked: look at them in the admin") % parked)
    return gettext("%d on their way") % open_ones.count()


def _catalogue() -> str:
    return gettext("%d titles published") % Title.objects.published().count()


PARTS: list[tuple[str | Promise, Callable[[], str]]] = [
    (_("Database"), _database),
    (_("Cache and queue"), _cache),
    (_("Jobs"), _jobs),
    (_("Events"), _events),
    (_("Catalogue"), _catalogue),
]


def _ask(name: str | Promise, question: Callable[[], str]) -> Part:
    try:
        return Part(name, True, question())
    except RuntimeError as problem:
        return Part(name, False, str(problem))
    # A page that shows what is broken must not break with it.
    except Exception:
        logger.warning("status_part_unwell", part=str(name), exc_info=True)
        return Part(name, False, _("does not answer"))


def _posters() -> list[Artwork]:
    """Answer pictures of some of the newest published titles, one each."""
    images = Artwork.objects.filter(kind=Artwork.Kind.POSTER, title__in=Title.objects.published()).exclude(file="")
    newest = images.select_related("title").order_by("-title_id", "id").distinct("title_id")
    return list(newest[:SHOWN_POSTERS])


def _doors() -> list[Door]:
    doors = [
        Door(_("API"), _("Every operation, to read and to try"), reverse("docs")),
        Door(_("Admin"), _("Catalogue, accounts and billing for staff"), reverse("admin:index")),
    ]
    if settings.INBOX_URL:
        doors.append(Door(_("Inbox"), _("The e-mails this platform has sent"), settings.INBOX_URL))
    if not settings.PRODUCTION:
        doors.append(Door(_("Status"), _("How its parts are"), reverse("status")))
    return doors
