"""What this deployment is: its kind, its secret key, its addresses and its name.

The other modules read the environment with what stands here. Production is the default and assumes nothing.
"""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

ROOT = Path(__file__).resolve().parents[3]

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
