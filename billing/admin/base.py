"""What the tables in the admin have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from accounts import selectors as accounts
from accounts.admin_pages import OnRecord
from accounts.rules import canonical_email
from billing import pdf, rules
from billing.admin.forms import AskingForm
from billing.models import CreditUse, Dispute, FraudWarning, NumberSeries, Price, Subscription
from billing.selectors.documents import Document
from billing.words import in_words
from core import money
from core.admin import BoundedPaginator
from core.errors import DomainError
from core.money import Money
from core.words import gettext_lazy as _

GOOD, WAITING, BAD, OVER = "success", "warning", "danger", "info"
NOTHING = "-"
BREAK = SafeString("<br>")
FOUND = 500
"""At most so many rows are found by one word."""

Row = TypeVar("Row", bound=Model)


class Actor:
    """A column for who did something: `requested_by` as colleagues call them, for a whole list in one query."""

    def __init__(self, field: str, description: str = "") -> None:
        self.__name__ = f"{field}_name"
        self._field = field
        self.short_description = description or _(field.replace("_", " "))
        self.admin_order_field = field

    def __call__(self, row: Model) -> str:
        """Name who it was."""
        by = str(getattr(row, self._field))
        names: dict[str, str] = getattr(row, _NAMES, None) or accounts.names_of([by])
        return names.get(by, by) or NOTHING

    def of(self, row: Model) -> str:
        """Answer who it was, as it is stored."""
        return str(getattr(row, self._field))


_NAMES = "_names_of_actors"
_REFUSAL = "_refusal_of_a_service"


class Coloured(NamedTuple):
    """A value that a column colours, and how it is called in the language at hand; pages show the name."""

    value: str
    name: str

    def __str__(self) -> str:
        """Answer the name."""
        return self.name


def said(error: DomainError) -> str:
    """Answer what a service refuses and why, in the language at hand."""
    return gettext(str(error))


class ReadOnly(ModelAdmin):
    """A table that only services write, however long it is."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def carry_out(
        self, request: HttpRequest, queryset: QuerySet[Row], act: Callable[[Row, str], object], done: str
    ) -> None:
        """Act upon each row in the name of whoever asks, and tell what was refused."""
        count = 0
        for row in queryset:
            try:
                act(row, f"staff:{request.user.pk}")
            except DomainError as error:
                self.message_user(request, f"{row}: {said(error)}", messages.ERROR)
            else:
                self.log_change(request, row, done)
                count += 1
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Look for a whole word in each field apart, by its index: in one statement they would read all rows."""
        word = search_term.strip()
        if not word:
            return queryset, False
        found: set[Any] = set()
        for name in self.get_search_fields(request):
            found |= self._look_up(str(name).removeprefix("="), word)
        return queryset.filter(pk__in=found), False

    def _look_up(self, name: str, word: str) -> set[Any]:
        if name.endswith("number"):
            wanted = _numbered(name.removesuffix("number"), word)
        elif name.endswith("email"):
            wanted = {f"{name}__in": [word, canonical_email(word)]}
        else:
            try:
                wanted = {name: get_fields_from_path(self.model, name)[-1].to_python(word)}
            except ValidationError:
                return set()
        rows = self.model._default_manager.filter(**wanted) if wanted else self.model._default_manager.none()
        return set(rows.values_list("pk", flat=True)[:FOUND])

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Know the names of all who acted upon the rows of a page."""
        changelist = super().get_changelist_instance(request)
        columns = [column for column in self.get_list_display(request) if isinstance(column, Actor)]
        if columns:
            rows = list(changelist.result_list)
            names = accounts.names_of(column.of(row) for row in rows for column in columns)
            for row in rows:
                setattr(row, _NAMES, names)
            changelist.result_list = rows
        return changelist


def _numbered(way: str, word: str) -> dict[str, Any]:
    """Answer what finds a document by its number; documents are indexed by series and sequence."""
    code, year, sequence = ([*word.upper().split("-"), "", ""])[:3]
    if not (year.isdecimal() and sequence.isdecimal()) or len(year) > 4 or len(sequence) > 18:
        return {}
    series = NumberSeries.objects.filter(code=code, year=int(year)).values_list("pk", flat=True)
    return {f"{way}series__in": list(series), f"{way}sequence": int(sequence)}


class OfPerson(OnRecord, ReadOnly):  # type: ignore[misc]  # the stubs of unfold and Django disagree on attributes
    """A table that only services write and whose rows each tell of a customer: who looks at one is on record."""


class OfPayment(OfPerson):
    """What a bank says of a payment, with the ways to all that the payment belongs to."""

    person = "attempt.invoice.account_id"

    @display(description=_("customer"))
    def customer(self, row: Dispute | FraudWarning) -> str:
        """Link to the account."""
        return link(row.attempt.invoice.account)

    @display(description=_("subscription"))
    def subscription(self, row: Dispute | FraudWarning) -> str:
        """Link to what the payment was for, by its plan."""
        return plan_link(row.attempt.invoice.subscription)

    @display(description=_("invoice"))
    def invoice(self, row: Dispute | FraudWarning) -> str:
        """Link to what was paid."""
        return link(row.attempt.invoice)

    @display(description=_("payment"))
    def payment(self, row: Dispute | FraudWarning) -> str:
        """Link to what the bank speaks of."""
        return link(row.attempt, f"{row.attempt.payment_method}, {row.attempt.gateway_id}")


