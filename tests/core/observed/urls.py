"""A view that asks the database and the cache, says so, and starts a task."""

from __future__ import annotations

import logging

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.core.observed.tasks import observe

logger = logging.getLogger(__name__)


def view(request: HttpRequest, colour: str) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    cache.get("nothing")
    logger.info("A view ran for somebody@example.com with %s.", request.headers.get("Authorization"))
    if colour == "red":
        raise RuntimeError("sk_test_4eC39HqLyjWDarjtT1zdp7dc")
    observe.delay(colour=colour)
    return HttpResponse(colour)


urlpatterns = [path("colours/<str:colour>", view)]
