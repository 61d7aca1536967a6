"""Providers and what we do with what they deliver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from catalog.models import Provider
from catalog.services.ingestion.linking import OWNED
from core.errors import DomainError

POLICY = frozenset(
    {
        "publish", "has_default_licence", "default_territories", "default_starts_on", "default_ends_on",
        "default_license_type", "precedence", "precedence_by_field",
    }
)  # fmt: skip
"""What decides how a record becomes a title: a change makes the next delivery be read anew."""

PRECEDED = tuple(name for name in OWNED if name not in {"parent_id", "series_id"})
"""The fields and parts of titles in which one provider's word may count for more than another's."""
HIGHEST_PRECEDENCE = 32_767


class ProviderInvalid(DomainError):
    code = "provider_invalid"
    title = "This provider cannot be."
    status = 422


def save(*, code: str, fields: Mapping[str, Any]) -> Provider:
    """Make a provider, or change the named fields of the one with this code.

    Raises ProviderInvalid: a precedence of a field that no delivery tells of, or that is no number.
    """
    _check_precedence(fields.get("precedence_by_field", {}))
    with transaction.atomic():
        provider, new = Provider.objects.select_for_update().get_or_create(code=code, defaults=dict(fields))
        if new:
            return provider
        changed = {name for name, value in fields.items() if getattr(provider, name) != value}
        for name in changed:
            setattr(provider, name, fields[name])
        if changed & POLICY:
            provider.policy_version += 1
        provider.save()
    return provider


def _check_precedence(by_field: Any) -> None:
    if not isinstance(by_field, dict):
        raise ProviderInvalid("The precedence by field is a number for each field, by the field's name.")
    for name, number in by_field.items():
        if name not in PRECEDED:
            raise ProviderInvalid(f"No delivery tells of {name!r}; it is one of {', '.join(PRECEDED)}.")
        if type(number) is not int or not 0 <= number <= HIGHEST_PRECEDENCE:
            raise ProviderInvalid(f"The precedence of {name} must be a whole number from 0 to {HIGHEST_PRECEDENCE:,}.")
