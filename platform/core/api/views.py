"""What clients of every app need: the countries, and what our error codes mean."""

from __future__ import annotations

from typing import Any

from babel import Locale
from django.conf import settings
from django.utils.translation import get_language, to_locale
from django.views.generic import TemplateView
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api import etags, problems
from core.geo import country_codes


class CountrySerializer(serializers.Serializer[Any]):
    """A country that an account can be of."""

    code = serializers.RegexField("^[A-Z]{2}$", help_text="ISO 3166-1 alpha-2; XK is Kosovo.")
    name = serializers.CharField(help_text="In the language of the request.")


class CountriesView(APIView):
    """Countries, for sign-up."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="countries_list", responses=CountrySerializer(many=True))
    @etags.conditional
    def get(self, request: Request) -> Response:
        """List the countries by name, in the language of the request."""
        language = get_language() or settings.LANGUAGE_CODE
        return etags.answer(request, key=["countries", language], body=lambda: _countries(language))


def _countries(language: str) -> list[dict[str, str]]:
    names = Locale.parse(to_locale(language)).territories
    countries = [{"code": code, "name": names.get(code, code)} for code in country_codes()]
    return sorted(countries, key=lambda country: country["name"].casefold())


class ProblemsView(TemplateView):
    """The catalogue of error codes: where the `type` of a problem leads."""

    template_name = "site/problems.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add each code with its meaning."""
        entries = [
            {"code": error.code, "status": error.status, "title": error.title, "meaning": problems.meaning(error)}
            for error in problems.catalogue()
        ]
        return super().get_context_data(site_name=settings.SITE_NAME, problems=entries, **kwargs)
