"""The settings as mypy's Django plugin reads them: it needs names and types, no servers."""

import os

os.environ |= {
    "DEPLOYMENT": "test",
    "SECRET_KEY": "unused",
    "PUBLIC_URL": "http://testserver",
    "DEFAULT_COUNTRY": "US",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "STRIPE_SECRET_KEY": "sk_test_unused",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_unused",
    "STRIPE_WEBHOOK_SECRET": "whsec_unused",
}

from config.settings import *  # noqa: F403, TID251 - this is a settings module
