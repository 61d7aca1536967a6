"""Keeping what the search reads in step with the titles: documents, the vocabulary, completions, leaders; and what was missed.

Ingestion and editing write documents and new words as they come, in their own transactions. Counts,
completions and leaders follow at the end of a run, and all of it is made anew each night.
"""

from catalog.services.search.answering import answer
from catalog.services.search.completions import complete_anew, rebuild_completions
from catalog.services.search.documents import Entry, is_searched, rebuild, rebuild_all, set_popularity, write
from catalog.services.search.leaders import choose_leaders, lead_anew
from catalog.services.search.misses import forget_found, forget_misses, purge_misses
from catalog.services.search.renames import follow_renames, note_rename
from catalog.services.search.vocabulary import count_words, insert_words, refresh_vocabulary, unknown_words, words_of

__all__ = [
    "Entry",
    "answer",
    "choose_leaders",
    "complete_anew",
    "count_words",
    "follow_renames",
    "forget_found",
    "forget_misses",
    "insert_words",
    "is_searched",
    "lead_anew",
    "note_rename",
    "purge_misses",
    "rebuild",
    "rebuild_all",
    "rebuild_completions",
    "refresh_vocabulary",
    "set_popularity",
    "unknown_words",
    "words_of",
    "write",
]
