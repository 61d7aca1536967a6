"""Words that are translated when they are shown."""

from core.words import gettext_lazy

__all__ = ["gettext_lazy"]
