"""What the tables in the admin have in common."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from billing import pdf
from billing.selectors.documents import Document

GOOD, WAITING, BAD, OVER = "success", "warning", "danger", "info"


class ReadOnly(ModelAdmin):
    """A table that only services write."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class ReadOnlyInline(TabularInline):
    """Rows that belong to the one shown."""

    extra = 0
    max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class WithPdf(ReadOnly):
    """Documents, each with its PDF."""

    def document(self, request: HttpRequest, pk: UUID) -> Document | None:
        """Answer the document of a row; None if there is none."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Add the PDF of each."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_pdf"
        view = self.admin_site.admin_view(self.pdf_view)
        return [path("<uuid:pk>/pdf/", view, name=name), *super().get_urls()]

    def pdf_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Answer the PDF to whoever may see the row."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = self.document(request, pk)
        if document is None:
            raise Http404
        return pdf.response(document)

    @display(description="PDF")
    def pdf_link(self, row: Model) -> str:
        """Link to the PDF."""
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_pdf", args=[row.pk])
        return format_html('<a href="{}" target="_blank" class="text-primary-600 underline">{}</a>', address, "Open")


def as_json(value: object) -> str:
    """Show a structure as indented text."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))
