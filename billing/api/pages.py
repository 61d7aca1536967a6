"""Pages that people open from a mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from accounts.models import User
from billing import pdf, rules, stripe_gateway
from billing.models import Invoice
from billing.selectors import documents as found_documents
from billing.selectors.documents import Document
from billing.selectors.words import Words
from billing.services import documents, dunning, gifts, payments
from core import money
from core.clock import now
from core.money import Money


@method_decorator(never_cache, "dispatch")
class PayPage(TemplateView):
    """Where a customer confirms the payment that a bank wants confirmed. The link is the right to it."""

    template_name = "billing/pay.html"

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Let the page, and no other, speak to where the payment is confirmed."""
        response = super().render_to_response(context, **kwargs)
        # What django-csp's decorators leave for its middleware; theirs take what is known when the code is loaded.
        response._csp_update = stripe_gateway.browser_policy()  # type: ignore[attr-defined]  # read by django-csp
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Ask how the payment stands, and record what has become of it."""
        attempt_id = dunning.attempt_of(kwargs["token"])
        if attempt_id is None:
            raise Http404
        asked_at = now()
        payment = payments.stand(attempt_id=attempt_id, gateway=stripe_gateway.connect(), now=asked_at)
        invoice = payment.attempt.invoice
        return super().get_context_data(
            site_name=settings.SITE_NAME,
            payment={"state": payment.attempt.state, "client_secret": payment.client_secret},
            number=invoice.number,
            amount=money.shown(Money(invoice.due, invoice.currency)),
            is_open=invoice.status == Invoice.Status.OPEN,
            next_try=_next_try(invoice, now=asked_at),
            client={
                "client_secret": payment.client_secret,
                "payment_method": payment.attempt.payment_method.gateway_id,
                "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
                "api_base": stripe_gateway.api_base(),
                "standin": stripe_gateway.is_standin(),
            },
            **kwargs,
        )


def _next_try(invoice: Invoice, *, now: datetime) -> str:
    """Answer the day on which an unpaid invoice is charged again by itself, in the language at hand.

    None is told where its time has come, since that may be any moment, or where it does not come: its subscription stands
    still or ends before.
    """
    subscription = invoice.subscription
    if subscription is None or subscription.next_step != rules.Step.RETRY or subscription.parked_at is not None:
        return ""
    at, ends = subscription.next_bill_at, subscription.cancel_at
    if at is None or at <= now or (ends is not None and ends <= at):
        return ""
    return Words(invoice).day(at)


@method_decorator(never_cache, "dispatch")
class GiftPage(TemplateView):
    """A gift to show and to print. The link is the right to it."""

    template_name = "billing/gift.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Show the code of a gift that can be redeemed."""
        card = gifts.card(token=kwargs["token"])
        if card is None:
            raise Http404
        return super().get_context_data(
            site_name=settings.SITE_NAME,
            gift=card.gift,
            code=card.code,
            amount=money.shown(Money(card.gift.amount, card.gift.currency)),
            last_day=card.last_day,
            **kwargs,
        )


@never_cache
def invoice(request: HttpRequest, invoice_id: UUID, form: str = "page") -> HttpResponse:
    """Show an invoice to its owner, who is signed in in this browser; `form` is page or pdf."""
    if not isinstance(request.user, User):
        return render(request, "billing/sign_in.html", {"site_name": settings.SITE_NAME}, status=403)
    found = found_documents.issued_invoices(account_id=request.user.pk).filter(pk=invoice_id).first()
    if found is None:
        raise Http404
    pdf_url = reverse("invoice-page-pdf", args=[invoice_id])
    return _show(request, found_documents.of_invoice(found), form, pdf_url=pdf_url)


@never_cache
def linked(request: HttpRequest, token: str, form: str = "page") -> HttpResponse:
    """Show the document of a mail's link: it is the right to see this one."""
    found = documents.linked(token)
    if found is None:
        raise Http404
    document = (
        found_documents.of_invoice(found) if isinstance(found, Invoice) else found_documents.of_credit_note(found)
    )
    return _show(request, document, form, pdf_url=reverse("document-pdf", args=[token]))


def _show(request: HttpRequest, document: Document, form: str, *, pdf_url: str) -> HttpResponse:
    if form == "pdf":
        return pdf.response(document)
    context = {"site_name": settings.SITE_NAME, "document": document, "pdf_url": pdf_url}
    return render(request, "billing/document.html", context)
