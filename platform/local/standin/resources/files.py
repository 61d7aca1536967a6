"""Files (docs.stripe.com/api/files): what is uploaded as evidence. Its name, size and digest are kept, and not what is in it."""

from __future__ import annotations

import hashlib
from email.parser import BytesParser
from email.policy import HTTP
from typing import cast
from urllib.parse import urlencode

from local.standin.call import Call
from local.standin.store import Object
from local.standin.wire import Kind, StripeError, integer, members, one_of, require, text

PURPOSE = "dispute_evidence"
KINDS: dict[str, Kind] = {
    "purpose": one_of(PURPOSE),
    "file": members(filename=text, size=integer, digest=text),
}
# docs.stripe.com/file-upload#uploading-a-file
LARGEST = 5_000_000
TYPES = ("jpeg", "jpg", "pdf", "png")


def as_form(body: bytes, content_type: str) -> str:
    """Answer a multipart body as the form that everything else is: files by their name, size and digest.

    The boundary is another with each request, so only this can say that two are the same.
    """
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    form: dict[str, str] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = str(part.get_param("name", "", header="content-disposition"))
        content = cast("bytes", part.get_payload(decode=True) or b"")
        filename = part.get_filename()
        if filename is None:
            form[name] = content.decode("utf-8", "replace")
        else:
            form[f"{name}[filename]"] = filename
            form[f"{name}[size]"] = str(len(content))
            form[f"{name}[digest]"] = hashlib.sha256(content).hexdigest()
    return urlencode(form)


def create(call: Call) -> Object:
    """Take a file."""
    require(call.params, "purpose", "file")
    file = call.params["file"]
    require(file, "filename", "size", "digest", within="file")
    kind = file["filename"].rpartition(".")[2].lower()
    if kind not in TYPES or not 0 < file["size"] <= LARGEST:
        raise StripeError("Evidence is a PDF, JPEG or PNG of at most 5 MB.", param="file")
    return call.world.store.add(
        {
            "id": call.world.new_id("file"),
            "object": "file",
            "created": call.world.now(),
            "expires_at": None,
            "filename": file["filename"],
            "links": None,
            "purpose": call.params["purpose"],
            "size": file["size"],
            "title": None,
            "type": kind,
            "url": None,
        }
    )


def retrieve(call: Call) -> Object:
    """Answer a file."""
    return call.world.get("file", call.id)
