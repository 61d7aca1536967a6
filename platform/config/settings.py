"""Every setting, read from the environment.

Production is the default deployment and assumes nothing: a missing secret stops the start with a
sentence that names it. `make run` and `make test` set all of this themselves.
"""

import logging
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.environment import Environment, postgresql
from core import logs, scrape, security
from core.geo import is_country
from core.proxies import TrustedProxies

ROOT = Path(__file__).resolve().parents[2]

env = Environment()

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


def production_refuses(when: bool, sentence: str) -> None:
    """Keep a production deployment from starting with a value that is only good elsewhere."""
    if PRODUCTION and when:
        raise ImproperlyConfigured(f"{sentence} (DEPLOYMENT is production.)")


# ---------------------------------------------------------------- what this is

SECRET_KEY = required("SECRET_KEY", "signs sessions and links; make one with `openssl rand -base64 48`")
production_refuses(
    SECRET_KEY.startswith(("django-insecure-", "only-for-")) or len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5,
    "SECRET_KEY is a default or too short; make one with `openssl rand -base64 48`.",
)
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = False
production_refuses(
    env.str("DEBUG", "").lower() not in {"", "0", "false", "no", "off"},
    "DEBUG is set, which shows secrets to anybody who meets an error; unset it.",
)
PUBLIC_URL = required("PUBLIC_URL", "the address that people's browsers see, such as https://tv.example").rstrip("/")
production_refuses(
    not PUBLIC_URL.startswith("https://"),
    "PUBLIC_URL must begin with https://, or cookies and links go about in the open.",
)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[environ.urlparse(PUBLIC_URL).hostname])
production_refuses(
    any(not host or host.startswith("*") for host in ALLOWED_HOSTS),
    "ALLOWED_HOSTS must name hosts: with * anybody's links and caches could speak in our name.",
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SITE_NAME = env.str("SITE_NAME", "Streaming")

INSTALLED_APPS = [
    # The admin's looks must precede the admin.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "config.apps.StaffAdminConfig",
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
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "django_structlog",
    "core",
    "accounts",
    "catalog",
    "billing",
]
if not PRODUCTION:
    INSTALLED_APPS += ["local", "django_migration_linter", "django_linear_migrations"]

MIDDLEWARE = [
    # First of all, so that every answer has its id and every line of a request carries it.
    "core.middleware.RequestLog",
    # Before whatever looks at host or scheme: a probe calls by the address of the machine.
    "core.health.HealthProbes",
    "core.metrics.RequestMetrics",
    # Before whatever reads the client's address or the scheme.
    "core.middleware.ClientAddress",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.security.ContentSecurityPolicy",
    "core.security.PermissionsPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "core.api.middleware.RefuseNul",
    "core.api.middleware.KeptByNobody",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.api.middleware.AccountDoors",
    "accounts.api.middleware.MendedSignIn",
    "accounts.api.middleware.StrictJson",
    "allauth.account.middleware.AccountMiddleware",
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

# ---------------------------------------------------------------- people and languages

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
# The admin's is the only page to sign in at; who calls it by its own address names no other to go on to.
LOGIN_REDIRECT_URL = "admin:index"
# The first makes new hashes (argon2id, as OWASP advises); the second still reads imported ones.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email"]},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
BREACHED_PASSWORDS_REFUSED: bool = env.bool("BREACHED_PASSWORDS_REFUSED", PRODUCTION)
"""Whether passwords known from breaches elsewhere are refused. Who knows them learns five characters of a hash."""
if BREACHED_PASSWORDS_REFUSED:
    AUTH_PASSWORD_VALIDATORS += [
        {
            # Without an answer within a second it lets the password pass, and logs that it did.
            "NAME": "pwned_passwords_django.validators.PwnedPasswordsValidator",
            "OPTIONS": {"error_message": _("This password is known from a breach elsewhere; choose another.")},
        }
    ]
SESSION_COOKIE_AGE = 30 * 24 * 3600

# Sign-in is django-allauth's, as an API alone: codes by mail, no pages, no links to follow.
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app", "browser")
HEADLESS_SERVE_SPECIFICATION = True
HEADLESS_SPECIFICATION_TEMPLATE_NAME = None  # its page loads from a CDN; /api/docs shows the description
FRONTEND_URL = env.str("FRONTEND_URL", "").rstrip("/")
"""The operator's own web client, for links in mail; empty while there is none."""
HEADLESS_FRONTEND_URLS = {
    "account_signup": f"{FRONTEND_URL or PUBLIC_URL}/sign-up",
    "account_reset_password": f"{FRONTEND_URL or PUBLIC_URL}/reset-password",
    "socialaccount_login_error": f"{FRONTEND_URL or PUBLIC_URL}/sign-in/failed",
}
ACCOUNT_ADAPTER = "accounts.api.adapter.AccountAdapter"
USERSESSIONS_ADAPTER = "accounts.api.adapter.SessionsAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.api.signup.SignupForm"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
# Long enough for a mail that is slow to come; three wrong tries end a code in any case.
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# How long a proof of who it is, a sign-in for one, is good for what is sensitive: see accounts.proofs.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
ACCOUNT_EMAIL_NOTIFICATIONS = True
# How long somebody who asked for their account to be deleted may take it back.
ACCOUNT_DELETION_GRACE_DAYS = env.int("ACCOUNT_DELETION_GRACE_DAYS", 14)
# How long the owner of an account has to stop somebody who says that its second factor is lost.
RECOVERY_DELAY_HOURS = env.int("RECOVERY_DELAY_HOURS", 72)
STAFF_SECOND_FACTOR_REQUIRED: bool = env.bool("STAFF_SECOND_FACTOR_REQUIRED", PRODUCTION)
"""Whether the admin lets in only who signed in with a second factor."""
MFA_ADAPTER = "accounts.api.adapter.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = True
# Browsers make passkeys for https alone, and for localhost.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION
PASSKEY_DOMAIN = env.str("PASSKEY_DOMAIN", environ.urlparse(FRONTEND_URL or PUBLIC_URL).hostname)
"""The domain that passkeys are good for, with its subdomains; those made for another are lost when it changes."""
MFA_TOTP_ISSUER = SITE_NAME
MFA_TOTP_TOLERANCE = 1  # clocks of phones differ
MFA_RECOVERY_CODES_SHOW_ONCE = True

SIGNUP_BOT_CHECK = env.str("SIGNUP_BOT_CHECK", "")
"""The class that tells people from programs at sign-up, see accounts.bot_checks; empty: none."""
BOT_CHECK_URL = env.str("BOT_CHECK_URL", "")
BOT_CHECK_SECRET = env.str("BOT_CHECK_SECRET", "")
if SIGNUP_BOT_CHECK and not (BOT_CHECK_URL and BOT_CHECK_SECRET):
    raise ImproperlyConfigured("SIGNUP_BOT_CHECK is set; set BOT_CHECK_URL and BOT_CHECK_SECRET, too.")

# Sign-in by any number of OpenID providers: OIDC_PROVIDERS lists short names, and OIDC_<NAME>_... says the rest.
SOCIALACCOUNT_ADAPTER = "accounts.api.adapter.ProvidersAdapter"
SOCIALACCOUNT_AUTO_SIGNUP = False  # a new account says its country first
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # who controls a provider does not control its users' accounts here
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": name,
                "name": env.str(f"OIDC_{name.upper()}_NAME", name.capitalize()),
                "client_id": required(f"OIDC_{name.upper()}_CLIENT_ID", f"{name} is one of OIDC_PROVIDERS"),
                "secret": env.str(f"OIDC_{name.upper()}_CLIENT_SECRET", ""),
                "settings": {"server_url": required(f"OIDC_{name.upper()}_ISSUER", f"{name} is one of OIDC_PROVIDERS")},
            }
            for name in env.list("OIDC_PROVIDERS", default=[])
        ],
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [ROOT / "platform" / "config" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# ---------------------------------------------------------------- invoices

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
WORKER_HEARTBEAT_FILE = env.str("WORKER_HEARTBEAT_FILE", "")
"""Touched every ten seconds by a worker that runs; an older file means one that hangs."""
CELERY_BEAT_SCHEDULE_FILENAME = env.str("CELERY_BEAT_SCHEDULE_FILENAME", "celerybeat-schedule")
# Names of tasks, so that the schedule imports no app.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "relay-outbox": {"task": "core.tasks.relay_outbox", "schedule": 60},
    "purge-idempotency-keys": {"task": "core.tasks.purge_idempotency_keys", "schedule": 3600},
    "keep-partitions": {"task": "core.tasks.keep_partitions", "schedule": 24 * 3600},
    "deliver-due-mail": {"task": "accounts.tasks.deliver_due_mail", "schedule": 60},
    "build-due-exports": {"task": "accounts.tasks.build_due_exports", "schedule": 60},
    "erase-due-accounts": {"task": "accounts.tasks.erase_due_accounts", "schedule": 60},
    "mail-recovery-codes": {"task": "accounts.tasks.mail_recovery_codes", "schedule": 60},
    "expire-profile-offers": {"task": "accounts.tasks.expire_profile_offers", "schedule": 600},
    "purge-accounts": {"task": "accounts.tasks.purge", "schedule": 24 * 3600},
    "renew-subscriptions": {"task": "billing.tasks.renew_due", "schedule": 60},
    "alert-of-late-renewals": {"task": "billing.tasks.alert_of_late_renewals", "schedule": 3600},
    "sweep-payments": {"task": "billing.tasks.sweep_payments", "schedule": 60},
    "process-webhooks": {"task": "billing.tasks.process_webhooks", "schedule": 60},
    "warn-of-expiring-cards": {"task": "billing.tasks.warn_of_expiring_cards", "schedule": 3600},
    "deliver-gifts": {"task": "billing.tasks.deliver_gifts", "schedule": 60},
    "expire-gifts": {"task": "billing.tasks.expire_gifts", "schedule": 3600},
    "prune-setbacks": {"task": "billing.tasks.prune_setbacks", "schedule": 3600},
    "send-receipts": {"task": "billing.tasks.send_receipts", "schedule": 60},
    "record-recurring-revenue": {"task": "billing.tasks.record_recurring_revenue", "schedule": 1800},
    "record-seller": {"task": "billing.tasks.record_seller", "schedule": 900},
    "sweep-refunds": {"task": "billing.tasks.sweep_refunds", "schedule": 300},
    "fill-webhook-holes": {"task": "billing.tasks.fill_webhook_holes", "schedule": 24 * 3600},
    "purge-webhooks": {"task": "billing.tasks.purge_webhooks", "schedule": 24 * 3600},
    "recognise-revenue": {"task": "billing.tasks.recognise_revenue", "schedule": 3600},
    "announce-prices": {"task": "billing.tasks.announce_prices", "schedule": 3600},
    "remind-of-charges": {"task": "billing.tasks.remind", "schedule": 3600},
    "tie-out-books": {"task": "billing.tasks.tie_out", "schedule": 6 * 3600},
    "run-queued-ingests": {"task": "catalog.tasks.run_queued_ingests", "schedule": 60},
    "check-due-sources": {"task": "catalog.tasks.check_due_sources", "schedule": 60},
    "carry-out-plans": {"task": "catalog.tasks.carry_out_plans", "schedule": 60},
    "purge-deliveries": {"task": "catalog.tasks.purge_deliveries", "schedule": 24 * 3600},
    "package-queued-media": {"task": "catalog.tasks.package_queued_media", "schedule": 60},
    "work-on-artwork": {"task": "catalog.tasks.work_on_artwork", "schedule": 60},
    "purge-artwork": {"task": "catalog.tasks.purge_artwork", "schedule": 7 * 24 * 3600},
    "purge-media": {"task": "catalog.tasks.purge_media", "schedule": 24 * 3600},
    "follow-renames": {"task": "catalog.tasks.follow_renames", "schedule": 60},
    "apply-age-ratings": {"task": "catalog.tasks.apply_age_ratings", "schedule": 24 * 3600},
    "refresh-search-vocabulary": {"task": "catalog.tasks.refresh_vocabulary", "schedule": 24 * 3600},
}
for _entry in CELERY_BEAT_SCHEDULE.values():
    # What waited until its next turn is dropped for it: an outage of the workers leaves no heap of turns behind.
    _entry["options"] = {"expires": _entry["schedule"]}
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "core.tasks.relay_outbox": {"queue": "outbox"},
    "accounts.tasks.deliver_mail": {"queue": "mail"},
    "billing.tasks.*": {"queue": "billing"},
    # Work of hours and of all cores: workers of its own.
    "catalog.tasks.package_media": {"queue": "media"},
    "catalog.tasks.work_on_artwork": {"queue": "artwork"},
    "catalog.tasks.*": {"queue": "ingest"},
}

