"""An API of the tests: views that fail in every way, a list, and a payment that counts once.

It is the addresses of a process of its own as well (tests/core/api/server.py).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection, transaction
from django.http import Http404, HttpResponse
from django.urls import include, path
from rest_framework import generics, serializers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config import urls
from core import clock, idempotency
from core.api import etags
from core.api.idempotency import IdempotentRequest, idempotent
from core.api.serializers import InputSerializer
from core.errors import DomainError
from core.idempotency import RequestKey
from core.models import IdempotencyKey

# Plain SQL: no app of ours has tables for tests. `outside` is another company's books.
CREATE = """
CREATE TABLE sample_intent (
    request_key uuid PRIMARY KEY, account_id uuid NOT NULL, amount int NOT NULL, state text NOT NULL
);
CREATE TABLE sample_outside (key uuid PRIMARY KEY, amount int NOT NULL, asked int NOT NULL DEFAULT 1);
"""
DROP = "DROP TABLE sample_intent, sample_outside"


@contextmanager
def tables() -> Iterator[None]:
    """Have the tables."""
    with connection.cursor() as cursor:
        cursor.execute(CREATE)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(DROP)


def rows(sql: str) -> list[tuple[Any, ...]]:
    """Answer the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


class CardDeclined(DomainError):
    """The sample's refusal after its intent was committed."""

    code = "sample_card_declined"
    title = "The card was declined."
    status = 402


class OverLimit(DomainError):
    """The sample's refusal before anything was committed."""

    code = "sample_over_limit"
    title = "That is too much."
    status = 409


class OutsideUnavailable(DomainError):
    """The sample's passing failure."""

    code = "sample_unavailable"
    title = "Try again shortly."
    status = 503


# What a test may have done between the steps of a payment: name of the point -> what happens there.
at: dict[str, Callable[[], None]] = {}


def _reach(point: str) -> None:
    at.get(point, lambda: None)()


def pay(*, account_id: UUID, amount: int, request_key: RequestKey, kill_at: str = "") -> str:
    """Intent, outside effect, settlement: each its own commit. Answers the state."""

    def reach(point: str) -> None:
        if point == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        _reach(point)

    with transaction.atomic(), connection.cursor() as cursor:
        idempotency.claim(request_key, now=clock.now())
        reach("claimed")
        if amount > 1000:
            raise OverLimit(limit=1000)
        cursor.execute(
            "INSERT INTO sample_intent VALUES (%s, %s, %s, 'open') ON CONFLICT DO NOTHING",
            [request_key.id, account_id, amount],
        )
    reach("intent committed")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sample_outside AS known VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET asked = known.asked + 1",
            [request_key.id, amount],
        )
        reach("outside effect done")
        state = "declined" if amount == 13 else "paid"
        cursor.execute("UPDATE sample_intent SET state = %s WHERE request_key = %s", [state, request_key.id])
    reach("settled")
    if state == "declined":
        raise CardDeclined(decline_code="generic_decline")
    return state


class PaymentInput(InputSerializer):
    amount = serializers.IntegerField(min_value=1)
    note = serializers.CharField(required=False)


class PaymentView(APIView):
    """A payment."""

    @idempotent
    def post(self, request: IdempotentRequest, wallet: str = "main") -> Response:
        """Pay."""
        wanted = PaymentInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        state = pay(
            account_id=cast("UUID", request.user.pk),
            amount=wanted.validated_data["amount"],
            request_key=request.idempotency,
            kill_at=request.headers.get("X-Kill-At", ""),
        )
        return Response(
            {"id": request.idempotency.id, "state": state}, status=201, headers={"Location": "/api/v1/sample/1"}
        )


class SecretView(APIView):
    """A payment whose answer holds a secret."""

    @idempotent(secret=True)
    def post(self, request: IdempotentRequest) -> Response:
        """Pay, and tell a secret."""
        wanted = cast("dict[str, int]", request.data)
        pay(account_id=cast("UUID", request.user.pk), amount=wanted["amount"], request_key=request.idempotency)
        return Response({"id": request.idempotency.id, "client_secret": "s3cr3t"}, status=201)


