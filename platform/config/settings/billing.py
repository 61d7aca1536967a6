"""Money: Stripe, whoever issues the invoices, and what is decided by amounts."""

from config.settings.deployment import PRODUCTION, SITE_NAME, env, production_refuses, required

STRIPE_SECRET_KEY = required("STRIPE_SECRET_KEY", "the secret key of the Stripe account that takes the money")
STRIPE_PUBLISHABLE_KEY = required("STRIPE_PUBLISHABLE_KEY", "the Stripe key that browsers and apps use to save cards")
STRIPE_WEBHOOK_SECRETS: list[str] = [
    secret.strip()
    for secret in required(
        "STRIPE_WEBHOOK_SECRET", "what Stripe signs webhooks with; several, separated by commas, while it is rotated"
    ).split(",")
    if secret.strip()
]
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "")
"""Another address than Stripe's own: the stand-in's. Never in production."""
# Stripe's own limits in live mode; a sandbox takes 25 in all. All workers keep them together.
STRIPE_REQUESTS_PER_SECOND = env.float("STRIPE_REQUESTS_PER_SECOND", 100.0)
STRIPE_CHARGES_PER_SECOND = env.float("STRIPE_CHARGES_PER_SECOND", 25.0)
production_refuses(
    STRIPE_API_BASE not in {"", "https://api.stripe.com"},
    "STRIPE_API_BASE is not Stripe's address: no money would move. Unset it.",
)
production_refuses(
    not STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_")),
    "STRIPE_SECRET_KEY is no live key: no money would move. It begins with sk_live_ or rk_live_.",
)
production_refuses(
    not STRIPE_PUBLISHABLE_KEY.startswith("pk_live_"),
    "STRIPE_PUBLISHABLE_KEY is no live key: no card could be saved. It begins with pk_live_.",
)
production_refuses(
    not all(secret.startswith("whsec_") for secret in STRIPE_WEBHOOK_SECRETS),
    "STRIPE_WEBHOOK_SECRET is no signing secret of Stripe's: anybody could report payments. It begins with whsec_.",
)

if PRODUCTION:
    required("SELLER_NAME", "the company that invoices are issued by")
    required("SELLER_ADDRESS", "its address as invoices must name it, lines separated by |")
SELLER = {
    "name": env.str("SELLER_NAME", SITE_NAME),
    "address": "\n".join(line.strip() for line in env.str("SELLER_ADDRESS", "").split("|") if line.strip()),
    "tax_id": env.str("SELLER_TAX_ID", ""),
    "register": env.str("SELLER_REGISTER", ""),
    "email": env.str("SELLER_EMAIL", ""),
}
RECEIPT_MAILS: bool = env.bool("RECEIPT_MAILS", True)
"""Whether every payment is answered by a mail."""

# Refunds above this many minor units wait for a second person.
REFUND_APPROVAL_LIMIT = env.int("REFUND_APPROVAL_LIMIT", 5000)
FRAUD_WARNING_REFUND_LIMIT = env.int("FRAUD_WARNING_REFUND_LIMIT", 5000)
# For how many years a gift can be redeemed, by the country where it was bought, counted from the end of that year.
# Where the law lets none end, or says nothing, name none.
GIFT_YEARS: dict[str, int] = env.dict("GIFT_YEARS", {"value": int}, {"AT": 30, "DE": 3})
