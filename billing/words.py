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
    # Why a subscription changed.
    "account_erased": _("account erased"),
    "authentication_pending": _("authentication awaited"),
    "cancel_requested": _("cancellation asked for"),
    "cancel_undone": _("cancellation taken back"),
    "canceled_by_request": _("cancelled on request"),
    "canceled_unpaid": _("cancelled and not paid"),
    "dispute_lost": _("dispute lost"),
    "ended": _("ended"),
    "grace_over": _("grace over"),
    "invoice_paid": _("invoice paid"),
    "pause_undone": _("pause taken back"),
    "plan_changed": _("plan changed"),
    "resume_requested": _("resumption asked for"),
    "subscribed": _("subscribed"),
    "trial_ended_without_card": _("trial ended without a card"),
    "trial_started": _("trial started"),
    "unpaid": _("not paid"),
    # Why money goes back, where nobody has written it.
    "gift not redeemed": _("gift not redeemed"),
    "in full, by staff": _("in full, by staff"),
    "withdrawal": _("withdrawal"),
    # Why cards are declined.
    "approve_with_id": _("the bank wants to be asked again"),
    "call_issuer": _("call the bank"),
    "card_not_supported": _("card not supported"),
    "card_velocity_exceeded": _("limit of the card exceeded"),
    "currency_not_supported": _("currency not supported"),
    "do_not_try_again": _("not to be tried again"),
    "incorrect_number": _("wrong card number"),
    "incorrect_zip": _("wrong postal code"),
    "invalid_account": _("card or account invalid"),
    "invalid_amount": _("amount not allowed"),
    "invalid_cvc": _("wrong security code"),
    "invalid_expiry_month": _("wrong month of expiry"),
    "invalid_expiry_year": _("wrong year of expiry"),
    "invalid_number": _("wrong card number"),
    "issuer_not_available": _("bank not reached"),
    "never_arrived": _("never arrived"),
    "new_account_information_available": _("card has new details"),
    "no_action_taken": _("bank did nothing"),
    "not_permitted": _("payment not permitted"),
    "pickup_card": _("card to be kept"),
    "reenter_transaction": _("to be sent again"),
    "restricted_card": _("card restricted"),
    "revocation_of_all_authorizations": _("all payments revoked"),
    "revocation_of_authorization": _("payment revoked"),
    "security_violation": _("breach of security"),
    "service_not_allowed": _("service not allowed"),
    "stop_payment_order": _("payment stopped by the customer"),
    "transaction_not_allowed": _("payment not allowed"),
    "try_again_later": _("try again later"),
    "withdrawal_count_limit_exceeded": _("limit of the card exceeded"),
}
BEGINNINGS = {
    "unparked: ": _("put back: %(what)s"),
    "next_period: ": _("next period: %(what)s"),
    "pause_requested: ": _("pause asked for, months: %(what)s"),
    "country: ": _("country: %(what)s"),
    "charged_for_": _("charged for an invoice: %(what)s"),
    "gateway_refused_": _("Stripe refused: %(what)s"),
}
DAY = re.compile(r"day (\d+)")


def written(text: str) -> str:
    """Answer what somebody wrote as it is, and what we write in its place in the language at hand."""
    return str(WORDS.get(text, text))


def in_words(code: str) -> str:
    """Answer what staff call a code, in the language at hand."""
    if day := DAY.fullmatch(code):
        return gettext("day %(number)s") % {"number": day[1]}
    for beginning, said in BEGINNINGS.items():
        if code.startswith(beginning):
            return said % {"what": in_words(code.removeprefix(beginning).removesuffix("_invoice"))}
    return str(WORDS.get(code, code.replace("_", " ")))
