"""Money that goes back: asked for, approved by a second person, and answered where it failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import Form, TypedChoiceField
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.decorators import display

from accounts import selectors as accounts
from billing.admin.base import (
    BAD,
    GOOD,
    NOTHING,
    OVER,
    WAITING,
    Actor,
    Asked,
    Coloured,
    amount_of,
    link,
    said,
)
from billing.admin.forms import AskingForm, Choices
from billing.models import Refund
from billing.services import refunds
from billing.words import in_words, written
from core import clock
from core.errors import DomainError
from core.words import gettext_lazy as _

REQUESTED_BY, APPROVED_BY, ANSWERED_BY = Actor("requested_by"), Actor("approved_by"), Actor("answered_by")


class RefundForm(AskingForm):
    """What is given back, and whether it is owed again: a choice that nobody makes by leaving it out."""

    owed_again = TypedChoiceField(
        label=_("And the invoice"),
        choices=[
            ("no", _("is corrected by a credit note: nothing more is owed for it")),
            ("yes", _("stays as it is: the customer owes the amount again, and the next invoice charges it")),
        ],
        coerce=lambda choice: choice == "yes",
        widget=Choices,
    )

    def clean_amount(self) -> int:
        """Refuse what is no amount of money."""
        amount: int = self.cleaned_data["amount"]
        if amount <= 0:
            raise ValidationError(gettext("A refund is a positive amount in minor units."))
        return amount


class AnswerForm(AskingForm):
    """What is done about a refund that failed."""

    answer = TypedChoiceField(
        label=_("answer"),
        choices=[
            (Refund.Answer.RETRIED, _("try again: the card is asked once more, with a second person above the limit")),
            (Refund.Answer.PAID_OTHERWISE, _("paid in another way: the customer has the money")),
            (Refund.Answer.DISMISSED, _("not owed to the customer")),
        ],
        coerce=Refund.Answer,
        widget=Choices,
    )

    def clean(self) -> dict[str, Any]:
        """Ask how it was paid, or why it is not owed."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("answer") not in {None, Refund.Answer.RETRIED} and not cleaned.get("answer_reason", "").strip():
            self.add_error("answer_reason", gettext(refunds.AnswerWithoutReason.title))
        return cleaned