class Asked(OfPerson):
    """A table whose rows staff ask a service for; what it refuses stands in the form again, with the reason."""

    form = AskingForm

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show the form once more where the service refuses what it says."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except DomainError as error:
            setattr(request, _REFUSAL, said(error))
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Let the form know why it was refused."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"refusal": getattr(request, _REFUSAL, "")})


class CurrencyFilter(admin.SimpleListFilter):
    """The currencies of our prices: those of a large table would have to be collected from all its rows."""

    title = _("currency")
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer what there are prices in."""
        codes = Price.objects.order_by("currency").values_list("currency", flat=True).distinct()
        return [(code, code) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the currency asked for."""
        return queryset.filter(currency=self.value()) if self.value() else queryset


class InWordsFilter(admin.AllValuesFieldListFilter):
    """The codes that a small table has, in words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Call each as staff do."""
        for choice in super().choices(changelist):
            yield {**choice, "display": in_words(str(choice["display"]))}


class ReadOnlyInline(TabularInline):
    """Rows that belong to the one shown."""

    extra = 0
    max_num = 0
    can_delete = False
    hide_title = True  # what a row is called says again what is in it, or its bare id
    reads: ClassVar[tuple[str, ...]] = ()
    """The relations that the rows show."""

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read what is shown with the rows."""
        return (
            super().get_queryset(request).select_related(*self.reads) if self.reads else super().get_queryset(request)
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class UsesInline(ReadOnlyInline):
    """Uses of credit, as seen from either side."""

    model = CreditUse
    LABELS: ClassVar[tuple[str, ...]] = ("amount_label", "returned_label")
    SHOWN: ClassVar[tuple[str, ...]] = (*LABELS, "used_at")

    @display(description=_("taken"))
    def amount_label(self, use: CreditUse) -> str:
        """Show major units."""
        return amount_of(use.amount, use.grant.currency)

    @display(description=_("returned"))
    def returned_label(self, use: CreditUse) -> str:
        """Show major units."""
        return amount_of(use.returned, use.grant.currency)


class WithPdf(OfPerson):
    """Documents, each with its PDF."""

    document_of: Callable[[UUID], Document | None]
    """Answers the document of a row; None if there is none."""

    def get_urls(self) -> list[URLPattern]:
        """Add the PDF of each."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_pdf"
        view = self.admin_site.admin_view(self.pdf_view)
        return [path("<uuid:pk>/pdf/", view, name=name), *super().get_urls()]

    def pdf_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Answer the PDF to whoever may see the row."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = self.document_of(pk)
        row = self.get_object(request, str(pk))
        if document is None or row is None:
            raise Http404
        self.record_opening(request, row, "PDF")
        return pdf.response(document)

    @display(description=_("PDF"))
    def pdf_link(self, row: Model) -> str:
        """Link to the PDF."""
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_pdf", args=[row.pk])
        return format_html(
            '<a href="{}" target="_blank" class="text-primary-600 underline">{}</a>', address, gettext("Open the PDF")
        )


def amount_of(amount: int | None, currency: str) -> str:
    """Write minor units with their currency."""
    return NOTHING if amount is None else money.shown(Money(amount, currency))


def link(row: Model | None, text: object = None) -> str:
    """Link to a row's page."""
    if row is None:
        return NOTHING
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return _anchor(address, str(row) if text is None else str(text))


def plan_link(subscription: Subscription | None) -> str:
    """Link to a subscription by its plan and status."""
    return link(subscription, f"{subscription.price.plan.name}, {standing(subscription)}" if subscription else None)


def standing(subscription: Subscription) -> str:
    """Answer where a subscription stands; nothing is billed of one that is parked, whatever else it is."""
    status = subscription.get_status_display()
    return gettext("%(status)s, parked") % {"status": status} if is_parked(subscription) else status


def is_parked(subscription: Subscription) -> bool:
    """Answer whether a subscription that would be billed is not, until staff have looked at it."""
    return subscription.parked_at is not None and subscription.status in rules.BILLABLE


def list_link(model: type[Model], text: str, **wanted: str) -> str:
    """Link to those rows of a table that have `wanted`."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return _anchor(f"{address}?{urlencode(wanted)}", text)


def links(rows: Iterable[Model]) -> str:
    """Link to each row's page."""
    return format_html_join(", ", "{}", ((link(row),) for row in rows)) or NOTHING


def _anchor(address: str, text: str) -> SafeString:
    return format_html('<a href="{}" class="text-primary-600 underline">{}</a>', address, text)


def as_json(value: object) -> str:
    """Show a structure as indented text, whose lines are broken where they are wider than the page."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    told = format_html_join(
        BREAK, "{}{}", (("\N{NO-BREAK SPACE}" * (len(line) - len(line.lstrip())), line.lstrip()) for line in lines)
    )
    return format_html('<code style="overflow-wrap: anywhere">{}</code>', told)
