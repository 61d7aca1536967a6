"""What staff call a title."""

from __future__ import annotations

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
