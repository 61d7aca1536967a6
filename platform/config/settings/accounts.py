"""People: how they sign up, sign in and prove who they are, and how accounts end."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.settings.deployment import DEPLOYMENT, PRODUCTION, PUBLIC_URL, SITE_NAME, env, required

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
# The admin's is the only page to sign in at; who calls it by its own address names no other to go on to.
LOGIN_REDIRECT_URL = "admin:index"
# The first makes new hashes (argon2id, as OWASP advises); the second still reads imported ones.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
if DEPLOYMENT == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
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
