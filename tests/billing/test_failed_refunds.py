"""Refunds that failed: nobody's business but staff's, shown until that very refund is answered."""

from __future__ import annotations

from functools import partial

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import OutgoingEmail
from billing import stripe_gateway
from billing.gateway import RefundKind, RefundOutcome
from billing.models import CreditNote, Refund
from billing.selectors import documents, explanations, figures
from billing.services import refunds
from core.clock import now
from core.errors import DomainError
from tests.billing.test_admin_german import english
from tests.billing.test_refunds import ANNA, BEN, balances, give_back, paid
from tests.billing.threads import at_once
from tests.factories.accounts import StaffFactory
from tests.standin import Standin

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.12")]

PAID_OTHERWISE = Refund.Answer.PAID_OTHERWISE


class TestFailed:
    """It is said, and shown until somebody answers it."""

    def fail(self, refund: Refund) -> None:
        refunds.settle(
            refund_id=refund.pk,
            outcome=RefundOutcome(RefundKind.FAILED, refund.gateway_id, "lost_or_stolen_card"),
            now=now(),
        )

    def accept(self, refund: Refund) -> Refund:
        """Let it succeed where the stand-in, which knows nothing of the failure, would refuse it."""
        outcome = RefundOutcome(RefundKind.SUCCEEDED, f"re_{refund.pk}")
        return refunds.settle(refund_id=refund.pk, outcome=outcome, now=now())

    def test_is_said_and_shown_until_it_is_asked_for_again(
        self, standin: Standin, caplog: pytest.LogCaptureFixture
    ) -> None:
        invoice = paid(standin)
        refund = give_back(invoice, 400)
        assert figures.figures(now=now()).refunds_failed == 0
        self.fail(refund)
        assert [record.levelname for record in caplog.records if "A refund failed." in record.getMessage()] == ["ERROR"]
        assert list(Refund.objects.unanswered()) == [refund]
        assert figures.figures(now=now()).refunds_failed == 1
        again = refunds.retry(refund_id=refund.pk, by=ANNA, now=now())
        assert (again.amount, again.state, again.reason) == (400, "approved", refund.reason)
        assert not Refund.objects.unanswered().exists()
        refunds.send(refund_id=again.pk, gateway=stripe_gateway.connect(), now=now())
        self.fail(again)
        # The other try is what waits for an answer now.
        assert list(Refund.objects.unanswered()) == [again]

    def test_is_shown_whatever_else_is_given_back_of_the_invoice(self, standin: Standin) -> None:
        invoice = paid(standin)
        self.fail(refund := give_back(invoice, 400))
        give_back(invoice, 999)
        assert list(Refund.objects.unanswered()) == [refund]

    def test_is_shown_again_when_a_second_person_refuses_another_try(
        self, standin: Standin, settings: Settings
    ) -> None:
        invoice = paid(standin)
        self.fail(refund := give_back(invoice, 400))
        settings.REFUND_APPROVAL_LIMIT = 399
        again = refunds.retry(refund_id=refund.pk, by=ANNA, now=now())
        assert (again.state, list(Refund.objects.unanswered())) == ("requested", [])
        refunds.refuse(refund_id=again.pk, by=BEN, now=now())
        assert list(Refund.objects.unanswered()) == [refund]
        refunds.answer(refund_id=refund.pk, how=PAID_OTHERWISE, reason=" by transfer ", by=BEN, now=now())
        refund.refresh_from_db()
        assert (refund.answer_reason, refund.answered_by, refund.retry) == ("by transfer", BEN, None)
        assert not Refund.objects.unanswered().exists()

    @pytest.mark.rule("4.18", "4.23")
    @pytest.mark.parametrize("documented", [True, False])
    def test_that_was_paid_in_another_way_is_booked_so_and_not_given_back_once_more(
        self, standin: Standin, *, documented: bool
    ) -> None:
        invoice = paid(standin)
        if documented:
            self.fail(refund := give_back(invoice, 400))
        else:
            # Refused at once: no document says that it was given back.
            self.fail(refund := refunds.request(invoice_id=invoice.pk, amount=400, reason="", by=ANNA, now=now()))
        before = balances()
        assert (before["cash:stripe_clearing"], refunds.refundable(invoice)) == (1399, 1399)
        refunds.answer(refund_id=refund.pk, how=PAID_OTHERWISE, reason="by transfer", by=BEN, now=now())
        assert (balances()["cash:stripe_clearing"], balances()["cash:bank"]) == (1399, -400)
        # The service that it gave up, and its tax, are given up for good: 336 and 64 of the 400.
        assert before["tax_payable"] - balances()["tax_payable"] == -64
        assert sum(balances().values()) == 0
        assert CreditNote.objects.get().refund_id == refund.pk
        assert refunds.refundable(invoice) == 999
        with pytest.raises(refunds.NotRefundable):
            refunds.request(invoice_id=invoice.pk, amount=1000, reason="", by=ANNA, now=now())
        assert give_back(invoice, 999).state == "succeeded"
        assert balances() == {"cash:stripe_clearing": 400, "cash:bank": -400}
        (told,) = [each for each in explanations.explain(invoice).history if each.amount == -400]
        assert told.code == "refunded"

    def test_whose_invoice_was_given_back_meanwhile_was_not_paid_in_another_way(self, standin: Standin) -> None:
        invoice = paid(standin)
        self.fail(refund := give_back(invoice, 400))
        refunds.request(invoice_id=invoice.pk, amount=1399, reason="", by=ANNA, now=now())
        booked = balances()
        with pytest.raises(refunds.NotRefundable):
            refunds.answer(refund_id=refund.pk, how=PAID_OTHERWISE, reason="by transfer", by=BEN, now=now())
        assert (list(Refund.objects.unanswered()), balances()) == ([refund], booked)
        refunds.answer(refund_id=refund.pk, how=Refund.Answer.DISMISSED, reason="given back", by=BEN, now=now())
        assert (Refund.objects.unanswered().count(), balances()) == (0, booked)

    def test_is_answered_once_with_a_reason(self, standin: Standin) -> None:
        invoice = paid(standin)
        fine = give_back(invoice, 100)
        self.fail(refund := give_back(invoice, 400))
        with pytest.raises(refunds.AnswerWithoutReason):
            refunds.answer(refund_id=refund.pk, how=PAID_OTHERWISE, reason="  ", by=ANNA, now=now())
        with pytest.raises(refunds.NotUnanswered):
            refunds.answer(refund_id=fine.pk, how=PAID_OTHERWISE, reason="by transfer", by=ANNA, now=now())
        assert list(Refund.objects.unanswered()) == [refund]
        refunds.answer(refund_id=refund.pk, how=PAID_OTHERWISE, reason="by transfer", by=ANNA, now=now())
        for again in (refunds.retry, partial(refunds.answer, how=PAID_OTHERWISE, reason="twice")):
            with pytest.raises(refunds.NotUnanswered):
                again(refund_id=refund.pk, by=BEN, now=now())
        assert Refund.objects.values_list("answer", "answered_by").get(pk=refund.pk) == ("paid_otherwise", ANNA)
        assert Refund.objects.count() == 2

    def test_is_tried_again_with_the_credit_note_that_it_has(self, standin: Standin) -> None:
        """Money that goes back once has one document, however often it is tried."""
        invoice = paid(standin)
        self.fail(first := give_back(invoice, 400))
        note = CreditNote.objects.get()
        assert documents.standing_of_note(note) == ("waiting", "Not given back yet")
        # The second try is refused before anything is written, and the third is taken.
        self.fail(second := refunds.retry(refund_id=first.pk, by=ANNA, now=now()))
        third = refunds.retry(refund_id=second.pk, by=ANNA, now=now())
        assert CreditNote.objects.get().refund_id == first.pk
        sent = self.accept(third)
        kept = CreditNote.objects.get()
        assert (kept.pk, kept.number, kept.refund_id, kept.voided_at) == (note.pk, note.number, third.pk, None)
        assert (sent.state, documents.standing_of_note(kept)) == ("succeeded", ("good", "Given back"))
        assert OutgoingEmail.objects.filter(template="billing/email/refunded").count() == 2
        asked = refunds.request(invoice_id=invoice.pk, amount=999, reason="", by=ANNA, now=now())
        assert (self.accept(asked).state, balances()) == ("succeeded", {})
        assert sum(each.net + each.tax for each in CreditNote.objects.all()) == 1399

    def test_whose_other_try_says_something_else_has_a_void_credit_note(self, standin: Standin) -> None:
        """500 of 1399 were 420 and 80. After 87 and 17, and 668 and 127, of the rest 421 and 79 are left."""
        invoice = paid(standin)
        self.fail(refund := give_back(invoice, 500))
        self.accept(refunds.request(invoice_id=invoice.pk, amount=104, reason="", by=ANNA, now=now()))
        self.accept(refunds.request(invoice_id=invoice.pk, amount=795, reason="", by=ANNA, now=now()))
        self.accept(again := refunds.retry(refund_id=refund.pk, by=ANNA, now=now()))
        told = CreditNote.objects.order_by("pk").values_list("refund", "net", "tax", "voided_at")
        (void, _, _, in_force) = told
        assert (void[:3], void[3] is not None) == ((refund.pk, 420, 80), True)
        assert in_force == (again.pk, 421, 79, None)
        assert balances() == {}

    def test_that_is_not_owed_has_a_void_credit_note(self, standin: Standin, client: Client) -> None:
        self.fail(refund := give_back(invoice := paid(standin), 400))
        refunds.answer(refund_id=refund.pk, how=Refund.Answer.DISMISSED, reason="fraud", by=BEN, now=now())
        note = CreditNote.objects.get()
        assert note.voided_at is not None
        told = documents.of_credit_note(documents.credit_notes().get())
        assert (told.standing_kind, told.standing, told.tender) == ("over", "Void: nothing is given back", [])
        assert documents.of_invoice(invoice).tender[-1].label != f"Given back, credit note {note.number}"

    @pytest.mark.django_db(transaction=True)
    def test_is_tried_again_once_by_two_at_once(self, standin: Standin) -> None:
        self.fail(refund := give_back(paid(standin), 400))

        def retry() -> str:
            try:
                return refunds.retry(refund_id=refund.pk, by=ANNA, now=now()).state
            except DomainError as error:
                return error.code

        assert sorted(at_once(retry, retry)) == ["approved", "refund_not_unanswered"]
        assert Refund.objects.exclude(pk=refund.pk).count() == 1

    def test_is_answered_on_its_page(self, standin: Standin) -> None:
        self.fail(refund := give_back(paid(standin), 400))
        staff = Client()
        staff.force_login(StaffFactory.create(is_superuser=True))
        page, listed = (
            reverse("admin:billing_refund_change", args=[refund.pk]),
            reverse("admin:billing_refund_changelist") + "?answer=missing",
        )
        assert list(staff.get(listed).context["cl"].result_list) == [refund]
        told = staff.post(page, {"answer": "dismissed", "answer_reason": ""})
        assert refunds.AnswerWithoutReason.title in told.content.decode()
        assert list(Refund.objects.unanswered()) == [refund]
        assert staff.post(page, {"answer": "dismissed", "answer_reason": "fraud"}).status_code == 302
        refund.refresh_from_db()
        assert (refund.answer, refund.answer_reason) == ("dismissed", "fraud")
        assert list(staff.get(listed).context["cl"].result_list) == []
        assert "fraud" in staff.get(page).content.decode()
        # It is answered for good.
        assert staff.post(page, {"answer": "retried"}).status_code == 403

    def test_says_on_its_page_in_german_what_failed_and_what_can_be_done(self, standin: Standin) -> None:
        self.fail(refund := give_back(paid(standin), 400))
        staff = Client()
        staff.force_login(StaffFactory.create(is_superuser=True))
        page = reverse("admin:billing_refund_change", args=[refund.pk])
        assert english(staff, page) - english(staff, "/admin/accounts/auditentry/") <= {refund.reason, ANNA}
        assert "Karte verloren oder gestohlen" in staff.get(page).content.decode()

    def test_names_who_refused_it(self, standin: Standin, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 100
        clerk = StaffFactory.create(is_superuser=True, email="clerk@example.org")
        refund = refunds.refuse(refund_id=give_back(paid(standin), 400).pk, by=f"staff:{clerk.pk}", now=now())
        staff = Client()
        staff.force_login(clerk)
        page = staff.get(reverse("admin:billing_refund_change", args=[refund.pk])).content.decode()
        assert "refused by clerk@example.org" in page

    def test_in_one_part_of_two_is_shown(self, standin: Standin) -> None:
        invoice = paid(standin)
        first, _ = give_back(invoice, 500), give_back(invoice, 899)
        self.fail(first)
        assert list(Refund.objects.unanswered()) == [first]
