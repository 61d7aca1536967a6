"""The content team's pages. What they change goes through the services; what is a log is only shown."""

from catalog.admin import ingest, matching, people, titles

__all__ = ["ingest", "matching", "people", "titles"]
