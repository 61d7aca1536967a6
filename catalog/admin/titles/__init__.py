"""Titles: found, read, edited, published and withdrawn."""

from catalog.admin.titles.page import TitleAdmin

__all__ = ["TitleAdmin"]
