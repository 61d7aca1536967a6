"""Mail: the server that sends it, and what it tells of bounces."""

from typing import Any

import environ

from config.settings.deployment import PRODUCTION, PUBLIC_URL, SITE_NAME, env, production_refuses, required

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
