"""What the demo's people agree to: short documents of its own, so that signing up asks as it does in earnest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import urljoin

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import PolicyDocument

VERSION = "demo-1"
DOCUMENTS = Path(__file__).with_name("documents")


def publish(*, now: datetime) -> None:
    """Put the documents where they can be read, and ask for them from now on; those that are asked for already stay."""
    for kind in PolicyDocument.REQUIRED:
        path = f"policies/{kind}-{VERSION}.html"
        if not default_storage.exists(path):
            default_storage.save(path, ContentFile((DOCUMENTS / f"{kind}.html").read_bytes()))
        # The platform may have moved to another port since.
        address = urljoin(f"{settings.PUBLIC_URL}/", default_storage.url(path))
        if not PolicyDocument.objects.filter(kind=kind).exclude(version=VERSION).exists():
            PolicyDocument.objects.update_or_create(
                kind=kind, version=VERSION, defaults={"url": address},
                create_defaults={"url": address, "effective_at": now, "created_at": now},
            )  # fmt: skip
