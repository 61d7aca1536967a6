"""The platform's addresses, and bare views that answer the bytes of real ones, for bench_browse."""

from __future__ import annotations

import os
from pathlib import Path

from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.views import APIView

from config.urls import urlpatterns as platform


class Bare(APIView):
    """Answers a file's bytes to who is signed in."""

    def get(self, request: Request, name: str) -> HttpResponse:
        """Answer it."""
        return HttpResponse(_bytes(name), content_type="application/json")


_read: dict[str, bytes] = {}


def _bytes(name: str) -> bytes:
    if name not in _read:
        _read[name] = (Path(os.environ["BARE_ANSWERS"]) / name).read_bytes()
    return _read[name]


urlpatterns = [path("bare/<slug:name>", Bare.as_view()), *platform]
