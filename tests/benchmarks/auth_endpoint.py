"""An endpoint that does nothing, for bench_auth."""

from __future__ import annotations

from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Bare(APIView):
    """Answers whether somebody is signed in, to everybody."""

    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        """Answer it."""
        return Response({"is_signed_in": request.user.is_authenticated})


urlpatterns = [path("bare", Bare.as_view())]
