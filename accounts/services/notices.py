"""Mail about an account that no request's template engine sends: to its addresses, in its language."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db.models import Exists, OuterRef, Q, Subquery

from accounts.models import AuditEntry, Consent, MailPreference, User
from accounts.services import mails
from accounts.services.audit import Origin

USEFUL_FOR = timedelta(days=3)
"""How long a notice is worth sending, should the mail server be away."""


def tell(
    account: User,
    template: str,
    *,
    now: datetime,
    to: Iterable[str] = (),
    forgets_address: bool = False,
    **context: str | int,
) -> None:
    """Queue a mail to the account's address, or to each of `to`, in the caller's transaction; the sweep sends it."""
    for address in to or [account.email]:
        mails.enqueue(
            template=f"account/email/{template}",
            address=address,
            language=account.language,
            context=context,
            useful_for=USEFUL_FOR,
            now=now,
            forgets_address=forgets_address,
        )


def tell_all(*, topic: str, title: str, text: str, language: str, now: datetime) -> int:
    """Queue optional mail to every account that reads this language and wants the topic; answers how many."""
    chosen = MailPreference.objects.filter(account=OuterRef("pk"), topic=topic)
    agreed = Consent.objects.filter(account=OuterRef("pk"), document__kind="marketing", withdrawn_at=None)
    wanting = (
        User.objects.filter(is_active=True, language=language)
        .annotate(chosen=Subquery(chosen.values("wanted")[:1]))
        .filter(Q(chosen=True) | (Q(chosen=None) & Exists(agreed)))
        .order_by("pk")
    )
    queued = 0
    for account in wanting.iterator(chunk_size=1_000):
        mails.enqueue(
            template="account/email/news",
            address=account.email,
            language=language,
            context={"title": title, "text": text},
            useful_for=USEFUL_FOR,
            now=now,
            topic=topic,
            account_id=account.pk,
        )
        queued += 1
    return queued


def tell_of_new_device(account: User, *, origin: Origin, now: datetime) -> None:
    """Mail the owner about a sign-in by a program, or from a place, that is not in the record of their sign-ins.

    The sign-in itself is in the record already; the first one of all is the sign-up and no news.
    """
    sign_ins = AuditEntry.objects.filter(account=account, act=AuditEntry.Act.SIGNED_IN)
    same_place = Q(address=origin.address) | (Q(place=origin.place[:120]) if origin.place else Q(pk=None))
    alike = sign_ins.filter(same_place, user_agent=origin.user_agent[:200])
    if len(sign_ins.values("pk")[:2]) < 2 or len(alike.values("pk")[:2]) >= 2:
        return
    tell(
        account,
        "new_device",
        now=now,
        timestamp=now.isoformat(),
        place=origin.place or origin.address or "?",
        device=origin.user_agent[:200] or "?",
    )


def verified_addresses(account: User) -> list[str]:
    """Answer every address that the owner has proved to read, the account's own first."""
    others = EmailAddress.objects.filter(user=account, verified=True).order_by("pk").values_list("email", flat=True)
    return list(dict.fromkeys([account.email, *others]))
