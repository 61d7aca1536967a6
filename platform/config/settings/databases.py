"""PostgreSQL, which holds what is true, and Valkey or Redis, which holds what may be lost."""

from typing import Any

from config.environment import postgresql
from config.settings.deployment import env, required

_database = postgresql(required("DATABASE_URL", "the PostgreSQL database, postgresql://user:password@host/name"))
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **_database,
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,  # the pool keeps connections, not the thread
        # Each is asked whether it lives when it leaves the pool: a restart of the server fails no later request.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **_database.get("OPTIONS", {}),  # such as ?sslmode=verify-full in the address
            "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 10)},
            # For what core.prepared asks, and nothing else.
            "prepare_threshold": 0 if env.bool("DATABASE_PREPARES", True) else None,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = required("REDIS_URL", "the Valkey or Redis server, redis://host:6379/0")
CACHES = {"default": {"BACKEND": "core.metrics.MeasuredCache", "LOCATION": REDIS_URL}}

MIGRATION_LINTER_OPTIONS = {
    "exclude_apps": ["account", "admin", "auth", "contenttypes", "mfa", "sessions", "socialaccount", "usersessions"],
    # The first creates tables alone, in SQL that the linter reads line by line and takes for columns added to a full
    # table. The other makes a column of text longer, which PostgreSQL does without touching the rows.
    "ignore_name": ["0001_outbox", "0020_place_of_taxation"],
    "no_cache": True,
}
