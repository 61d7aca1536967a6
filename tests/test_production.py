"""The production deployment: it starts on nothing doubtful, and what starts is locked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.throwaway import free_port

ROOT = Path(__file__).resolve().parents[1]

# Telling keys together, so that no scanner of repositories takes them for real ones.
LIVE = "live"

PRODUCTION = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": f"{ROOT / 'platform'}",
    "DEPLOYMENT": "production",
    "SECRET_KEY": "Zm9yLXRoZS10ZXN0LW9mLXByb2R1Y3Rpb24tYWxvbmUtMDEyMzQ1Njc4OS1hYmNkZWY",
    "PUBLIC_URL": "https://tv.example",
    "DATABASE_URL": "postgresql://app@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "EMAIL_URL": "smtp+tls://app@mail.example:587",
    "DEFAULT_COUNTRY": "US",
    "SELLER_NAME": "Streaming Limited",
    "SELLER_ADDRESS": "1 Quay Street|Dublin",
    "STRIPE_SECRET_KEY": f"sk_{LIVE}_for_the_test",
    "STRIPE_PUBLISHABLE_KEY": f"pk_{LIVE}_for_the_test",
    "STRIPE_WEBHOOK_SECRET": "whsec_for_the_test",
}
REQUIRED = (
    "SECRET_KEY",
    "PUBLIC_URL",
    "DATABASE_URL",
    "REDIS_URL",
    "EMAIL_URL",
    "DEFAULT_COUNTRY",
    "SELLER_NAME",
    "SELLER_ADDRESS",
    "STRIPE_SECRET_KEY",
    "STRIPE_PUBLISHABLE_KEY",
    "STRIPE_WEBHOOK_SECRET",
)
PROGRAMS = {
    "manage.py": ["manage.py", "check"],
    "gunicorn": ["-m", "gunicorn"],
    "worker": ["-m", "celery", "--quiet", "--app", "config", "worker"],
    "beat": ["-m", "celery", "--quiet", "--app", "config", "beat"],
}


def run(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python in a production environment with some variables changed, or unset where None."""
    environment = {name: value for name, value in (PRODUCTION | changes).items() if value is not None}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def refusal(**changes: str | None) -> str:
    """Answer what the settings say when they refuse; empty if they do not."""
    code = (
        "from django.core.exceptions import ImproperlyConfigured\n"
        "try:\n import config.settings\n"
        "except ImproperlyConfigured as error:\n print(error)"
    )
    done = run("-c", code, **changes)
    assert done.stderr == ""
    return done.stdout.strip()


class TestStart:
    @pytest.mark.parametrize("name", REQUIRED)
    def test_is_refused_without_a_setting_by_its_name(self, name: str) -> None:
        said = refusal(**{name: None})
        assert said.startswith(f"{name} is not set (")
        assert "\n" not in said

    @pytest.mark.parametrize("program", PROGRAMS)
    def test_is_refused_by_every_program_in_one_sentence(self, program: str) -> None:
        extra = ["--bind", f"127.0.0.1:{free_port()}"] if program == "gunicorn" else []
        done = run(*PROGRAMS[program], *extra, SECRET_KEY=None)
        assert done.returncode == 1
        said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("{")]
        assert len(said) == 1, said
        assert said[0].startswith("SECRET_KEY is not set (")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SECRET_KEY", "django-insecure-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG"),
            ("SECRET_KEY", "only-for-throwaway-servers-0123456789-abcdefghijklmnop"),
            ("SECRET_KEY", "short"),
            ("SECRET_KEY", "ab" * 40),
            ("DEBUG", "1"),
            ("DEBUG", "True"),
            ("PUBLIC_URL", "http://tv.example"),
            ("ALLOWED_HOSTS", "*"),
            ("ALLOWED_HOSTS", "tv.example,*.tv.example"),
            ("EMAIL_URL", "consolemail://"),
            ("EMAIL_URL", "dummymail://"),
            ("STRIPE_API_BASE", "http://127.0.0.1:8002"),
            ("STRIPE_API_BASE", "https://api.stripe.com.example"),
            ("STRIPE_SECRET_KEY", "sk_test_123"),
            ("STRIPE_SECRET_KEY", "rk_test_123"),
            ("STRIPE_SECRET_KEY", "changeme"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_test_123"),
            ("STRIPE_WEBHOOK_SECRET", "changeme"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_right,wrong"),
            ("DEFAULT_COUNTRY", "ZZ"),
            ("DATABASE_URL", "nonsense"),
            ("DATABASE_URL", "mysql://user@host/name"),
            ("DATABASE_URL", "postgresql://user@host:port/name"),
            ("METRICS_PORT", "abc"),
            ("DATABASE_POOL_SIZE", "many"),
            ("STAFF_SECOND_FACTOR_REQUIRED", "maybe"),
            ("TRUSTED_PROXIES", "proxy.example"),
            ("PROXY_SCHEME_HEADER", "X-Forwarded-Proto"),
            ("CDN_COUNTRY_HEADER", "CF-IPCountry"),
        ],
    )
    def test_is_refused_with_a_value_that_is_good_elsewhere(self, name: str, value: str) -> None:
        said = refusal(**{name: value})
        assert said.startswith(name)
        assert "\n" not in said

    @pytest.mark.parametrize("private", [None, "", "pictures"])
    def test_is_refused_when_deliveries_would_lie_in_the_public_bucket(self, private: str | None) -> None:
        said = refusal(S3_BUCKET="pictures", S3_PRIVATE_BUCKET=private)
        assert said.startswith("S3_PRIVATE_BUCKET")
        assert refusal(S3_BUCKET="pictures", S3_PRIVATE_BUCKET="deliveries") == ""

    def test_succeeds_with_all_that_is_needed(self) -> None:
        assert refusal() == ""
        assert refusal(STRIPE_API_BASE="", DEBUG="", METRICS_PORT="", TRUSTED_PROXIES="", ALLOWED_HOSTS="") == ""
        assert refusal(STRIPE_API_BASE="https://api.stripe.com", DEBUG="false", TRUSTED_PROXIES="1") == ""

    def test_lets_browsers_fetch_pictures_from_where_they_lie(self) -> None:
        def origins(**changes: str) -> str:
            code = "import config.settings as s; print(*s.CONTENT_SECURITY_POLICY['DIRECTIVES']['img-src'])"
            return run("-c", code, **changes).stdout.strip()

        assert origins() == "'self' data:"
        bucket = {"S3_BUCKET": "pictures", "S3_PRIVATE_BUCKET": "deliveries"}
        assert origins(**bucket) == "'self' https://*.amazonaws.com data:"
        assert origins(**bucket, S3_ENDPOINT_URL="https://s3.example") == "'self' https://s3.example data:"
        assert origins(**bucket, S3_PUBLIC_HOST="pictures.example") == "'self' https://pictures.example data:"

    def test_tells_no_secret(self) -> None:
        assert "sk_test_hidden" not in refusal(STRIPE_SECRET_KEY="sk_test_hidden")


