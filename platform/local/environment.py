"""The settings that the local platform runs with."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

from local import paths, video


@dataclass(frozen=True)
class Ports:
    """Six ports in a row, from PORT on."""

    web: int

    @classmethod
    def from_environment(cls) -> Ports:
        text = os.environ.get("PORT", "8000")
        if not text.isdecimal() or not 1024 <= int(text) <= 65530:
            raise SystemExit(f"PORT is {text!r}; give a number from 1024 to 65530.")
        return cls(int(text))

    @property
    def inbox(self) -> int:
        return self.web + 1

    @property
    def stripe(self) -> int:
        return self.web + 2

    @property
    def smtp(self) -> int:
        return self.web + 3

    @property
    def postgres(self) -> int:
        return self.web + 4

    @property
    def valkey(self) -> int:
        return self.web + 5

    def listening(self) -> list[tuple[str, int]]:
        """Answer who listens where."""
        return [
            ("web", self.web),
            ("inbox", self.inbox),
            ("stand-in for Stripe", self.stripe),
            ("SMTP", self.smtp),
            ("PostgreSQL", self.postgres),
            ("Valkey", self.valkey),
        ]


def build(ports: Ports, *, database_url: str, redis_url: str) -> dict[str, str]:
    """Answer the environment of every process; what the user has set wins."""
    local = {
        "DEPLOYMENT": "local",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": kept_secret("secret-key"),
        "PUBLIC_URL": f"http://localhost:{ports.web}",
        "DEFAULT_COUNTRY": "US",
        "SELLER_ADDRESS": "1 Demonstration Quay|Dublin D02 X285|Ireland",
        "SELLER_TAX_ID": "IE 0000000XX",
        "SELLER_EMAIL": "billing@demo.test",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "EMAIL_URL": f"smtp://127.0.0.1:{ports.smtp}",
        "INBOX_URL": f"http://localhost:{ports.inbox}",
        "MEDIA_ROOT": str(paths.STATE / "media"),
        "PRIVATE_ROOT": str(paths.STATE / "private"),
        "PACKAGES_ROOT": str(paths.STATE / "packages"),
        "STATIC_ROOT": str(paths.STATE / "static"),
        # A quick first look counts for more here than small files.
        "VIDEO_PRESET": "veryfast",
        **video.programs(),
    }
    if not os.environ.get("STRIPE_SECRET_KEY"):
        local |= {
            "STRIPE_API_BASE": f"http://127.0.0.1:{ports.stripe}",
            "STRIPE_SECRET_KEY": "sk_test_local",
            "STRIPE_PUBLISHABLE_KEY": "pk_test_local",
            "STRIPE_WEBHOOK_SECRET": kept_secret("webhook-secret"),
        }
    return {name: os.environ.get(name) or value for name, value in local.items()}


def write(settings: dict[str, str]) -> None:
    """Leave the settings where manage.py finds them, readable by us alone."""
    with open(os.open(paths.ENV_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())


def read() -> dict[str, str]:
    """Answer the settings of the running platform; empty when it is not running."""
    if not paths.ENV_FILE.exists():
        return {}
    return dict(line.split("=", 1) for line in paths.ENV_FILE.read_text().splitlines())


def kept_secret(name: str) -> str:
    """Answer what only this checkout knows under a name, the same at each start."""
    file = paths.STATE / name
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        # Whole or not at all, however the start ends.
        fresh.rename(file)
    return file.read_text()
