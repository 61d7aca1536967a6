"""`python -m local.standin`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import uvicorn

from local.standin.api import Api
from local.standin.server import Server
from local.standin.store import OtherVersion, Store
from local.standin.world import World


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.standin", description="A stand-in for Stripe's API.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", default=":memory:", help="SQLite file; in memory unless given")
    parser.add_argument("--webhook-url", action="append", default=[], help="where events are sent; may be given again")
    secret = os.environ.get("STRIPE_WEBHOOK_SECRET", "whsec_throwaway")
    parser.add_argument("--webhook-secret", default=secret, help="signs webhooks; several with commas")
    parser.add_argument("--record", type=Path, help="append the platform's requests as JSON lines")
    parser.add_argument("--secret-key", default=os.environ.get("STRIPE_SECRET_KEY", "sk_test_local"))
    parser.add_argument("--publishable-key", default=os.environ.get("STRIPE_PUBLISHABLE_KEY", "pk_test_local"))
    options = parser.parse_args()

    given = [
        {"id": f"we_start_{position}", "url": url, "secret": options.webhook_secret, "enabled_events": ["*"]}
        for position, url in enumerate(options.webhook_url)
    ]
    try:
        world = World(Store(options.state), given)
    except OtherVersion as error:
        parser.exit(1, f"{error}\n")
    stripe = Api(world, secret_key=options.secret_key, publishable_key=options.publishable_key)
    uvicorn.run(
        Server(world, stripe, record=options.record).application(),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
