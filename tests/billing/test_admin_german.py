"""Staff who read German read no English: what a page says in both languages is data, or the same word in both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.utils import translation

from accounts.models import User
from billing import labels
from billing.admin import dashboard
from billing.models import Coupon, Invoice, LegalDocument, Outage, Setback, TieOut, WebhookEvent
from billing.services import figures, parking
from billing.words import WORDS
from core.clock import now
from core.ids import new_id
from tests.billing.test_admin_pages import clerk, make_customers, staff

__all__ = ["clerk", "staff"]

SAME = {
    "false", "name", "partner", "pdf", "premium", "status",
    "stripe", "system", "text", "true", "video", "wallet",
}  # fmt: skip
"""Words of both languages."""
DATA = re.compile(r"@|\d|://|_|\w\.\w|^(\"|visa$|Premium|Goodwill|Review|USD|EUR|English|Deutsch)")
"""What rows say: addresses, amounts, ids, and what somebody wrote."""


class Texts(HTMLParser):
    """Collects what a page says: its texts, and what its fields and buttons are called."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._silent = 0
        self._icons: list[bool] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the names in attributes; scripts, styles and icons say nothing."""
        icon = tag == "span" and "material-symbols" in (dict(attrs).get("class") or "")
        self._silent += icon or tag in {"script", "style"}
        self._icons += [icon] if tag == "span" else []
        self.found |= {str(value).strip() for name, value in attrs if name in {"placeholder", "title", "aria-label"}}

    def handle_endtag(self, tag: str) -> None:
        """Listen again after what says nothing."""
        icon = tag == "span" and bool(self._icons) and self._icons.pop()
        self._silent -= icon or tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        """Take a text."""
        if not self._silent:
            self.found.add(" ".join(data.split()))


def english(client: Client, address: str) -> set[str]:
    """Answer what a page says in German as it does in English, but for data."""
    spoken = []
    for language in ("en", "de"):
        client.cookies["django_language"] = language
        answer = client.get(address)
        assert answer.status_code == 200, address
        spoken.append(Texts(answer.content.decode()).found)
    same = {text for text in spoken[0] & spoken[1] if re.search("[a-z]{3}", text) and not DATA.search(text)}
    return {text for text in same if text.lower().rstrip(":") not in SAME}


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """Leave the language to the next test as it was: the last request's stays in the thread."""
    with translation.override("en"):
        yield


@pytest.fixture
def told(staff: User) -> None:
    """A platform where everything has happened that has a page."""
    cache.delete(dashboard.KEY)
    make_customers(1, staff=staff)
    moment = now()
    Coupon.objects.create(code="HALF", percent=50)
    LegalDocument.objects.create(kind="terms", country="", version=1, text="*", published_at=moment)
    Outage.objects.create(starts_at=moment, reason="*", by=f"staff:{staff.pk}", created_at=moment)
    TieOut.objects.create(day=moment.date(), currency="USD", gateway_net=1, ledger_net=2, details=[], made_at=moment)
    WebhookEvent.objects.create(
        event_id="evt_1", type="refund.updated", payload={}, livemode=False, status="failed", received_at=moment
    )
    Setback.objects.create(
        sweep="receipts", row=new_id(), error="*", failures=1, first_at=moment, last_at=moment, next_try_at=moment
    )
    figures.record_due(now=moment)


MODELS = sorted(str(model._meta.model_name) for model in admin.site._registry if model._meta.app_label == "billing")


@pytest.mark.django_db
class TestPages:
    @pytest.mark.usefixtures("told")
    def test_say_nothing_in_english(self, clerk: Client) -> None:
        left: dict[str, set[str]] = {}
        frame = english(clerk, "/admin/accounts/auditentry/")  # what other apps call their tables
        for name in MODELS:
            address = f"/admin/billing/{name}/"
            left[address] = english(clerk, address)
            row = apps.get_model("billing", name)._default_manager.first()
            if row is not None and name != "recurringrevenueday":
                left[f"{address}change"] = english(clerk, f"{address}{row.pk}/change/")
            if clerk.get(f"{address}add/").status_code == 200:
                left[f"{address}add"] = english(clerk, f"{address}add/")
        found = {(text, address) for address, texts in left.items() for text in texts - frame}
        assert found == set()

    def test_tell_a_refusal_in_german(self, staff: User, clerk: Client) -> None:
        make_customers(1, staff=staff)
        clerk.cookies["django_language"] = "de"
        asked = {"action": "refund_in_full", "_selected_action": str(Invoice.objects.get().pk)}
        for _ in range(2):
            answer = clerk.post("/admin/billing/invoice/", asked, follow=True)
        assert "Das kann nicht erstattet werden" in answer.content.decode()


class TestNames:
    def test_are_of_fields_that_there_are(self) -> None:
        models = [apps.get_model("billing", name) for name in labels.MODELS]
        assert set(labels.FIELDS) <= {field.name for model in models for field in model._meta.concrete_fields}

    def test_are_of_every_table_that_staff_see(self) -> None:
        assert set(MODELS) <= set(labels.MODELS)

    def test_of_codes_and_ways_out_are_german(self) -> None:
        with translation.override("de"):
            ways = [text for way in parking.WAYS.values() for text in (way.why, way.out)]
            assert [text for text in ways if re.search(r"\b(the|it|is)\b", str(text))] == []
            assert {code for code, word in WORDS.items() if str(word) == code.replace("_", " ")} == set()
