"""Every format that can be ingested."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from catalog.ingestion import readers
from catalog.ingestion.reader import Reader


def _found() -> Mapping[str, Reader]:
    modules = (import_module(f"{readers.__name__}.{module.name}") for module in iter_modules(readers.__path__))
    return {module.READER.name: module.READER for module in modules}


READERS: Mapping[str, Reader] = _found()
