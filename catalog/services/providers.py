"""Providers and what we do with what they deliver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from catalog.models import Provider

POLICY = frozenset(
    {
        "publish", "has_default_licence", "default_territories", "default_starts_on", "default_ends_on",
        "default_license_type", "precedence", "precedence_by_field",
    }
)  # fmt: skip
"""What decides how a record becomes a title: a change makes the next delivery be read anew."""


def save(*, code: str, fields: Mapping[str, Any]) -> Provider:
    """Make a provider, or change the named fields of the one with this code."""
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
