"""Pages that people open from a mail."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from billing import stripe_gateway
from billing.services import dunning, gifts, payments
from core import money
from core.clock import now
from core.money import Money


@method_decorator(never_cache, "dispatch")
class PayPage(TemplateView):
    """Where a customer confirms the payment that a bank wants confirmed. The link is the right to it."""

    template_name = "billing/pay.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Ask how the payment stands, and record what has become of it."""
        attempt_id = dunning.attempt_of(kwargs["token"])
        if attempt_id is None:
            raise Http404
        payment = payments.stand(attempt_id=attempt_id, gateway=stripe_gateway.connect(), now=now())
        invoice = payment.attempt.invoice
        return super().get_context_data(
            site_name=settings.SITE_NAME,
            payment={"state": payment.attempt.state, "client_secret": payment.client_secret},
            number=invoice.number,
            amount=money.format(Money(invoice.due, invoice.currency), get_language() or "en"),
            client={
                "client_secret": payment.client_secret,
                "payment_method": payment.attempt.payment_method.gateway_id,
                "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
                "api_base": stripe_gateway.api_base(),
                "standin": stripe_gateway.is_standin(),
            },
            **kwargs,
        )


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
            amount=money.format(Money(card.gift.amount, card.gift.currency), get_language() or "en"),
            last_day=card.last_day,
            **kwargs,
        )
