"""The content team's pages. What they change goes through the services; what is a log is only shown."""

from catalog.admin import blocks, collections, ingest, matching, media, people, plans, reviews, search, tags, titles

__all__ = [
    "blocks",
    "collections",
    "ingest",
    "matching",
    "media",
    "people",
    "plans",
    "reviews",
    "search",
    "tags",
    "titles",
]
