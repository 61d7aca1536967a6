"""Which optional mail an account wants, and a way out of it that needs no sign-in (RFC 8058).

Optional mail is what nobody asked for: news, recommendations, offers. Mail about the account's security, its
contract and its data is not optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import transaction

from accounts import rules
from accounts.models import Consent, MailPreference, User
from core.errors import DomainError

_SALT = "accounts.unsubscribe"


class UnsubscribeLinkInvalid(DomainError):
    """The link was shortened or made up."""

    code = "unsubscribe_link_invalid"
    title = "This link is not whole. Take it from the mail again, or change the setting in your account."
    status = 400


def topics_of(account_id: UUID) -> dict[str, bool]:
    """Answer each topic and whether the account wants mail about it."""
    chosen = dict(MailPreference.objects.filter(account=account_id).values_list("topic", "wanted"))
    agreed = Consent.objects.filter(account=account_id, document__kind="marketing", withdrawn_at=None).exists()
    return {topic: chosen.get(topic, agreed) for topic in rules.MAIL_TOPICS}


def choose(*, account_id: UUID, wanted: Mapping[str, bool], now: datetime) -> dict[str, bool]:
    """Choose for some topics, and answer all."""
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        for topic, answer in wanted.items():
            MailPreference.objects.update_or_create(
                account_id=account_id, topic=topic, defaults={"wanted": answer, "changed_at": now}
            )
        return topics_of(account_id)


def unsubscribe_url(*, account_id: UUID, topic: str) -> str:
    """Answer the address that ends mail about a topic, for whoever holds it; it never runs out."""
    return f"{settings.PUBLIC_URL}/unsubscribe?token={signing.dumps([str(account_id), topic], salt=_SALT)}"


def topic_of(token: str) -> str:
    """Answer which topic a link is about. Raises UnsubscribeLinkInvalid."""
    return _read(token)[1]


def unsubscribe(*, token: str, now: datetime) -> str:
    """End mail about the link's topic, and answer the topic; once more is no error. Raises UnsubscribeLinkInvalid."""
    account_id, topic = _read(token)
    with transaction.atomic():
        account = User.objects.locked().filter(pk=account_id).first()
        if account is not None and account.is_active:
            MailPreference.objects.update_or_create(
                account=account, topic=topic, defaults={"wanted": False, "changed_at": now}
            )
    return topic


def _read(token: str) -> tuple[UUID, str]:
    try:
        account_id, topic = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        raise UnsubscribeLinkInvalid from None
    return UUID(account_id), topic
