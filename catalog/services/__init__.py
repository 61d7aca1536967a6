"""Writes, by topic: ingestion, publication, editing, artwork, search."""