# How often a handler may fail at an event before staff have to decide.
OUTBOX_MAX_FAILURES = env.int("OUTBOX_MAX_FAILURES", 8)
# How long settled deliveries are kept, in whole months that lie behind it.
OUTBOX_RETENTION_DAYS = env.int("OUTBOX_RETENTION_DAYS", 90)

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

# ---------------------------------------------------------------- files

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", ROOT / ".local" / "static")
MEDIA_URL = "media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", ROOT / "media")
S3_BUCKET = env.str("S3_BUCKET", "")
"""Where uploaded files lie when set; keys and region come as boto3 finds them (AWS_ACCESS_KEY_ID, ...)."""
S3_ENDPOINT_URL = env.str("S3_ENDPOINT_URL", "")
S3_PUBLIC_HOST = env.str("S3_PUBLIC_HOST", "")
S3_OPTIONS = {
    "bucket_name": S3_BUCKET,
    "endpoint_url": S3_ENDPOINT_URL or None,
    # Pictures are public and never change under their name; a CDN may keep them for ever.
    "custom_domain": S3_PUBLIC_HOST or None,
    "querystring_auth": not S3_PUBLIC_HOST,
    "file_overwrite": False,
}
MEDIA_ORIGIN = ""
"""Where browsers fetch uploaded files from, when that is not here."""
if S3_BUCKET:
    MEDIA_ORIGIN = f"https://{S3_PUBLIC_HOST}" if S3_PUBLIC_HOST else S3_ENDPOINT_URL or "https://*.amazonaws.com"
