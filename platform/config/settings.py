"""Every setting, read from the environment.

Production is the default deployment and assumes nothing: a missing secret stops the start with a
sentence that names it. `make run` and `make test` set all of this themselves.
"""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

ROOT = Path(__file__).resolve().parents[2]

env = environ.Env()

DEPLOYMENT: str = env.str("DEPLOYMENT", "production")
if DEPLOYMENT not in {"production", "local", "test"}:
    raise ImproperlyConfigured(f"DEPLOYMENT is {DEPLOYMENT!r}; it must be production, local or test.")
PRODUCTION = DEPLOYMENT == "production"


def required(name: str, purpose: str) -> str:
    """Answer a setting that has no safe default."""
    value: str = env.str(name, "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set ({purpose}). Set it in the environment; `make run` sets it by itself on one machine."
        )
    return value


# ---------------------------------------------------------------- what this is

SECRET_KEY = required("SECRET_KEY", "signs sessions and links; make one with `openssl rand -base64 48`")
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = False
PUBLIC_URL = required("PUBLIC_URL", "the address that people's browsers see, such as https://tv.example").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[environ.urlparse(PUBLIC_URL).hostname])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SITE_NAME = env.str("SITE_NAME", "Streaming")

INSTALLED_APPS = [
    # The admin's looks must precede the admin.
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core",
    "accounts",
    "billing",
]
if not PRODUCTION:
    INSTALLED_APPS += ["local", "django_migration_linter"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# ---------------------------------------------------------------- data

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **environ.Env.db_url_config(
            required("DATABASE_URL", "the PostgreSQL database, postgresql://user:password@host/name")
        ),
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,  # the pool keeps connections, not the thread
        "OPTIONS": {"pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 10)}},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = required("REDIS_URL", "the Valkey or Redis server, redis://host:6379/0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# ---------------------------------------------------------------- people and languages

AUTH_USER_MODEL = "accounts.User"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [ROOT / "platform" / "config" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# ---------------------------------------------------------------- jobs

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
# A killed worker's task is delivered again: every task is safe to run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = env.str("CELERY_BEAT_SCHEDULE_FILENAME", "celerybeat-schedule")
# Names of tasks, so that the schedule imports no app.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {}

# ---------------------------------------------------------------- payments

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

# ---------------------------------------------------------------- files

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", ROOT / ".local" / "static")
MEDIA_URL = "media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", ROOT / "media")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEPLOYMENT == "test"
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# ---------------------------------------------------------------- e-mail

vars().update(env.email_url("EMAIL_URL", default="smtp://localhost:25"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", f"{SITE_NAME} <no-reply@{environ.urlparse(PUBLIC_URL).hostname}>")
INBOX_URL = env.str("INBOX_URL", "")
"""Where the local platform shows received mail; empty elsewhere."""

# ---------------------------------------------------------------- security

if PRODUCTION:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/"]  # probes speak plain HTTP inside the cluster
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# ---------------------------------------------------------------- API

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": f"{SITE_NAME} API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
}

# ---------------------------------------------------------------- tests and checks

if DEPLOYMENT == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIGRATION_LINTER_OPTIONS = {
    "exclude_apps": ["admin", "auth", "contenttypes", "sessions"],
    "no_cache": True,
}
