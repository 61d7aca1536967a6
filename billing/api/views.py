"""Endpoints of billing."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import Reach
from accounts.models import User
from billing import selectors, stripe_gateway, tasks
from billing.api import serializers
from billing.api.serializers import CancelSerializer
from billing.models import Invoice
from billing.places import Place
from billing.selectors import explanations, whereabouts
from billing.services import cards, changes, consents, coupons, subscriptions, webhooks
from billing.services.debts import DebtInAnotherCurrency
from billing.services.trials import TrialUsed
from billing.services.whereabouts import CountryUncertain
from core.api.idempotency import IdempotentRequest, idempotent
from core.api.problems import raises
from core.clock import now
from core.geo import Source, client_address, viewer_country


def account_of(request: Request) -> User:
    return cast("User", request.user)


def declared_by(request: Request) -> str:
    """Answer the country that somebody says they live in; empty if nobody is signed in."""
    return request.user.country if isinstance(request.user, User) else ""


def seen_of(request: Request) -> str:
    """Answer the country that a request comes from, empty if nothing tells: an operator's default is no evidence."""
    seen = viewer_country(request)
    return "" if seen.source in {Source.DEFAULT, Source.PREVIEW} else seen.code


def place_of(request: Request) -> Place:
    """Answer where whoever asks would be billed: by their evidence, what they declare, or where they come from."""
    if isinstance(request.user, User):
        there = whereabouts.expected(account_id=request.user.pk, declared=declared_by(request), seen=seen_of(request))
        if there.country:
            return there
    return Place(viewer_country(request).code)


def agreement(request: Request, documents: Collection[UUID]) -> consents.Agreement:
    """Answer what a request agrees to, with the place it comes from."""
    address = client_address(request)
    return consents.Agreement(frozenset(documents), str(address) if address else None, viewer_country(request).code)


class PlansView(APIView):
    """What is on sale."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="plans_list", responses=serializers.PlansSerializer)
    def get(self, request: Request) -> Response:
        """List the plans with their prices in your country, lowest tier first."""
        country = place_of(request).country
        offers = selectors.offers(country=country)
        return Response(serializers.PlansSerializer({"country": country, "plans": offers}).data)


class CardSetupView(APIView):
    """The beginning of saving a card."""

    reach = Reach.SENSITIVE
    throttle_scope = "payments"

    @extend_schema(operation_id="payment_methods_setup", request=None, responses={201: serializers.CardSetupSerializer})
    @raises(cards.PaymentServiceUnavailable)
    @idempotent(secret=True)
    def post(self, request: IdempotentRequest) -> Response:
        """Ask for a SetupIntent, to be confirmed with Stripe's client library."""
        started = cards.start_setup(
            account_id=account_of(request).pk,
            request_key=request.idempotency,
            gateway=stripe_gateway.connect(),
            now=now(),
        )
        return Response(
            serializers.CardSetupSerializer(
                {"setup_intent": started.setup_intent, "client_secret": started.client_secret, **for_clients()}
            ).data,
            status.HTTP_201_CREATED,
        )


