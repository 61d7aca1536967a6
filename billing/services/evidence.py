"""Answering a dispute: the evidence goes to the bank through the gateway, when staff say so."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import ClassVar

from django.db import transaction

from billing.gateway import Gateway, GatewayRefused, GatewayUnavailable
from billing.models import Dispute
from billing.selectors import evidence
from billing.services import disputes
from billing.services.cards import PaymentServiceUnavailable
from core.errors import DomainError

WANTED = ("needs_response", "warning_needs_response", "under_review", "warning_under_review")


class EvidenceRefused(DomainError):
    """The gateway takes one of the files not."""

    code: ClassVar[str] = "evidence_refused"
    title: ClassVar[str] = (
        "The payment service does not take one of the files, so nothing was submitted: banks take PDF, JPEG and PNG of at "
        "most 5 MB. Download the evidence as ZIP, and submit it in the payment service's own pages."
    )
    status: ClassVar[int] = 409


class EvidenceNotWanted(DomainError):
    """The dispute is decided, or its time for evidence is over."""

    code: ClassVar[str] = "evidence_not_wanted"
    title: ClassVar[str] = "The bank takes no evidence any more: this dispute is decided, or its deadline is over."
    status: ClassVar[int] = 409


def submit(*, dispute_id: int, gateway: Gateway, now: datetime, by: str) -> Dispute:
    """Submit what we hold for a payment in dispute; most banks take it once. The same again is the same submission.

    Raises EvidenceNotWanted, EvidenceRefused, PaymentServiceUnavailable.
    """
    dispute = Dispute.objects.select_related("attempt").get(pk=dispute_id)
    if dispute.status not in WANTED or (dispute.due_by is not None and dispute.due_by <= now):
        raise EvidenceNotWanted
    pack = evidence.pack(dispute)
    try:
        said = pack.texts | {
            field: upload(dispute, gateway=gateway, name=name, content=pack.files[name])
            for field, name in pack.attachments.items()
        }
        key = _key(dispute, "evidence", json.dumps(said, sort_keys=True).encode())
        found = gateway.submit_evidence(dispute.gateway_id, evidence=said, idempotency_key=key)
    except GatewayRefused as error:
        raise EvidenceNotWanted from error
    except GatewayUnavailable as error:
        raise PaymentServiceUnavailable from error
    with transaction.atomic():
        disputes.record(found=found, now=now)
        locked = Dispute.objects.locked().get(pk=dispute_id)
        locked.submitted_at, locked.submitted_by = now, by
        locked.save(update_fields=["submitted_at", "submitted_by"])
    return locked


def upload(dispute: Dispute, *, gateway: Gateway, name: str, content: bytes) -> str:
    """Hand a file of the evidence to the gateway; answers its id there. The same again is the same file.

    Raises EvidenceRefused, GatewayUnavailable.
    """
    try:
        return gateway.upload_evidence(name=name, content=content, idempotency_key=_key(dispute, "file", content))
    except GatewayRefused as error:
        raise EvidenceRefused from error


def _key(dispute: Dispute, what: str, content: bytes) -> str:
    """Answer a key for what is sent: the same after a reply that was lost, another for anything else."""
    return f"{what}_{dispute.pk}_{sha256(content).hexdigest()}"
