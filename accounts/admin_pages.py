"""Pages of the admin that tell of a person, whichever app they belong to: who of the staff opens one is on record."""

from __future__ import annotations

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

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> HttpResponse:  # fmt: skip
        """Show a row, or again what was filled in wrongly, and record who looked at it."""
        if obj is not None:
            self.record_opening(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def record_opening(self, request: HttpRequest, row: Model, what: str = "page") -> None:
        """Record that whoever asks sees a row, or a file that is made of it."""
        account_id = self._account_of(row)
        by = cast(User, request.user)
        if account_id is None or account_id == by.pk:
            return
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

    def _account_of(self, row: Model) -> UUID | None:
        found: Any = row
        for name in self.person.split("."):
            if found is None:
                break
            found = getattr(found, name)
        return cast("UUID | None", found)
