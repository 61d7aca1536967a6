"""`python -m local.stripe_standin`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from local.stripe_standin.api import Keys
from local.stripe_standin.app import build
from local.stripe_standin.server import configured, listen
from local.stripe_standin.store import StateUnusable


def main() -> int:
    """Serve until told to stop; answers the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.stripe_standin", description="A stand-in for Stripe's API.")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("--state", default=":memory:", help="SQLite file; in memory unless given")
    parser.add_argument("--webhook-url", action="append", default=[], help="where events are sent; may be given again")
    parser.add_argument("--webhook-secret", default="whsec_local", help="signs webhooks; several with commas")
    parser.add_argument(
        "--record",
        type=Path,
        default=os.environ.get("STRIPE_STANDIN_RECORD"),
        help="append requests with the secret key to this file, as JSON lines",
    )
    parser.add_argument("--secret-key", default=os.environ.get("STRIPE_SECRET_KEY") or Keys.secret)
    parser.add_argument("--publishable-key", default=os.environ.get("STRIPE_PUBLISHABLE_KEY") or Keys.publishable)
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    try:
        listener = listen(options.port)
    except OSError as error:
        print(f"The stand-in for Stripe cannot listen on port {options.port}: {error.strerror}.", file=sys.stderr)
        return 1
    try:
        app = build(
            options.state,
            keys=Keys(options.secret_key, options.publishable_key),
            webhook_urls=options.webhook_url,
            webhook_secrets=options.webhook_secret.split(","),
            record=options.record,
        )
    except StateUnusable as error:
        print(f"The stand-in for Stripe cannot start: {error}", file=sys.stderr)
        return 1
    print(f"Stand-in for Stripe on http://127.0.0.1:{listener.getsockname()[1]}, state in {options.state}", flush=True)
    configured(app).run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
