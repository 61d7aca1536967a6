"""What staff call a title, and where its page is."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog import rules
from catalog.models import Title, TitleText


def name_of(title: Title) -> str:
    """Answer what staff call a title: its English name, or else any."""
    text = text_of(title)
    return (text.name if text else "") or str(title)


def text_of(title: Title) -> TitleText | None:
    """Answer the text that staff read: the English one, the original's, or else any that has a name."""
    texts = {text.language: text for text in title.texts.all()}
    best = rules.best_language(
        (language for language, text in texts.items() if text.name), ["en", title.original_language]
    )
    return texts[best] if best else None


def address_of(title_id: UUID) -> str:
    """Answer the address of a title's page."""
    return reverse("admin:catalog_title_change", args=[title_id])


def link_to(title: Title) -> SafeString:
    """Answer a link to a title's page, in its name."""
    return format_html('<a class="underline" href="{}">{}</a>', address_of(title.pk), name_of(title))


def title_or_404(object_id: str) -> Title:
    """Answer the title of an address, with its texts. Raises Http404."""
    try:
        return Title.objects.prefetch_related("texts").get(pk=UUID(object_id))
    except (ValueError, Title.DoesNotExist):
        raise Http404 from None