PRIVATE_ROOT = env.path("PRIVATE_ROOT", ROOT / "private")
S3_PRIVATE_BUCKET = env.str("S3_PRIVATE_BUCKET", "")
"""Where files lie that nobody outside may read, such as what providers deliver; never behind the CDN."""
production_refuses(
    bool(S3_BUCKET) and S3_PRIVATE_BUCKET in {"", S3_BUCKET},
    "S3_PRIVATE_BUCKET is missing or the public one: partners' deliveries would be readable by everybody.",
)
MOVIELABS_SCHEMAS = env.str("MOVIELABS_SCHEMAS", "")
"""The folder of MovieLabs schemas (avails-v2.4.xsd and so on) that deliveries are checked by; empty: not checked."""
# ffmpeg, ffprobe and shaka-packager, as the shell would find them or by their paths.
FFMPEG = env.str("FFMPEG", "ffmpeg")
FFPROBE = env.str("FFPROBE", "ffprobe")
PACKAGER = env.str("PACKAGER", "packager")
VIDEO_PRESET = env.str("VIDEO_PRESET", "medium")
"""x264's preset: slower ones make smaller files."""
VIDEO_MAX_BYTES: int = env.int("VIDEO_MAX_BYTES", 100_000_000_000)
VIDEO_MAX_SECONDS: int = env.int("VIDEO_MAX_SECONDS", 6 * 3600)
VIDEO_TIMEOUT_SECONDS: int = env.int("VIDEO_TIMEOUT_SECONDS", 12 * 3600)
"""How long one program may work on one track."""
VIDEO_SCRATCH = env.str("VIDEO_SCRATCH", "")
"""Where a worker keeps what it works on; empty: the system's folder for such files."""
PACKAGES_ROOT = env.path("PACKAGES_ROOT", ROOT / "packages")
S3_PACKAGES_BUCKET = env.str("S3_PACKAGES_BUCKET", S3_PRIVATE_BUCKET)
"""Where what players stream lies; whoever may play it gets signed addresses, so it is never the public bucket."""
production_refuses(
    bool(S3_BUCKET) and S3_PACKAGES_BUCKET == S3_BUCKET,
    "S3_PACKAGES_BUCKET is the public bucket: anybody could watch anything.",
)
STORAGES = {
    "packages": (
        {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": S3_OPTIONS
            | {"bucket_name": S3_PACKAGES_BUCKET, "custom_domain": None, "querystring_auth": True},
        }
        if S3_PACKAGES_BUCKET
        else {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": PACKAGES_ROOT}}
    ),
    "private": (
        {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": S3_OPTIONS | {"bucket_name": S3_PRIVATE_BUCKET, "custom_domain": None, "querystring_auth": True},
        }
        if S3_PRIVATE_BUCKET
        else {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": PRIVATE_ROOT, "file_permissions_mode": 0o600},
        }
    ),
    "default": (
        {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": S3_OPTIONS}
        if S3_BUCKET
        else {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    ),
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEPLOYMENT == "test"
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# Tests serve static files from where they lie; nobody has collected them.
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = DEPLOYMENT == "test"

# ---------------------------------------------------------------- e-mail

if PRODUCTION:
    required("EMAIL_URL", "the mail server, smtp+tls://user:password@host:587")
_email: dict[str, Any] = env.email_url("EMAIL_URL", default="smtp://localhost:25")
vars().update(_email)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", f"{SITE_NAME} <no-reply@{environ.urlparse(PUBLIC_URL).hostname}>")
EMAIL_TIMEOUT = 30
production_refuses(
    not _email["EMAIL_BACKEND"].endswith(".smtp.EmailBackend"),
    "EMAIL_URL delivers no mail; name your server, smtp+tls://user:password@host:587.",
)
MAIL_EVENTS_TOKEN = env.str("MAIL_EVENTS_TOKEN", "")
"""What the mail service proves itself with when it tells of bounces and complaints; empty: it tells nothing."""
production_refuses(
    bool(MAIL_EVENTS_TOKEN) and len(MAIL_EVENTS_TOKEN) < 32,
    "MAIL_EVENTS_TOKEN is too short: anybody could guess it and stop mail to your customers.",
)
INBOX_URL = env.str("INBOX_URL", "")
"""Where the local platform shows received mail; empty elsewhere."""

# ---------------------------------------------------------------- where a request comes from

try:
    TRUSTED_PROXIES = TrustedProxies.parse(env.str("TRUSTED_PROXIES", ""))
except ValueError as error:
    raise ImproperlyConfigured(
        f"TRUSTED_PROXIES must be how many proxies of yours stand before this, or their networks: {error}."
    ) from None


def said_by_proxies(name: str) -> str:
    """Answer a header's key in request.META; only proxies of ours may say it, so there must be some."""
    header = env.str(name, "")
    if header and not TRUSTED_PROXIES:
        raise ImproperlyConfigured(f"{name} is set, but TRUSTED_PROXIES is not: anybody could send {header}.")
    return f"HTTP_{header.upper().replace('-', '_')}" if header else ""


_scheme_header = said_by_proxies("PROXY_SCHEME_HEADER")
SECURE_PROXY_SSL_HEADER = (_scheme_header, "https") if _scheme_header else None
CDN_COUNTRY_HEADER = said_by_proxies("CDN_COUNTRY_HEADER")
# core.middleware.ClientAddress has put the client's address where these look without any header.
ALLAUTH_TRUSTED_PROXY_COUNT = 0

GEO_DATABASE = env.str("GEO_DATABASE", "")
GEO_ASN_DATABASE = env.str("GEO_ASN_DATABASE", "")
DEFAULT_COUNTRY = required("DEFAULT_COUNTRY", "the country of viewers of whom nothing is known, such as US").upper()
if not is_country(DEFAULT_COUNTRY):
    raise ImproperlyConfigured(f"DEFAULT_COUNTRY is {DEFAULT_COUNTRY!r}; it must be an ISO 3166-1 code such as US.")

# ---------------------------------------------------------------- fetching

FEED_FOLDER: str = env.str("FEED_FOLDER", "")
"""Below it lie the folders in which partners leave deliveries; empty: none is watched."""
FEED_CREDENTIALS: dict[str, str] = env.dict("FEED_CREDENTIALS", default={})
"""What authorises us at partners' addresses, by the name that a feed source gives."""
FEED_MAX_BYTES: int = env.int("FEED_MAX_BYTES", 4 * 1024**3)
FEED_MAX_SECONDS: float = env.float("FEED_MAX_SECONDS", 3600)
OUTBOUND_ALLOW_LOOPBACK = env.bool("OUTBOUND_ALLOW_LOOPBACK", False)
"""Whether feeds and images may be fetched from this very machine, as when a partner's server is tried out beside it."""
production_refuses(
    OUTBOUND_ALLOW_LOOPBACK,
    "OUTBOUND_ALLOW_LOOPBACK lets partners' addresses reach this machine's own services. Unset it.",
)

# ---------------------------------------------------------------- security

if PRODUCTION:
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = security.policy(media_origin=MEDIA_ORIGIN)
# Of a request's body without its files, which are written to disk as they come in.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
DATA_UPLOAD_MAX_NUMBER_FILES = 20
FILE_UPLOAD_PERMISSIONS = 0o640

# ---------------------------------------------------------------- admin

UNFOLD = {"SITE_TITLE": SITE_NAME, "SITE_HEADER": SITE_NAME, "SITE_SYMBOL": "play_circle"}

# ---------------------------------------------------------------- API

# Requests of an address without a sign-in, of an account, and of an account to what makes payments.
THROTTLE_RATES: dict[str, str | None] = {
    "anon": env.str("THROTTLE_ANON", "120/minute"),
    "account": env.str("THROTTLE_ACCOUNT", "600/minute"),
    "payments": env.str("THROTTLE_PAYMENTS", "20/minute"),
    "gift_codes": env.str("THROTTLE_GIFT_CODES", "10/minute"),
}
if DEPLOYMENT == "test":
    THROTTLE_RATES = dict.fromkeys(THROTTLE_RATES)
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.SessionToken",
        "accounts.api.authentication.SessionCookie",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.WithinReach"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsing.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "core.api.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "core.api.throttling.Anonymous",
        "core.api.throttling.Account",
        "core.api.throttling.Scoped",
    ],
    "DEFAULT_THROTTLE_RATES": THROTTLE_RATES,
    # OPTIONS would answer names of views and serializers; the description is at /api/schema.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "core.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
IDEMPOTENCY_LEASE_SECONDS: int = env.int("IDEMPOTENCY_LEASE_SECONDS", 60)
"""How long a request keeps others with its Idempotency-Key away; longer than a request takes."""
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": f"{SITE_NAME} API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "DESCRIPTION": "Conventions of all endpoints: docs/api.md. Error codes: /api/problems.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "TAGS": [
        {"name": "accounts", "description": "The account and its profiles."},
        {"name": "billing", "description": "Plans, cards, subscriptions, invoices."},
        {"name": "catalog", "description": "What can be watched."},
        {"name": "core", "description": "What clients of all kinds need."},
    ],
    # Fields of one name with other choices.
    "ENUM_NAME_OVERRIDES": {
        "PolicyKindEnum": "accounts.models.consents.PolicyDocument.Kind",
        "DeviceKindEnum": "accounts.models.devices.Device.Kind",
        "DeviceKindRequestEnum": "accounts.rules.DEVICE_KINDS",
        "TitleKindEnum": "catalog.models.titles.Kind",
    },
    # What is asked for and what is answered differ: ids, for one.
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.schema.add_components",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    # The page's assets come from us.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # A script, since the page chooses between two descriptions: ours, and that of sign-in.
    "SWAGGER_UI_SETTINGS": """{
        deepLinking: true,
        persistAuthorization: true,
        layout: "StandaloneLayout",
        presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
        urls: [
            {url: "/api/schema", name: "Service"},
            {url: "/_allauth/openapi.json", name: "Sign-up and sign-in"},
        ],
    }""",
}

# ---------------------------------------------------------------- logs

LOGGING = logs.configuration(json=PRODUCTION, level=env.str("LOG_LEVEL", "INFO"))
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
# The line at the end says all that the line at the start would.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
# A client's mistake is no concern of whoever watches ours.
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO

# ---------------------------------------------------------------- figures and traces

METRICS_PORT: int = env.int("METRICS_PORT", 0)
if METRICS_PORT:
    scrape.share_figures(METRICS_PORT)
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", "streaming")

# ---------------------------------------------------------------- tests and checks

if DEPLOYMENT == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIGRATION_LINTER_OPTIONS = {
    "exclude_apps": ["account", "admin", "auth", "contenttypes", "mfa", "sessions", "socialaccount", "usersessions"],
    # The first creates tables alone, in SQL that the linter reads line by line and takes for columns added to a full
    # table. The other makes a column of text longer, which PostgreSQL does without touching the rows.
    "ignore_name": ["0001_outbox", "0020_place_of_taxation"],
    "no_cache": True,
}