class ForgetfulView(APIView):
    """Its service never claims the key."""

    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        """Answer."""
        return Response({})


class Item(InputSerializer):
    name = serializers.CharField()


class Order(InputSerializer):
    items = Item(many=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=3), required=False)

    def validate(self, attributes: Any) -> Any:
        if len(attributes["items"]) > 2:
            raise serializers.ValidationError("Two at most.", "too_many")
        return attributes


class OrderView(APIView):
    """Takes anything that is an order."""

    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        """Answer what was understood."""
        wanted = Order(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(wanted.validated_data)


class EchoView(APIView):
    """Answers what the body says."""

    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        """Answer the body."""
        return Response(request.data)


class FilterView(APIView):
    """Has query parameters."""

    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        """Answer nothing for good parameters."""
        Item(data=request.query_params).is_valid(raise_exception=True)
        return Response({})


class FailingView(APIView):
    """Fails as told."""

    permission_classes = [AllowAny]
    failures: dict[str, Exception] = {
        "domain": CardDeclined("Ask your bank.", decline_code="generic_decline"),
        "missing": Http404("no title 7 in table catalog_title"),
        "forbidden": PermissionDenied("because of the secret reason"),
        "anonymous": NotAuthenticated(),
        "suspicious": SuspiciousOperation("session data of 10.0.0.7"),
        "bug": ZeroDivisionError("the password is hunter2"),
    }

    def get(self, request: Request, how: str) -> Response:
        """Fail."""
        raise self.failures[how]


class LimitedView(APIView):
    """Counted with others of its scope."""

    permission_classes = [AllowAny]
    throttle_scope = "payments"

    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({})


class KeySerializer(serializers.ModelSerializer[IdempotencyKey]):
    class Meta:
        model = IdempotencyKey
        fields = ["id", "status"]


class KeysView(generics.ListAPIView[IdempotencyKey]):
    """A list in an order with many equal places."""

    permission_classes = [AllowAny]
    queryset = IdempotencyKey.objects.all()
    serializer_class = KeySerializer
    ordering: str | tuple[str, ...] = ("-status", "expires_at")


class OtherKeysView(KeysView):
    """The same rows in another order."""

    ordering = "id"


class VersionView(APIView):
    """Has a version, and counts how often its body was made."""

    permission_classes = [AllowAny]
    made = 0

    @etags.conditional
    def get(self, request: Request, version: int) -> Response:
        """Answer the version."""

        def body() -> dict[str, int]:
            VersionView.made += 1
            return {"version": version}

        return etags.answer(request, key=["sample", version], body=body)


def page(request: Any) -> HttpResponse:
    """A page outside of the API."""
    raise ZeroDivisionError


sample = [
    path("payments", PaymentView.as_view(), name="sample-payments"),
    path("wallets/<slug:wallet>/payments", PaymentView.as_view(), name="sample-wallet-payments"),
    path("secrets", SecretView.as_view(), name="sample-secrets"),
    path("forgetful", ForgetfulView.as_view(), name="sample-forgetful"),
    path("orders", OrderView.as_view(), name="sample-orders"),
    path("echo", EchoView.as_view(), name="sample-echo"),
    path("filters", FilterView.as_view(), name="sample-filters"),
    path("failing/<slug:how>", FailingView.as_view(), name="sample-failing"),
    path("limited", LimitedView.as_view(), name="sample-limited"),
    path("keys", KeysView.as_view(), name="sample-keys"),
    path("other-keys", OtherKeysView.as_view(), name="sample-other-keys"),
    path("versions/<int:version>", VersionView.as_view(), name="sample-version"),
]
urlpatterns = [path("api/v1/sample/", include(sample)), path("page", page), *urls.urlpatterns]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


class Gate:
    """Holds a request at a point until the test lets it go on."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.reached, self.open = threading.Event(), threading.Event()

    def __enter__(self) -> Gate:
        at[self.point] = self._wait
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        at.pop(self.point, None)

    def _wait(self) -> None:
        self.reached.set()
        assert self.open.wait(60), "nobody opened the gate"
