"""What requests may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail


class InputSerializer(serializers.Serializer[Any]):
    """The body of a request, or an object in it.

    A member that nobody asked for is an error and not ignored: it is a misspelt one, or one that the
    client believes to have an effect.
    """

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown members, together with whatever else is wrong."""
        unknown = (
            set(data) - {name for name, field in self.fields.items() if not field.read_only}
            if isinstance(data, Mapping)
            else set()
        )
        errors: dict[str, Any] = {
            name: [ErrorDetail(_("There is no such member."), "unknown_member")] for name in sorted(unknown)
        }
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not errors:
                raise
            raise serializers.ValidationError({**errors, **error.detail}) from None  # type: ignore[dict-item]  # of a mapping it is a dict
        if errors:
            raise serializers.ValidationError(errors)
        return value


class TextField(serializers.CharField):
    """Text and nothing that could be read as text: DRF's own takes numbers too."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class InputSerializerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # drf-spectacular registers subclasses untyped
    """Says in the API's description that unknown members are refused."""

    target_class = InputSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Describe the object as closed."""
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # type: ignore[no-untyped-call]  # of an untyped library
        return {**schema, "additionalProperties": False}