class UnansweredFilter(admin.SimpleListFilter):
    """Those whose money is still with us."""

    title = _("answer")
    parameter_name = "answer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer those that wait for one."""
        return [("missing", gettext("failed, not answered yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        """Keep those that failed and that nobody has answered."""
        unanswered = Refund.objects.unanswered().values("pk")
        return queryset.filter(pk__in=unanswered) if self.value() == "missing" else queryset


@admin.register(Refund)
class RefundAdmin(Asked):
    """Refunds. Adding one asks for it; those that wait are approved or refused here, by somebody else than who asked.

    One that failed is answered on its page: tried again, paid in another way, or not owed.
    """

    person = "invoice.account_id"
    list_display: Any = (
        "invoice",
        "customer",
        "amount_label",
        "state_label",
        "owed_again",
        "reason_label",
        REQUESTED_BY,
        APPROVED_BY,
        "requested_at",
    )
    list_filter = ("state", UnansweredFilter, "owed_again")
    list_select_related = ("invoice__account",)
    search_fields = ("=gateway_id", "=invoice__number", "=invoice__account__email")
    search_help_text = _("A whole refund id, invoice number or e-mail address.")
    ordering = ("-pk",)
    actions = ("approve", "refuse")
    form = RefundForm
    autocomplete_fields = ("invoice",)
    SHOWN: ClassVar[Any] = (
        "invoice",
        "customer",
        "amount_label",
        "parts",
        "owed_again",
        "state_label",
        "failure_label",
        "reason_label",
        "attempt",
        "credit_note_link",
        "gateway_id",
        REQUESTED_BY,
        "requested_at",
        APPROVED_BY,
        "settled_at",
    )
    ASKED: ClassVar[Any] = ("answer", "answer_reason")
    readonly_fields: ClassVar[Any] = (
        "customer",
        "amount_label",
        "parts",
        "state_label",
        "failure_label",
        "reason_label",
        "credit_note_link",
        REQUESTED_BY,
        APPROVED_BY,
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the right to give money back."""
        return request.user.has_perm("billing.request_refund")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask only for what staff decide."""
        if obj is None:
            return ("invoice", "amount", "reason", "owed_again")
        if self.has_change_permission(request, obj):
            return (*self.SHOWN, *self.ASKED)
        return (*self.SHOWN, *self.ASKED, "retry", ANSWERED_BY, "answered_at") if obj.answer else self.SHOWN

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask on the page of one that failed for its answer alone."""
        return (*self.SHOWN, "retry", ANSWERED_BY, "answered_at") if obj else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask for a refund, or for the answer to one."""
        return super().get_form(request, obj, change, **({"form": AnswerForm} if obj else {}), **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let whoever may give money back answer one that failed, once."""
        if obj is None or not request.user.has_perm("billing.request_refund"):
            return False
        return Refund.objects.unanswered().filter(pk=obj.pk).exists()

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        """Ask, or answer, through the service."""
        wanted = cast("Refund", obj)
        if change:
            self._answer(wanted, by=f"staff:{request.user.pk}")
            return
        ask = refunds.request_owed_again if wanted.owed_again else refunds.request
        made = ask(
            invoice_id=wanted.invoice_id,
            amount=wanted.amount,
            reason=wanted.reason,
            by=f"staff:{request.user.pk}",
            now=clock.now(),
        )
        wanted.pk, wanted.currency, wanted.state = made.pk, made.currency, made.state

    @staticmethod
    def _answer(failed: Refund, *, by: str) -> None:
        how, now = Refund.Answer(failed.answer), clock.now()
        if how is Refund.Answer.RETRIED:
            refunds.retry(refund_id=failed.pk, by=by, now=now)
        else:
            refunds.answer(refund_id=failed.pk, how=how, reason=failed.answer_reason, by=by, now=now)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to approve."""
        return request.user.has_perm("billing.approve_refund")

    @admin.action(description=_("Approve"), permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """Let refunds be sent; a worker sends them within minutes."""
        self._each(
            request, queryset, lambda refund, by: refunds.approve(refund_id=refund.pk, by=by), gettext("approved")
        )

    @admin.action(description=_("Refuse"), permissions=["approve"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """Let refunds be forgotten."""

        def refuse(refund: Refund, by: str) -> object:
            return refunds.refuse(refund_id=refund.pk, by=by, now=clock.now())

        self._each(request, queryset, refuse, gettext("refused"))

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Refund], act: Callable[[Refund, str], object], done: str
    ) -> None:
        for refund in queryset:
            try:
                act(refund, f"staff:{request.user.pk}")
            except DomainError as error:
                self.message_user(request, f"{refund}: {said(error)}", messages.ERROR)
            else:
                self.log_change(request, refund, done)
                self.message_user(request, f"{refund}: {done}.", messages.SUCCESS)

    @display(description=_("customer"))
    def customer(self, refund: Refund) -> str:
        """Link to the account."""
        return link(refund.invoice.account)

    @display(description=_("amount"), ordering="amount")
    def amount_label(self, refund: Refund) -> str:
        """Show major units."""
        return amount_of(refund.amount, refund.currency)

    @display(description=_("net and tax"))
    def parts(self, refund: Refund) -> str:
        """Show major units."""
        return f"{amount_of(refund.net, refund.currency)} + {amount_of(refund.tax, refund.currency)}"

    @display(description=_("failure"))
    def failure_label(self, refund: Refund) -> str:
        """Write what came between for people: who refused it, or a code of Stripe's or ours in words."""
        if refund.failure.startswith(refunds.REFUSED_BY):
            who = refund.failure.removeprefix(refunds.REFUSED_BY)
            return gettext("refused by %(who)s") % {"who": accounts.names_of([who])[who]}
        return in_words(refund.failure) or NOTHING

    @display(description=_("reason"), ordering="reason")
    def reason_label(self, refund: Refund) -> str:
        """Write what somebody wrote, or ours in the language at hand."""
        return written(refund.reason)

    @display(description=_("credit note"))
    def credit_note_link(self, refund: Refund) -> str:
        """Link to its document."""
        return link(getattr(refund, "credit_note", None))

    @display(
        description=_("state"),
        ordering="state",
        label={
            Refund.State.REQUESTED: WAITING,
            Refund.State.APPROVED: WAITING,
            Refund.State.PENDING: WAITING,
            Refund.State.SUCCEEDED: GOOD,
            Refund.State.FAILED: BAD,
            Refund.State.REFUSED: OVER,
        },
    )
    def state_label(self, refund: Refund) -> Coloured:
        """Colour the state."""
        return Coloured(refund.state, refund.get_state_display())
