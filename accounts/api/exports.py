"""Everything the platform holds about an account, for its owner to take away."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors, tasks
from accounts.api.permissions import Reach
from accounts.models import DataExport, User
from accounts.origins import origin_of
from accounts.services import exports
from core.api.problems import raises
from core.clock import now

ZIP = "application/zip"


class ContentSerializer(serializers.Serializer[Any]):
    """One kind of record in an archive."""

    app = serializers.CharField()
    name = serializers.CharField()
    records = serializers.IntegerField()
    files = serializers.ListField(child=serializers.CharField())


class ExportSerializer(serializers.ModelSerializer[DataExport]):
    """An archive of the account's data."""

    state = serializers.SerializerMethodField(help_text="`collecting`, `ready` or `failed`.")
    contents = ContentSerializer(many=True, help_text="The table of contents, once it is ready.")

    class Meta:
        model = DataExport
        fields = ["id", "state", "requested_at", "ready_at", "expires_at", "size", "sha256", "contents"]
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "size": {"help_text": "Bytes."},
            "expires_at": {"help_text": "When the archive is deleted; ask for a new one then."},
        }

    def get_state(self, export: DataExport) -> str:
        """Answer where it stands."""
        return "failed" if export.failed_at else "ready" if export.ready_at else "collecting"


class ExportsView(generics.ListAPIView[DataExport]):
    """The archives of the account."""

    serializer_class = ExportSerializer
    reach: ClassVar = {"GET": Reach.OWN_DEVICE, "POST": Reach.SENSITIVE}
    ordering: ClassVar[Any] = ("-requested_at", "-id")

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return DataExport.objects.none()
        return selectors.exports_of(cast(User, self.request.user).pk)

    @extend_schema(operation_id="account_exports_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the archives, newest first; each can be downloaded for seven days."""
        return super().get(request, *args, **kwargs)

    @extend_schema(operation_id="account_exports_create", request=None, responses={202: ExportSerializer})
    @raises(exports.ExportUnderWay, exports.TooManyExports)
    def post(self, request: Request) -> Response:
        """Ask for an archive of everything the platform holds about the account; a mail says when it is ready."""
        account = cast(User, request.user)
        asked = exports.request(account_id=account.pk, by=account, now=now(), origin=origin_of(request))
        tasks.build_export.delay_on_commit(export_id=str(asked.pk))
        return Response(ExportSerializer(asked).data, status.HTTP_202_ACCEPTED)


class ExportView(APIView):
    """One archive."""

    reach = Reach.OWN_DEVICE

    @extend_schema(operation_id="account_exports_retrieve", responses=ExportSerializer)
    @raises(exports.ExportNotFound)
    def get(self, request: Request, export_id: UUID) -> Response:
        """Answer where it stands, and its table of contents."""
        found = selectors.exports_of(cast(User, request.user).pk).filter(pk=export_id).first()
        if found is None:
            raise exports.ExportNotFound
        return Response(ExportSerializer(found).data)


class ArchiveView(APIView):
    """The archive itself."""

    reach = Reach.SENSITIVE

    @extend_schema(
        operation_id="account_exports_download",
        responses={(200, ZIP): OpenApiResponse(OpenApiTypes.BINARY, "A ZIP of JSON and CSV files.")},
    )
    @raises(exports.ExportNotFound, exports.ExportNotReady)
    def get(self, request: Request, export_id: UUID) -> FileResponse:
        """Download the archive."""
        account = cast(User, request.user)
        archive = exports.open_archive(
            account_id=account.pk, export_id=export_id, by=account, now=now(), origin=origin_of(request)
        )
        made = f"{now():%Y-%m-%d}"
        response = FileResponse(archive, as_attachment=True, filename=f"your-data-{made}.zip", content_type=ZIP)
        response["Cache-Control"] = "no-store"
        return response
