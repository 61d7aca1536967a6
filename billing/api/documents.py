"""Invoices and credit notes as documents, and whom they are made out to."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from billing import pdf, selectors
from billing.api import serializers
from billing.models import BillingDetails, CreditNote
from billing.selectors import documents as found_documents
from billing.services import documents
from core.api.problems import raises
from core.clock import now


class PdfRenderer(BaseRenderer):
    """Lets clients ask for application/pdf; the views answer it themselves."""

    media_type = "application/pdf"
    format = "pdf"


class InvoicePdfView(APIView):
    """An invoice as PDF."""

    renderer_classes = [PdfRenderer]

    @extend_schema(operation_id="invoices_pdf", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, invoice_id: UUID) -> HttpResponse:
        """Answer an invoice as PDF/A, in the language of the request."""
        invoice = found_documents.issued_invoices(account_id=_account(request).pk).filter(pk=invoice_id).first()
        if invoice is None:
            raise Http404
        return pdf.response(found_documents.of_invoice(invoice))


class CreditNotesView(generics.ListAPIView[CreditNote]):
    """The account's credit notes."""

    serializer_class = serializers.CreditNoteSerializer
    ordering: ClassVar[Any] = "-id"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return CreditNote.objects.none()
        return CreditNote.objects.filter(invoice__account=_account(self.request)).select_related("refund")

    @extend_schema(operation_id="credit_notes_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the credit notes, newest first."""
        return super().get(request, *args, **kwargs)


class CreditNotePdfView(APIView):
    """A credit note as PDF."""

    renderer_classes = [PdfRenderer]

    @extend_schema(operation_id="credit_notes_pdf", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, credit_note_id: UUID) -> HttpResponse:
        """Answer a credit note as PDF/A, in the language of the request."""
        note = found_documents.credit_notes_of(account_id=_account(request).pk).filter(pk=credit_note_id).first()
        if note is None:
            raise Http404
        return pdf.response(found_documents.of_credit_note(note))


class BillingDetailsView(APIView):
    """Whom invoices are made out to."""

    @extend_schema(operation_id="billing_details_retrieve", responses=serializers.BillingDetailsSerializer)
    def get(self, request: Request) -> Response:
        """Answer name, address and tax number as the next invoice will show them."""
        details = selectors.billing_details_of(account_id=_account(request).pk) or BillingDetails()
        return Response(serializers.BillingDetailsSerializer(details).data)

    @extend_schema(
        operation_id="billing_details_set",
        request=serializers.SetBillingDetailsSerializer,
        responses=serializers.BillingDetailsSerializer,
    )
    @raises(documents.TooManyChanges)
    def put(self, request: Request) -> Response:
        """Set name, address and tax number for the invoices to come; those that exist stay as they are.

        Country and postal code say where you are taxed, together with your card and the place you connect from. If
        that changes, it changes with a later period, and a mail says so before.
        """
        wanted = serializers.SetBillingDetailsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        details = documents.set_billing_details(account_id=_account(request).pk, **wanted.validated_data, now=now())
        return Response(serializers.BillingDetailsSerializer(details).data)


def _account(request: Request) -> User:
    return cast("User", request.user)
