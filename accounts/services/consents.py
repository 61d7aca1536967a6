"""Agreeing to documents, and withdrawing from them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import selectors
from accounts.models import Consent, PolicyDocument, User
from accounts.services import audit
from accounts.services.audit import Act, Origin
from core.errors import DomainError


class DocumentNotFound(DomainError):
    """There is no such document, or it is not the version that holds now."""

    code = "document_not_found"
    title = "There is no such document, or another version holds by now."
    status = 404


class ConsentRequired(DomainError):
    """Without this consent there is no account."""

    code = "consent_is_required"
    title = "An account cannot be had without this consent; delete the account instead."


def give(
    *, account_id: UUID, documents: Collection[UUID], by: User, now: datetime, origin: Origin
) -> list[PolicyDocument]:
    """Agree to versions that hold now; agreed to again, the first time counts. Raises DocumentNotFound."""
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        current = {document.pk: document for document in PolicyDocument.objects.current(now)}
        if not current.keys() >= set(documents):
            raise DocumentNotFound
        given = []
        for document_id in documents:
            document = current[document_id]
            _, is_new = Consent.objects.get_or_create(
                account_id=account_id,
                document=document,
                withdrawn_at=None,
                defaults={
                    "given_at": now,
                    "address": origin.address,
                    "place": origin.place[:120],
                    "user_agent": origin.user_agent[:200],
                },
            )
            if is_new:
                audit.record(
                    Act.CONSENT_GIVEN, account_id=account_id, by=by, origin=origin, now=now, document=str(document)
                )
                given.append(document)
        return given


def withdraw(*, account_id: UUID, document_id: UUID, by: User, now: datetime, origin: Origin) -> None:
    """Withdraw from a document, and from every version of it. Raises DocumentNotFound, ConsentRequired."""
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        document = PolicyDocument.objects.filter(pk=document_id).first()
        if document is None:
            raise DocumentNotFound
        if document.is_required:
            raise ConsentRequired
        given = Consent.objects.filter(account=account_id, document__kind=document.kind, withdrawn_at=None)
        if given.update(withdrawn_at=now):
            audit.record(
                Act.CONSENT_WITHDRAWN, account_id=account_id, by=by, origin=origin, now=now, document=str(document)
            )


def missing(*, account_id: UUID, now: datetime) -> list[PolicyDocument]:
    """Answer what holds now, is required, and was not agreed to in this version."""
    return [
        document
        for document in selectors.documents_for(account_id, now=now)
        if document.is_required and document.given_at is None  # type: ignore[attr-defined]  # annotated
    ]
