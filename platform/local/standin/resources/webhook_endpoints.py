"""Webhook endpoints made over the API (docs.stripe.com/api/webhook_endpoints)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.store import Object
from local.standin.wire import StripeError, merge_metadata, require


def create(call: Call) -> Object:
    """Register an address; its secret is answered this once."""
    require(call.params, "url", "enabled_events")
    if not call.params["url"].startswith(("http://", "https://")):
        raise StripeError(
            "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
    endpoint = call.world.store.add(
        {
            "id": call.world.new_id("we"),
            "object": "webhook_endpoint",
            "api_version": None,
            "application": None,
            "created": call.world.now(),
            "description": call.params.get("description"),
            "enabled_events": call.params["enabled_events"],
            "livemode": False,
            "metadata": merge_metadata({}, call.params.get("metadata")),
            "status": "enabled",
            "url": call.params["url"],
        }
    )
    secret = call.world.new_id("whsec")
    call.world.store.hide(endpoint["id"], "secret", secret)
    call.world.endpoints_changed()
    return endpoint | {"secret": secret}


def retrieve(call: Call) -> Object:
    """Answer an endpoint, without its secret."""
    return call.world.get("webhook_endpoint", call.id)


def delete(call: Call) -> Object:
    """Forget an address."""
    call.world.get("webhook_endpoint", call.id)
    call.world.store.remove(call.id)
    call.world.endpoints_changed()
    return {"id": call.id, "object": "webhook_endpoint", "deleted": True}


def listing(call: Call) -> Object:
    """Answer endpoints, newest first."""
    return call.listing("webhook_endpoint", "/v1/webhook_endpoints")