class PaymentMethodsView(APIView):
    """Saved cards."""

    reach: ClassVar = {"POST": Reach.SENSITIVE}

    @extend_schema(operation_id="payment_methods_list", responses=serializers.PaymentMethodSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the cards, the default first."""
        found = selectors.cards_of(account_id=account_of(request).pk)
        return Response(serializers.PaymentMethodSerializer(found, many=True).data)

    @extend_schema(
        operation_id="payment_methods_create",
        request=serializers.RegisterCardSerializer,
        responses={201: serializers.PaymentMethodSerializer},
    )
    @raises(
        cards.CardSetupNotFound,
        cards.CardSetupIncomplete,
        cards.CardRequired,
        cards.PaymentServiceUnavailable,
    )
    def post(self, request: Request) -> Response:
        """Save the card of a confirmed SetupIntent and make it the default."""
        wanted = serializers.RegisterCardSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        saved = cards.register(
            account_id=account_of(request).pk,
            setup_intent=wanted.validated_data["setup_intent"],
            gateway=stripe_gateway.connect(),
            now=now(),
            seen=seen_of(request),
        )
        return Response(serializers.PaymentMethodSerializer(saved).data, status.HTTP_201_CREATED)


class SubscriptionsView(APIView):
    """Buying."""

    throttle_scope = "payments"

    @extend_schema(
        operation_id="subscriptions_create",
        request=serializers.SubscribeSerializer,
        responses={201: serializers.SubscribedSerializer},
    )
    @raises(
        subscriptions.AlreadySubscribed,
        CountryUncertain,
        subscriptions.PriceNotOffered,
        DebtInAnotherCurrency,
        coupons.CouponNotValid,
        consents.ConsentRequired,
        subscriptions.QuoteChanged,
        subscriptions.PaymentMethodRequired,
        subscriptions.PaymentFailed,
    )
    @idempotent(secret=True)
    def post(self, request: IdempotentRequest) -> Response:
        """Buy a plan with the default card and charge its first period."""
        wanted = serializers.SubscribeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = account_of(request)
        bought = subscriptions.subscribe(
            account_id=account.pk,
            price_id=wanted.validated_data["price"],
            quoted_amount=wanted.validated_data["quoted_amount"],
            quoted_due=wanted.validated_data["quoted_due"],
            country=declared_by(request),
            seen=seen_of(request),
            billing_tz=wanted.validated_data["time_zone"],
            request_key=request.idempotency,
            gateway=stripe_gateway.connect(),
            now=now(),
            by=f"account:{account.pk}",
            coupon=wanted.validated_data["coupon"],
            agreement=agreement(request, wanted.validated_data["documents"]),
        )
        payment = {"status": bought.payment, "client_secret": bought.client_secret, **for_clients()}
        answer = serializers.SubscribedSerializer({"subscription": bought.subscription, "payment": payment})
        return Response(answer.data, status.HTTP_201_CREATED)


class SubscriptionView(APIView):
    """The account's subscription."""

    @extend_schema(operation_id="subscription_retrieve", responses=serializers.SubscriptionSerializer)
    @raises(subscriptions.NoSubscription)
    def get(self, request: Request) -> Response:
        """Answer the live subscription, or else the one that ended last."""
        found = selectors.current_subscription(account_id=account_of(request).pk)
        if found is None:
            raise subscriptions.NoSubscription
        return Response(serializers.SubscriptionSerializer(found).data)


class CancelSubscriptionView(APIView):
    """Cancelling, and taking it back."""

    @extend_schema(
        operation_id="subscription_cancel",
        request=CancelSerializer,
        responses=serializers.SubscriptionSerializer,
    )
    @raises(subscriptions.NoSubscription, subscriptions.PaymentUnderWay)
    def post(self, request: Request) -> Response:
        """Cancel at the end of what is paid for, in this one step. It is confirmed by mail, and nobody has to say why."""
        wanted = CancelSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = account_of(request)
        canceled = subscriptions.cancel(
            account_id=account.pk,
            gateway=stripe_gateway.connect(),
            now=now(),
            by=f"account:{account.pk}",
            reason=subscriptions.Why(**wanted.validated_data),
        )
        return Response(serializers.SubscriptionSerializer(canceled).data)

    @extend_schema(operation_id="subscription_undo_cancel", responses=serializers.SubscriptionSerializer)
    @raises(subscriptions.NoSubscription, subscriptions.NotCanceled)
    def delete(self, request: Request) -> Response:
        """Take the cancellation back, before it takes effect."""
        account = account_of(request)
        kept = subscriptions.undo_cancel(account_id=account.pk, now=now(), by=f"account:{account.pk}")
        return Response(serializers.SubscriptionSerializer(kept).data)


class QuotesView(APIView):
    """What a change of plan costs."""

    throttle_scope = "payments"

    @extend_schema(
        operation_id="subscription_quote",
        request=serializers.ChangeSerializer,
        responses={201: serializers.QuoteSerializer},
    )
    @raises(
        subscriptions.NoSubscription,
        subscriptions.PriceNotOffered,
        changes.ChangeNotPossible,
        subscriptions.UnderReview,
    )
    def post(self, request: Request) -> Response:
        """Ask what a higher plan costs from today to the end of the period. The answer is binding until it expires.

        Within a trial any plan of the family and any interval can be asked for: nothing is charged before the trial's end,
        which stays, and `next_bill` says what is charged then.
        """
        wanted = serializers.ChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = changes.quote(account_id=account_of(request).pk, price_id=wanted.validated_data["price"], now=now())
        return Response(serializers.QuoteSerializer(made).data, status.HTTP_201_CREATED)


class AcceptQuoteView(APIView):
    """Changing the plan."""

    throttle_scope = "payments"

    @extend_schema(operation_id="subscription_accept_quote", request=None, responses=serializers.SubscribedSerializer)
    @raises(
        changes.QuoteNotFound,
        changes.QuoteExpired,
        TrialUsed,
        subscriptions.UnderReview,
        subscriptions.PaymentMethodRequired,
        subscriptions.PaymentUnderWay,
        subscriptions.PaymentFailed,
    )
    @idempotent(secret=True)
    def post(self, request: IdempotentRequest, quote_id: UUID) -> Response:
        """Pay what was quoted and have the plan at once, or, within a trial, where `begins_at` says so, at its end."""
        changed = changes.accept(
            account_id=account_of(request).pk,
            quote_id=quote_id,
            request_key=request.idempotency,
            gateway=stripe_gateway.connect(),
            now=now(),
        )
        payment = {"status": changed.payment, "client_secret": changed.client_secret, **for_clients()}
        answer = serializers.SubscribedSerializer({"subscription": changed.subscription, "payment": payment})
        return Response(answer.data)


class DowngradeView(APIView):
    """Changing down."""

    @extend_schema(
        operation_id="subscription_downgrade",
        request=serializers.ChangeSerializer,
        responses=serializers.SubscriptionSerializer,
    )
    @raises(subscriptions.NoSubscription, subscriptions.PriceNotOffered, changes.ChangeNotPossible)
    def post(self, request: Request) -> Response:
        """Take a lower plan from the next period on; the present plan's price takes it back."""
        wanted = serializers.ChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = account_of(request)
        changed = changes.downgrade(
            account_id=account.pk, price_id=wanted.validated_data["price"], now=now(), by=f"account:{account.pk}"
        )
        return Response(serializers.SubscriptionSerializer(changed).data)


class InvoicesView(generics.ListAPIView[Invoice]):
    """The account's invoices."""

    serializer_class = serializers.InvoiceSerializer
    ordering: ClassVar[Any] = "-id"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Invoice.objects.none()
        return selectors.invoices_of(account_id=account_of(self.request).pk)

    @extend_schema(operation_id="invoices_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the invoices, newest first."""
        return super().get(request, *args, **kwargs)


class InvoiceView(APIView):
    """One invoice."""

    @extend_schema(operation_id="invoices_retrieve", responses=serializers.InvoiceSerializer)
    def get(self, request: Request, invoice_id: UUID) -> Response:
        """Answer an invoice."""
        found = selectors.invoices_of(account_id=account_of(request).pk).filter(pk=invoice_id).first()
        if found is None:
            raise Http404
        return Response(serializers.InvoiceSerializer(found).data)


class ExplainInvoiceView(APIView):
    """Why an invoice is what it is."""

    @extend_schema(operation_id="invoices_explain", responses=serializers.ExplanationSerializer)
    def get(self, request: Request, invoice_id: UUID) -> Response:
        """Say in order why each amount is what it is, and what was done to collect it."""
        found = explanations.explanation(account_id=account_of(request).pk, invoice_id=invoice_id)
        if found is None:
            raise Http404
        return Response(serializers.ExplanationSerializer(found).data)


class EntitlementView(APIView):
    """Access."""

    @extend_schema(operation_id="entitlement_retrieve", responses=serializers.EntitlementSerializer)
    def get(self, request: Request) -> Response:
        """Answer what the account may do now, and until when that is certain."""
        found = selectors.entitlement(account_id=account_of(request).pk, now=now())
        return Response(serializers.EntitlementSerializer(found).data)


class StripeWebhookView(APIView):
    """Where Stripe tells us things. Proved by its signature, so nobody signs in."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Store the event and answer at once; a worker applies it."""
        event = webhooks.receive(
            event=stripe_gateway.verify_webhook(request.body, request.META.get("HTTP_STRIPE_SIGNATURE")),
            livemode=stripe_gateway.livemode(),
            now=now(),
        )
        # A broker that does not answer costs a minute: the event is stored, and beat looks for it.
        wake = partial(tasks.process_webhook.apply_async, kwargs={"event_id": event}, retry=False)
        transaction.on_commit(wake, robust=True)
        return Response(status=status.HTTP_204_NO_CONTENT)


def for_clients() -> dict[str, str]:
    return {"publishable_key": settings.STRIPE_PUBLISHABLE_KEY, "api_base": stripe_gateway.api_base()}
