"""Every format that can be ingested."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.ingestion.reader import Reader
from catalog.ingestion.readers.jsonl import JsonLinesReader
from catalog.ingestion.readers.kaggle_titles import KaggleTitlesReader

READERS: Mapping[str, Reader] = {reader.name: reader for reader in (JsonLinesReader(), KaggleTitlesReader())}
