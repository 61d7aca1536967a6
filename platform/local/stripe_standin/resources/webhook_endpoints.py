"""Webhook endpoints: who is told of events, and the secrets that sign what they are told."""

from __future__ import annotations

import secrets
from typing import Any

from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    PAGE,
    Required,
    array_of,
    boolean,
    merge_metadata,
    metadata,
    text,
    unsettable,
)
from local.stripe_standin.work import Thing, Work, public

KIND = "webhook_endpoint"
_URL = "/v1/webhook_endpoints"


@operation(
    "POST",
    _URL,
    {
        "api_version": text(),
        "connect": boolean,
        "description": unsettable(text()),
        "enabled_events": Required(array_of(text())),
        "metadata": metadata,
        "url": Required(text()),
    },
)
def create(work: Work, params: dict[str, Any]) -> Thing:
    secret = f"whsec_{secrets.token_urlsafe(24)}"
    endpoint = make(work, params["url"], [secret], enabled_events=params["enabled_events"])
    endpoint.update(
        api_version=params.get("api_version"),
        description=params.get("description"),
        metadata=merge_metadata({}, params.get("metadata", {})),
    )
    # Shown this once.
    return {**public(endpoint), "secret": secret}


@operation("GET", _URL, PAGE)
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(work, KIND, params, _URL)


@operation("GET", f"{_URL}/{{endpoint}}")
def retrieve(work: Work, params: dict[str, Any], endpoint: str) -> Thing:
    return public(work.get(KIND, endpoint))


@operation(
    "POST",
    f"{_URL}/{{endpoint}}",
    {
        "description": unsettable(text()),
        "disabled": boolean,
        "enabled_events": array_of(text()),
        "metadata": metadata,
        "url": text(),
    },
)
def update(work: Work, params: dict[str, Any], endpoint: str) -> Thing:
    found = work.get(KIND, endpoint)
    found.update({name: params[name] for name in ("description", "enabled_events", "url") if name in params})
    found["metadata"] = merge_metadata(found["metadata"], params.get("metadata", {}))
    if "disabled" in params:
        found["status"] = "disabled" if params["disabled"] else "enabled"
    work.save(found)
    return public(found)


@operation("DELETE", f"{_URL}/{{endpoint}}")
def delete(work: Work, params: dict[str, Any], endpoint: str) -> Thing:
    work.get(KIND, endpoint)
    work.delete(endpoint)
    return {"id": endpoint, "object": KIND, "deleted": True}


def make(work: Work, url: str, signing_secrets: list[str], *, enabled_events: list[str]) -> Thing:
    """Make an endpoint whose webhooks are signed with every one of these secrets."""
    return work.new(KIND, enabled_events=enabled_events, url=url, _secrets=signing_secrets)
