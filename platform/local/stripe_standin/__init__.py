"""A stand-in for Stripe's HTTP API: for local running and for tests, never for money.

    python -m local.stripe_standin --port 8002 --state stripe.sqlite3

It has the endpoints that billing uses, with Stripe's field names, error bodies, test cards,
idempotency keys and signed webhooks, as API version 2026-10-28 has them. It is a process of its own
and knows nothing of the platform. State is one SQLite file that survives a kill, or memory.

A request takes one way, in api.py: authenticate, limit, recall by idempotency key, fault, check
parameters, execute, commit with its events, webhooks and stored reply, reply. What an endpoint does
is in `resources`, a module for each of Stripe's resources.

`/_control` drives it, with JSON bodies; `control.Control` is its client:

    POST reset {"seed"}            forget everything
    GET  clock                     the present; POST {"at": Unix seconds | null} stops or frees it, {"advance": seconds}
    POST jobs                      do now what is due: disputes of test cards, refunds that settle
    POST faults {"kind", "method", "path", "skip", "times", "probability", "seconds"}, GET faults   see faults.py
    POST rate {"per_second", "per_endpoint"}   429 beyond so many requests a second
    POST clear                     forget faults and rate limit
    POST webhooks {"copies", "delay", "shuffle", "drop", "hold", "forge"}
    POST webhooks/release {"order": "created" | "reversed" | "shuffled"}
    POST webhooks/resend {"event"}
    POST webhooks/forge {"type", "object", "flaw": "secret" | "body" | "timestamp" | "unsigned" | "none"}
    POST webhooks/rotate {"secret", "keep_old_for": seconds}
    GET  deliveries                how many webhooks wait
    POST authenticate {"id", "passed"}   what a customer tells the bank; /_pages/authenticate/... is its page
    POST dispute {"charge", "reason", "amount", "inquiry"}; POST decide {"dispute", "won"}
    POST fraud_warning {"charge"}
    POST card {"payment_method", "behave_as": test card number, "exp_month", "exp_year", "last4", "brand"}
    GET  books {"customer"}        charges that moved money, and the balance by currency
    GET  counters                  answers by endpoint and status
    GET  health

Where it differs from Stripe: there is a balance in each currency and no exchange, only cards,
no Connect, and refunds and decided disputes take five minutes.
"""
