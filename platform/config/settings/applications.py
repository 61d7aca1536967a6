"""What Django is made of here: apps, the layers that a request passes, templates, and how the admin is called."""

from config.settings.deployment import PRODUCTION, ROOT, SITE_NAME

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

UNFOLD = {"SITE_TITLE": SITE_NAME, "SITE_HEADER": SITE_NAME, "SITE_SYMBOL": "play_circle"}
