"""A stand-in for Stripe's HTTP API: for local running and for tests, never for money.

    python -m local.standin --port 8002 --state stripe.sqlite3

It has the endpoints that billing uses, with Stripe's field names, errors, test cards, idempotency
keys and signed webhooks. What it would not carry out it refuses: a parameter that it does not know is
an error, as an unknown one is at Stripe. Its state survives a restart. `/_control` drives it with
JSON bodies:

    GET  faults;  POST faults  {"kind", "method", "path", "skip", "times", "probability", "seconds"}  (see faults.py)
    POST webhooks  {"copies", "delay", "shuffle", "drop", "forge"}
    POST rate      {"per_second"}: answer 429 beyond it
    POST clear     forget all faults
    GET  clock;  POST clock {"at": Unix seconds | null} or {"advance": seconds}, and {"sign": true}
    POST authenticate {"kind": "payment_intent" | "setup_intent", "id", "passed"}: what the customer tells the bank
    POST card {"payment_method", "brand", "last4", "exp_month", "exp_year", "country", "behaves_like", "wallet"}: what its bank changes
    POST dispute {"charge", "reason"};  POST fraud_warning {"charge"};  POST decide {"dispute", "won"}
    POST payout {"currency"}: all of it;  POST settle_payout {"payout", "paid"}
    GET  books     every charge that moved money, and the net by currency
    GET  deliveries   how many webhooks wait
    GET  requests     how many requests have come and are not answered
    POST reset     forget everything

`control.Control` is a client of it. One thread serves everything, so requests do not interleave.

The driven clock says when objects were made and when idempotency keys are forgotten. Webhooks are
signed with the system's time, because a receiver in another process checks their age against its own;
`"sign": true` signs them with the driven clock too, for a receiver whose time is driven with it, or that
should find them too old. Webhooks wait for their retries in the system's time always.
"""
