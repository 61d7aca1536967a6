"""What codes of banks, of Stripe and of our own are called; one that is not known is written as it is."""

from __future__ import annotations

import re

from django.utils.translation import gettext

from core.words import gettext_lazy as _

WORDS = {
    "active": _("active"),
    "authentication_required": _("authentication required"),
    "bank_cannot_process": _("bank cannot process"),
    "canceled": _("canceled"),
    "card_declined": _("card declined"),
    "card_never_received": _("card never received"),
    "credit_not_processed": _("credit not processed"),
    "do_not_honor": _("do not honor"),
    "declined": _("declined"),
    "draft": _("draft"),
    "duplicate": _("duplicate"),
    "expired_card": _("expired card"),
    "expired_or_canceled_card": _("card expired or cancelled"),
    "failed": _("failed"),
    "fraudulent": _("fraudulent"),
    "general": _("general"),
    "generic_decline": _("declined without a reason"),
    "in dispute": _("in dispute"),
    "incomplete": _("incomplete"),
    "incorrect_cvc": _("wrong security code"),
    "insufficient_funds": _("not enough money"),
    "lost": _("lost"),
    "lost_card": _("lost card"),
    "lost_or_stolen_card": _("card lost or stolen"),
    "made_with_lost_card": _("made with a lost card"),
    "made_with_stolen_card": _("made with a stolen card"),
    "merchant_request": _("asked for by us"),
    "misc": _("other"),
    "needs_response": _("needs a response"),
    "no_payment_method": _("no card"),
    "on hold": _("on hold"),
    "on_hold": _("on hold"),
    "open": _("open"),
    "paid": _("paid"),
    "past_due": _("past due"),
    "paused": _("paused"),
    "processing_error": _("fault of the bank"),
    "product_not_received": _("product not received"),
    "product_unacceptable": _("product unacceptable"),
    "stolen_card": _("stolen card"),
    "subscription_canceled": _("subscription canceled"),
    "trialing": _("trialing"),
    "unauthorized_use_of_card": _("unauthorised use of the card"),
    "uncollectible": _("uncollectible"),
    "under_review": _("under review"),
    "unknown": _("unknown"),
    "unrecognized": _("not recognised"),
    "void": _("void"),
    "warning_closed": _("inquiry closed"),
    "warning_needs_response": _("inquiry needs a response"),
    "warning_under_review": _("inquiry under review"),
    "withdrawn": _("withdrawn from"),
    "won": _("won"),
    "dispute_open": _("dispute open"),
    "early_fraud_warning": _("early warning of fraud"),
    "second_charge_within_20_hours": _("second charge within 20 hours"),
    "more_than_2_invoices_a_day": _("more than 2 invoices a day"),
    "amount_above_3x_list_price": _("amount above 3 times the list price"),
    "period_beyond_13_months": _("period beyond 13 months"),
    "due_before_its_boundary": _("due before its boundary"),
    "retry_without_open_invoice": _("retry without an open invoice"),
    "restarted_after_its_period": _("restarted after its period"),
}
DAY = re.compile(r"day (\d+)")


def in_words(code: str) -> str:
    """Answer what staff call a code, in the language at hand."""
    if day := DAY.fullmatch(code):
        return gettext("day %(number)s") % {"number": day[1]}
    return str(WORDS.get(code, code.replace("_", " ")))
