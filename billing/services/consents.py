"""What a buyer has to agree to, and the record that they did."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import connection, transaction

from billing.models import Consent, LegalDocument, Subscription
from billing.selectors import consumers
from core.errors import DomainError

Kind = LegalDocument.Kind


class ConsentRequired(DomainError):
    """The present terms were not agreed to, or others were; `documents` are the ids of those that have to be."""

    code: ClassVar[str] = "consent_required"
    title: ClassVar[str] = (
        "Show the customer the present documents from GET /api/v1/legal-documents, and send their ids."
    )
    status: ClassVar[int] = 409


@dataclass(frozen=True)
class Agreement:
    """The documents that a buyer has ticked, and where the request came from."""

    documents: Collection[UUID] = field(default_factory=frozenset)
    address: str | None = None
    country: str = ""


NONE = Agreement()


def record(*, subscription: Subscription, agreement: Agreement, now: datetime) -> None:
    """Record what the buyer of a new subscription agreed to, in the caller's transaction.

    The terms of the country have to be among it, in their present version, where there are any; the request to begin
    at once is the buyer's to make or not. Raises ConsentRequired.
    """
    present = {document.pk: document for document in consumers.documents_for(country=subscription.country)}
    needed = {key for key, document in present.items() if document.kind == Kind.TERMS}
    if not needed <= set(agreement.documents) <= set(present):
        raise ConsentRequired(documents=sorted(map(str, needed)))
    Consent.objects.bulk_create(
        Consent(
            account_id=subscription.account_id,
            subscription=subscription,
            document=present[key],
            given_at=now,
            address=agreement.address,
            country=agreement.country,
        )
        for key in sorted(set(agreement.documents))
    )


def asked_to_begin_at_once(subscription: Subscription) -> bool:
    """Answer whether the buyer asked for the service before the time for withdrawal is over."""
    return subscription.consents.filter(document__kind=Kind.IMMEDIATE_PERFORMANCE).exists()


@transaction.atomic
def publish(*, kind: Kind, country: str, text: str, url: str, now: datetime) -> LegalDocument:
    """Put a document in place of the present one of its kind and country, as its next version.

    Whoever buys from now on agrees to this one; consents given before keep pointing at theirs.
    """
    with connection.cursor() as cursor:
        # Two new versions at once follow one another.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"billing.legal:{kind}:{country}"])
    last = LegalDocument.objects.filter(kind=kind, country=country).order_by("-version").first()
    return LegalDocument.objects.create(
        kind=kind, country=country, version=last.version + 1 if last else 1, text=text, url=url, published_at=now
    )
