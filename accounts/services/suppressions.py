"""Addresses that get no mail, since it came back or their readers complained.

What is sent all the same:

| | codes that somebody waits for | security, contract, data | optional |
|---|---|---|---|
| mail comes back (bounce) | yes: the mailbox may work again | no | no |
| reader called it spam (complaint) | yes | yes: the account depends on it | no |

Who verifies the address anew lifts a bounce.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from accounts import rules
from accounts.models import OutgoingEmail, SuppressedAddress

Reason = SuppressedAddress.Reason


def suppress(*, address: str, reason: SuppressedAddress.Reason, detail: str, now: datetime) -> None:
    """Note what happened to mail to an address; a bounce outweighs a complaint."""
    address = rules.canonical_email(address)
    detail = " ".join(detail.split()).lower().replace(address, "(address)")[:200]
    defaults = {"reason": reason, "detail": detail, "at": now}
    known, is_new = SuppressedAddress.objects.get_or_create(address_hash=hash_of(address), defaults=defaults)
    if not is_new and known.reason == Reason.COMPLAINT and reason == Reason.BOUNCE:
        SuppressedAddress.objects.filter(pk=known.pk).update(**defaults)


def note_returned(*, mail_id: UUID, reason: SuppressedAddress.Reason, detail: str, now: datetime) -> bool:
    """Note what became of one of our mails, by its id; answers False, and notes nothing, if there is none such.

    For reports that come by mail, which anybody can write: only who received our mail or carried it knows its id.
    """
    address = OutgoingEmail.objects.filter(pk=mail_id).exclude(address="").values_list("address", flat=True).first()
    if address is None:
        return False
    suppress(address=address, reason=reason, detail=detail, now=now)
    return True


def lift(*, address: str) -> bool:
    """Let mail to an address go again; answers whether it was suppressed for coming back."""
    return bool(SuppressedAddress.objects.filter(pk=hash_of(address), reason=Reason.BOUNCE).delete()[0])


def refusal(mail: OutgoingEmail) -> str:
    """Answer why a mail is not sent; empty if it is."""
    if "code" in mail.context:
        return ""
    known = SuppressedAddress.objects.filter(pk=hash_of(mail.address)).first()
    if known is None or (known.reason == Reason.COMPLAINT and not mail.topic):
        return ""
    return f"not sent: {known.get_reason_display()}"


def hash_of(address: str) -> str:
    """Answer the digest that stands for an address."""
    return hashlib.sha256(rules.canonical_email(address).encode()).hexdigest()
