"""Documents and consents, and which optional mail an account wants."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import rules, selectors
from accounts.api.permissions import Reach
from accounts.models import PolicyDocument, User
from accounts.origins import origin_of
from accounts.services import consents, preferences
from core.api.problems import raises
from core.api.serializers import InputSerializer
from core.clock import now


class DocumentSerializer(serializers.ModelSerializer[PolicyDocument]):
    """The version of a document that holds now."""

    is_required = serializers.BooleanField(help_text="Whether nobody has an account without agreeing to it.")

    class Meta:
        model = PolicyDocument
        fields = ["id", "kind", "version", "url", "effective_at", "is_required"]


class ConsentSerializer(DocumentSerializer):
    """A document, and whether the account agreed to this version."""

    given_at = serializers.DateTimeField(
        allow_null=True, help_text="Null: not agreed to in this version, so ask, if it is required."
    )

    class Meta(DocumentSerializer.Meta):
        fields = [*DocumentSerializer.Meta.fields, "given_at"]


class ConsentChangeSerializer(InputSerializer):
    """What somebody agrees to."""

    documents = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=10, help_text="Ids of versions that hold now."
    )


class DocumentsView(APIView):
    """What whoever signs up is asked to agree to."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="policies_list", responses=DocumentSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the versions that hold now, one of each kind."""
        return Response(DocumentSerializer(selectors.current_documents(now=now()), many=True).data)


class ConsentsView(APIView):
    """What the account agreed to."""

    reach = Reach.OWN_DEVICE

    @extend_schema(operation_id="account_consents_list", responses=ConsentSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the versions that hold now; `given_at` is null where this one was not agreed to, or withdrawn from."""
        return _consents_of(request)

    @extend_schema(
        operation_id="account_consents_give",
        request=ConsentChangeSerializer,
        responses=ConsentSerializer(many=True),
    )
    @raises(consents.DocumentNotFound)
    def post(self, request: Request) -> Response:
        """Agree to versions that hold now."""
        wanted = ConsentChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = cast(User, request.user)
        consents.give(
            account_id=account.pk,
            documents=wanted.validated_data["documents"],
            by=account,
            now=now(),
            origin=origin_of(request),
        )
        return _consents_of(request)


class ConsentView(APIView):
    """One consent."""

    reach = Reach.OWN_DEVICE

    @extend_schema(operation_id="account_consents_withdraw", responses={204: OpenApiResponse(description="Withdrawn.")})
    @raises(consents.DocumentNotFound, consents.ConsentRequired)
    def delete(self, request: Request, document_id: UUID) -> Response:
        """Withdraw from a document in every version; from what is required only by leaving."""
        account = cast(User, request.user)
        consents.withdraw(
            account_id=account.pk, document_id=document_id, by=account, now=now(), origin=origin_of(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class PreferencesSerializer(serializers.Serializer[Any]):
    """Which optional mail an account wants. Mail about security, contract and data always comes."""

    news = serializers.BooleanField()
    recommendations = serializers.BooleanField()
    offers = serializers.BooleanField()


class YesOrNoField(serializers.BooleanField):
    """True or false: DRF's field takes 0 and "no" too, which the description does not say."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse what is neither."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class PreferencesChangeSerializer(InputSerializer):
    """What to change; every member is optional."""

    news = YesOrNoField(required=False)
    recommendations = YesOrNoField(required=False)
    offers = YesOrNoField(required=False)


assert tuple(PreferencesSerializer().fields) == rules.MAIL_TOPICS


class PreferencesView(APIView):
    """Optional mail."""

    reach = Reach.OWN_DEVICE

    @extend_schema(operation_id="account_notifications_retrieve", responses=PreferencesSerializer)
    def get(self, request: Request) -> Response:
        """Answer which optional mail the account wants."""
        return Response(preferences.topics_of(cast(User, request.user).pk))

    @extend_schema(
        operation_id="account_notifications_update",
        request=PreferencesChangeSerializer,
        responses=PreferencesSerializer,
    )
    def patch(self, request: Request) -> Response:
        """Choose."""
        wanted = PreferencesChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        chosen = preferences.choose(account_id=cast(User, request.user).pk, wanted=wanted.validated_data, now=now())
        return Response(chosen)


def _consents_of(request: Request) -> Response:
    found = selectors.documents_for(cast(User, request.user).pk, now=now())
    return Response(ConsentSerializer(found, many=True).data)
