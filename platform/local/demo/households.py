"""Brings the demo's people to where their stories say, through the services that the product uses."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from accounts import selectors as policies
from accounts.models import User
from accounts.services import audit, consents, profiles, staff
from billing import selectors, stripe_gateway
from billing.models import Price
from billing.services import cards, renewals, subscriptions
from core.idempotency import RequestKey
from local.client import Browser
from local.demo.people import CARD_THAT_FAILS_LATER, GOOD_CARD, PASSWORD, STAFF, Viewer


def are_alone() -> bool:
    """Answer whether nobody else uses this database: a known password must not open anybody's."""
    return not User.objects.exclude(email__endswith="@demo.test").exists()


@transaction.atomic
def employ() -> None:
    """Make the staff, with their groups' rights."""
    staff.sync_groups()
    for member in STAFF:
        if not User.objects.for_email(member.email).exists():
            user = User.objects.create_user(member.email, PASSWORD, is_staff=True)
            user.groups.add(Group.objects.get(name=member.group))
            _verify(user)


@transaction.atomic
def invite(viewer: Viewer, *, now: datetime) -> None:
    """Make a household with its profiles, which has agreed to what is asked for."""
    if User.objects.for_email(viewer.email).exists():
        return
    account = User.objects.create_user(viewer.email, PASSWORD, country=viewer.country, language=viewer.language)
    _verify(account)
    documents = [document.pk for document in policies.current_documents(now=now) if document.is_required]
    consents.give(account_id=account.pk, documents=documents, by=account, now=now, origin=audit.NOWHERE)
    for name, is_kids in viewer.profiles:
        profiles.create(account_id=account.pk, fields={"name": name, "is_kids": is_kids}, now=now)


def subscribe(viewer: Viewer, *, now: datetime) -> None:
    """Bring a household's subscription to where its story says, through the real services and the gateway."""
    account = User.objects.for_email(viewer.email).get()
    if not viewer.plan or selectors.current_subscription(account_id=account.pk) is not None:
        return
    began = now - timedelta(days=viewer.subscribed)
    gateway = stripe_gateway.connect()
    _save_card(account, GOOD_CARD, now=began)
    price = _monthly_price(viewer)
    subscriptions.subscribe(
        account_id=account.pk,
        price_id=price.pk,
        quoted_amount=price.amount,
        country=viewer.country,
        seen=viewer.country,
        billing_tz=viewer.time_zone,
        request_key=_request_key(account),
        gateway=gateway,
        now=began,
        by="demo",
    )
    if viewer.leaves:
        subscriptions.cancel(account_id=account.pk, gateway=gateway, now=now, by=f"account:{account.pk}")
    if viewer.card_fails:
        _save_card(account, CARD_THAT_FAILS_LATER, now=began)
        renewals.run(gateway=gateway, clock=lambda: now, limit=100)


def _save_card(account: User, number: str, *, now: datetime) -> None:
    gateway = stripe_gateway.connect()
    setup = cards.start_setup(account_id=account.pk, request_key=_request_key(account), gateway=gateway, now=now)
    browser = Browser(api_base=stripe_gateway.api_base(), publishable_key=settings.STRIPE_PUBLISHABLE_KEY)
    browser.enter_card(setup_intent=setup.setup_intent, client_secret=setup.client_secret, number=number)
    cards.register(account_id=account.pk, setup_intent=setup.setup_intent, gateway=gateway, now=now)


def _monthly_price(viewer: Viewer) -> Price:
    offered = next(offer for offer in selectors.offers(country=viewer.country) if offer.plan.code == viewer.plan)
    return next(price for price in offered.prices if price.interval == "month")


def _request_key(account: User) -> RequestKey:
    return RequestKey.of(account_id=account.pk, operation="demo", key=str(uuid4()), body=None)


def _verify(user: User) -> None:
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True, "verified": True})
