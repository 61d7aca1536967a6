"""Words of staff's pages."""

from catalog.refusals import in_words
from core.errors import DomainError
from core.words import gettext_lazy

__all__ = ["gettext_lazy", "refusal"]


def refusal(error: DomainError) -> str:
    """Answer what a service refuses and why, in the language at hand."""
    return in_words(str(error))
