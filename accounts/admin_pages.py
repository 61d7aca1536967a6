"""Pages of the admin that tell of a person, whichever app they belong to: who of the staff opens one is on record."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from accounts.models import User
from accounts.origins import origin_of
from accounts.services import audit
from core import clock


class OnRecord(ModelAdmin):
    """A table whose rows each tell of a person.

    Opening a row adds `staff_viewed` to the record of that person's account, with the page and the row; looking at
    one's own does not. The person reads at `/api/v1/account/activity` that staff looked, not who or at what.
    """

    person: ClassVar[str]
    """The way from a row to the id of the account: `invoice.account_id`. A row may belong to nobody."""
    others: ClassVar[tuple[str, ...]] = ()
    """The ways to the other accounts that a row tells of."""

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> HttpResponse:  # fmt: skip
        """Show a row, or again what was filled in wrongly, and record who looked at it."""
        if obj is not None:
            self.record_opening(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what staff did to a row, and record who looked at it."""
        response = super().history_view(request, object_id, extra_context)
        row = self.get_object(request, object_id)
        if row is not None and response.status_code == HTTPStatus.OK:
            self.record_opening(request, row, "history")
        return response

    def record_opening(self, request: HttpRequest, row: Model, what: str = "page") -> None:
        """Record that whoever asks sees a row, or a file that is made of it."""
        by = cast(User, request.user)
        for account_id in sorted(self.accounts_of(row) - {by.pk}):
            audit.record(
                audit.Act.STAFF_VIEWED,
                account_id=account_id,
                by=by,
                origin=origin_of(request),
                now=clock.now(),
                what=what,
                of=self.opts.label_lower,
                row=str(row.pk),
            )

    def accounts_of(self, row: Model) -> set[UUID]:
        """Answer the accounts of those whom a row tells of."""
        return {found for way in (self.person, *self.others) if (found := _follow(row, way)) is not None}


def _follow(row: Model, way: str) -> UUID | None:
    found: Any = row
    for name in way.split("."):
        if found is None:
            break
        found = getattr(found, name)
    return cast("UUID | None", found)
