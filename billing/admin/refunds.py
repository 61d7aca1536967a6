"""Money that goes back: refunds, disputes, warnings of fraud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.forms import Form, ModelForm, TypedChoiceField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from unfold.decorators import display
from unfold.widgets import UnfoldAdminRadioSelectWidget

from accounts import selectors as accounts
from billing import stripe_gateway
from billing.admin.base import (
    BAD,
    GOOD,
    NOTHING,
    OVER,
    WAITING,
    Actor,
    Coloured,
    OfPerson,
    amount_of,
    link,
    plan_link,
    said,
)
from billing.admin.words import in_words
from billing.models import Dispute, FraudWarning, Refund
from billing.selectors import evidence as packs
from billing.services import evidence, fraud, refunds
from core import clock
from core.errors import DomainError
from core.words import gettext_lazy as _

REQUESTED_BY, APPROVED_BY, SUBMITTED_BY = Actor("requested_by"), Actor("approved_by"), Actor("submitted_by")
ANSWERED_BY = Actor("answered_by")


class RefundForm(ModelForm):  # type: ignore[type-arg] # takes no parameter at runtime
    """What is given back, and whether it is owed again: a choice that nobody makes by leaving it out."""

    owed_again = TypedChoiceField(
        label=_("And the invoice"),
        choices=[
            ("no", _("is corrected by a credit note: nothing more is owed for it")),
            ("yes", _("stays as it is: the customer owes the amount again, and the next invoice charges it")),
        ],
        coerce=lambda choice: choice == "yes",
        widget=UnfoldAdminRadioSelectWidget,
    )

    def clean_amount(self) -> int:
        """Refuse what is no amount of money."""
        amount: int = self.cleaned_data["amount"]
        if amount <= 0:
            raise ValidationError(gettext("A refund is a positive amount in minor units."))
        return amount


class AnswerForm(ModelForm):  # type: ignore[type-arg] # takes no parameter at runtime
    """What is done about a refund that failed."""

    answer = TypedChoiceField(
        label=_("answer"),
        choices=[
            (Refund.Answer.RETRIED, _("try again: the card is asked once more, with a second person above the limit")),
            (Refund.Answer.PAID_OTHERWISE, _("paid in another way: the customer has the money")),
            (Refund.Answer.DISMISSED, _("not owed to the customer")),
        ],
        coerce=Refund.Answer,
        widget=UnfoldAdminRadioSelectWidget,
    )

    def clean(self) -> dict[str, Any]:
        """Ask how it was paid, or why it is not owed."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("answer") not in {None, Refund.Answer.RETRIED} and not cleaned.get("answer_reason", "").strip():
            self.add_error("answer_reason", refunds.AnswerWithoutReason.title)
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
class RefundAdmin(OfPerson):
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
        "reason",
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
        "reason",
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

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a refund, and answer one that failed, or say why that cannot be."""
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except DomainError as error:
            self.message_user(request, said(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a refund, or say why there is none."""
        try:
            return super().add_view(request, form_url, extra_context)
        except DomainError as error:
            self.message_user(request, said(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

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


@admin.register(Dispute)
class DisputeAdmin(OfPayment):
    """Disputes: until when the bank takes evidence, what we hold, and the action that submits it."""

    list_display = (
        "gateway_id",
        "customer",
        "invoice",
        "amount_label",
        "reason_label",
        "status_label",
        "due_by",
        "submitted_at",
        "opened_at",
    )
    list_filter = ("status", "reason")
    list_select_related = ("attempt__invoice__account",)
    search_fields = (
        "=gateway_id",
        "=attempt__gateway_id",
        "=attempt__invoice__number",
        "=attempt__invoice__account__email",
    )
    search_help_text = _("A whole dispute or PaymentIntent id, invoice number or e-mail address.")
    ordering = ("-pk",)
    fields: ClassVar[Any] = (
        "gateway_id",
        "status_label",
        "reason_label",
        "amount_label",
        "customer",
        "subscription",
        "invoice",
        "payment",
        "opened_at",
        "due_by",
        "pack_link",
        "submitted_at",
        SUBMITTED_BY,
        "closed_at",
    )
    readonly_fields: ClassVar[Any] = (
        "status_label",
        "reason_label",
        "amount_label",
        "customer",
        "subscription",
        "invoice",
        "payment",
        "pack_link",
        SUBMITTED_BY,
    )
    actions = ("submit_evidence",)

    def has_submit_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to speak for us."""
        return request.user.has_perm("billing.submit_evidence")

    @admin.action(description=_("Submit the evidence that we hold"), permissions=["submit"])
    def submit_evidence(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> None:
        """Send the evidence to the bank, through Stripe."""
        for dispute in queryset:
            try:
                evidence.submit(
                    dispute_id=dispute.pk,
                    gateway=stripe_gateway.connect(),
                    now=clock.now(),
                    by=f"staff:{request.user.pk}",
                )
            except DomainError as error:
                self.message_user(request, f"{dispute}: {said(error)}", messages.ERROR)
            else:
                self.log_change(request, dispute, gettext("evidence submitted"))
                self.message_user(request, f"{dispute.gateway_id}: {gettext('evidence submitted')}.", messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        """Add the evidence of each dispute."""
        view = self.admin_site.admin_view(self.pack_view)
        return [path("<int:pk>/evidence/", view, name="billing_dispute_evidence"), *super().get_urls()]

    def pack_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the evidence as a ZIP file to whoever may submit it, on record."""
        if not self.has_submit_permission(request):
            raise PermissionDenied
        dispute = Dispute.objects.select_related("attempt").filter(pk=pk).first()
        if dispute is None:
            raise Http404
        found = packs.archive(packs.pack(dispute))
        self.log_change(request, dispute, gettext("evidence downloaded"))
        self.record_opening(request, dispute, "evidence")
        answer = HttpResponse(found, content_type="application/zip")
        answer["Content-Disposition"] = f'attachment; filename="{dispute.gateway_id}.zip"'
        answer["Cache-Control"] = "private, no-store"
        return answer

    @display(description=_("evidence"))
    def pack_link(self, dispute: Dispute) -> str:
        """Link to all that we hold."""
        address = reverse("admin:billing_dispute_evidence", args=[dispute.pk])
        return format_html(
            '<a href="{}" class="text-primary-600 underline">{}</a>', address, gettext("Download as ZIP")
        )

    @display(description=_("amount"), ordering="amount")
    def amount_label(self, dispute: Dispute) -> str:
        """Show major units."""
        return amount_of(dispute.amount, dispute.currency)

    @display(description=_("reason"), ordering="reason")
    def reason_label(self, dispute: Dispute) -> str:
        """Write the bank's word for people."""
        return in_words(dispute.reason)

    @display(
        description=_("status"),
        ordering="status",
        label={
            "needs response": BAD,
            "warning needs response": WAITING,
            "under review": WAITING,
            "warning under review": WAITING,
            "won": GOOD,
            "lost": BAD,
            "warning closed": OVER,
        },
    )
    def status_label(self, dispute: Dispute) -> Coloured:
        """Colour the status."""
        return Coloured(dispute.status.replace("_", " "), in_words(dispute.status))


@admin.register(FraudWarning)
class FraudWarningAdmin(OfPayment):
    """Early warnings of fraud, and what was done; those that wait are dismissed here, or their invoice is refunded."""

    list_display = (
        "gateway_id",
        "customer",
        "invoice",
        "amount_label",
        "type_label",
        "action_label",
        "refund",
        "received_at",
    )
    list_filter = ("action", "fraud_type")
    list_select_related = ("attempt__invoice__account", "refund")
    search_fields = (
        "=gateway_id",
        "=attempt__gateway_id",
        "=attempt__invoice__number",
        "=attempt__invoice__account__email",
    )
    search_help_text = _("A whole warning or PaymentIntent id, invoice number or e-mail address.")
    ordering = ("-pk",)
    actions = ("dismiss",)
    fields = (
        "gateway_id",
        "type_label",
        "action_label",
        "amount_label",
        "customer",
        "subscription",
        "invoice",
        "payment",
        "refund",
        "received_at",
    )
    readonly_fields = ("type_label", "action_label", "amount_label", "customer", "subscription", "invoice", "payment")

    @display(description=_("amount"))
    def amount_label(self, warning: FraudWarning) -> str:
        """Show major units."""
        return amount_of(warning.attempt.invoice.due, warning.attempt.invoice.currency)

    @display(description=_("type"), ordering="fraud_type")
    def type_label(self, warning: FraudWarning) -> str:
        """Write the bank's word for people."""
        return in_words(warning.fraud_type)

    @display(
        description=_("what was done"),
        ordering="action",
        label={
            FraudWarning.Action.REFUNDED: GOOD,
            FraudWarning.Action.PARKED: BAD,
            FraudWarning.Action.NONE: OVER,
        },
    )
    def action_label(self, warning: FraudWarning) -> Coloured:
        """Colour the action."""
        return Coloured(warning.action, warning.get_action_display())

    def has_dismiss_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to put back what was parked."""
        return request.user.has_perm("billing.unpark_subscription")

    @admin.action(description=_("Dismiss: it was the customer"), permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[FraudWarning]) -> None:
        """Let the payment stand; a gift can be redeemed again."""
        for warning in queryset:
            try:
                fraud.dismiss(warning_id=warning.pk)
            except DomainError as error:
                self.message_user(request, f"{warning}: {said(error)}", messages.ERROR)
            else:
                self.log_change(request, warning, gettext("dismissed"))
                self.message_user(request, f"{warning.gateway_id}: {gettext('dismissed')}.", messages.SUCCESS)
