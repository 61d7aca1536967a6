"""Documents as PDF/A-2: typeset by Typst, in one pass of some milliseconds, with letters for every script.

The text of a document goes in as data and is never read as markup, so no name can change what is set.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import manimgx_fonts
import manimgx_fonts_cjk
import orjson
import typst
from django.http import HttpResponse

from billing.selectors.documents import Document

TEMPLATE = Path(__file__).parent / "document.typ"


def write(document: Document) -> bytes:
    """Answer a document as A4 pages; the same document gives the same bytes."""
    written: bytes = typst.compile(
        _template(),
        font_paths=_fonts(),
        sys_inputs={"document": orjson.dumps(asdict(document)).decode()},
        pdf_standards="a-2a",
        timestamp=document.issued.replace(microsecond=0),
    )
    return written


def response(document: Document) -> HttpResponse:
    """Answer a document as a file that browsers show and save under its number."""
    answer = HttpResponse(write(document), content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="{document.number}.pdf"'
    answer["Cache-Control"] = "private, no-store"
    return answer


@lru_cache(maxsize=1)
def _template() -> bytes:
    return TEMPLATE.read_bytes()


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    # Those of the machine are left out: a document looks the same wherever it is written.
    folders = [str(Path(str(package.__file__)).parent) for package in (manimgx_fonts, manimgx_fonts_cjk)]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