class TestDeployment:
    def test_has_no_findings(self) -> None:
        # A server that answers is no part of this: the checks read settings.
        done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
        assert (done.returncode, done.stdout + done.stderr) == (0, "System check identified no issues (0 silenced).\n")

    def test_keeps_passwords_by_argon2(self) -> None:
        code = "import django; django.setup()\nfrom django.contrib.auth.hashers import make_password\nprint(make_password('x'))"
        done = run("-c", code, DJANGO_SETTINGS_MODULE="config.settings")
        assert done.stdout.startswith("argon2$argon2id$"), done.stderr

    def test_is_locked(self) -> None:
        locked = {
            "DEBUG": False,
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "CSRF_COOKIE_SECURE": True,
            "SECURE_SSL_REDIRECT": True,
            "SECURE_HSTS_SECONDS": 31_536_000,
            "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
            "SECURE_PROXY_SSL_HEADER": None,
            "USE_X_FORWARDED_HOST": False,
            "ALLOWED_HOSTS": ["tv.example"],
        }
        code = f"from django.conf import settings\nprint({{name: getattr(settings, name) for name in {list(locked)}}})"
        done = run("-c", code, DJANGO_SETTINGS_MODULE="config.settings")
        assert done.stdout == f"{locked}\n"

    def test_believes_a_proxy_about_the_scheme_only_when_told_to(self) -> None:
        code = "from django.conf import settings\nprint(settings.SECURE_PROXY_SSL_HEADER)"
        done = run(
            "-c", code, DJANGO_SETTINGS_MODULE="config.settings",
            TRUSTED_PROXIES="10.0.0.0/8", PROXY_SCHEME_HEADER="X-Forwarded-Proto",
        )  # fmt: skip
        assert done.stdout == "('HTTP_X_FORWARDED_PROTO', 'https')\n"

    def test_speaks_to_the_database_as_its_address_says(self) -> None:
        code = "from django.conf import settings\nprint(settings.DATABASES['default']['OPTIONS'])"
        done = run(
            "-c", code, DJANGO_SETTINGS_MODULE="config.settings",
            DATABASE_URL="postgresql://app@db/main?sslmode=verify-full", DATABASE_POOL_SIZE="4",
        )  # fmt: skip
        assert (
            done.stdout
            == "{'sslmode': 'verify-full', 'pool': {'min_size': 1, 'max_size': 4}, 'prepare_threshold': 0}\n"
        )

    def test_logs_json(self) -> None:
        code = (
            "import django, logging\ndjango.setup()\n"
            "logging.getLogger('somebody').warning('Something happened.', extra={'cookie': 'x'})"
        )
        done = run("-c", code, DJANGO_SETTINGS_MODULE="config.settings")
        assert re.fullmatch(
            r'\{"logger":"somebody","level":"warning","timestamp":"[^"]+","cookie":"\[redacted\]","message":"Something happened."\}\n',
            done.stderr,
        )
