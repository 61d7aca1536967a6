"""What staff call the models and their fields, in their own language; told to Django when it starts (docs/adr/0054)."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MODELS: Mapping[str, tuple[Promise, Promise]] = {
    "accountdeletion": (_("account deletion"), _("account deletions")),
    "auditentry": (_("audit entry"), _("audit entries")),
    "outgoingemail": (_("outgoing email"), _("outgoing emails")),
    "policydocument": (_("policy document"), _("policy documents")),
    "profile": (_("profile"), _("profiles")),
    "profiletransfer": (_("profile transfer"), _("profile transfers")),
    "recovery": (_("recovery"), _("recoveries")),
    "suppressedaddress": (_("suppressed address"), _("suppressed addresses")),
    "user": (_("user"), _("users")),
}
"""One of them, and several."""

FIELDS: Mapping[str, Promise] = {
    "account": _("account"),
    "act": _("what was done"),
    "actor": _("by whom"),
    "address": _("address"),
    "address_hash": _("digest of the address"),
    "allows_unrated": _("allows what is not rated"),
    "at": _("at"),
    "attempts": _("attempts"),
    "by_id": _("id of who did it"),
    "cancelled_at": _("cancelled at"),
    "country": _("country"),
    "created_at": _("created at"),
    "detail": _("details"),
    "effective_at": _("effective at"),
    "email": _("e-mail address"),
    "ended_at": _("ended at"),
    "erase_at": _("to be erased at"),
    "erased_at": _("erased at"),
    "expires_at": _("expires at"),
    "forgets_address": _("forgets the address"),
    "from_account": _("from account"),
    "given_up_at": _("given up at"),
    "highest_age": _("highest age"),
    "is_active": _("may sign in"),
    "is_kids": _("for children"),
    "is_staff": _("is staff"),
    "kind": _("kind"),
    "language": _("language"),
    "last_error": _("last error"),
    "next_attempt_at": _("next attempt at"),
    "next_try_at": _("next try at"),
    "offered_at": _("offered at"),
    "outcome": _("outcome"),
    "place": _("place"),
    "profile": _("profile"),
    "reason": _("reason"),
    "requested_at": _("requested at"),
    "sent_at": _("sent at"),
    "started_at": _("started at"),
    "suspended_at": _("suspended at"),
    "suspension_reason": _("reason of the suspension"),
    "template": _("template"),
    "to_account": _("to account"),
    "to_email": _("to e-mail address"),
    "topic": _("topic"),
    "url": _("address on the web"),
    "useful_until": _("useful until"),
    "user_agent": _("program"),
    "version": _("version"),
    "waits_for": _("waits for"),
    "wrong_codes": _("wrong codes"),
}
"""A field has one meaning, and so one name, in all of the models above."""
