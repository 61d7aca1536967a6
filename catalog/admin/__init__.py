"""The content team's pages. What they change goes through the services; what is a log is only shown."""

from catalog.admin import collections, editorial, ingest, matching, media, people, search, titles

__all__ = ["collections", "editorial", "ingest", "matching", "media", "people", "search", "titles"]
