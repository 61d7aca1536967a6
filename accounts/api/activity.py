"""What was done to an account, as its owner reads it."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.models import AuditEntry, User


class ActivitySerializer(serializers.ModelSerializer[AuditEntry]):
    """One act. `actor` says whether it was the owner's, staff's, or of somebody who did not prove to be either."""

    class Meta:
        model = AuditEntry
        fields = ["id", "at", "act", "actor", "address", "place", "user_agent", "detail"]
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "address": {"help_text": "The network address it came from; null where no request asked for it."},
            "place": {"help_text": "Roughly where that is."},
        }

    def to_representation(self, instance: AuditEntry) -> dict[str, Any]:
        """Leave out where staff sit."""
        shown = super().to_representation(instance)
        if instance.actor == AuditEntry.Actor.STAFF:
            shown |= {"address": None, "place": "", "user_agent": "", "detail": {}}
        return shown


class ActivityView(generics.ListAPIView[AuditEntry]):
    """Sign-ins, failures, changes of security, and what staff did."""

    serializer_class = ActivitySerializer
    ordering: ClassVar[Any] = ("-at", "-id")

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return AuditEntry.objects.none()
        return selectors.activity_of(cast(User, self.request.user).pk)

    @extend_schema(operation_id="account_activity_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List what was done, newest first; entries are kept for 400 days."""
        return super().get(request, *args, **kwargs)
