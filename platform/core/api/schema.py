"""What every operation of the API's description says beyond its own view.

The problems it can answer with, by status and code; the id of the request; Idempotency-Key; the
headers of conditional reads; the app it belongs to.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from drf_spectacular import openapi
from drf_spectacular.plumbing import ComponentRegistry

from core.api import etags, idempotency, problems
from core.api.pagination import InvalidCursor
from core.errors import DomainError
from core.idempotency import KeyReused, RequestInProgress

_Schema = dict[str, Any]

REQUEST_ID: _Schema = {
    "description": "The id of this request in our logs.",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
RETRY_AFTER: _Schema = {
    "description": "After how many seconds to try again.",
    "schema": {"type": "integer", "minimum": 1},
}
REPLAYED: _Schema = {
    "description": "Present when an earlier request with this Idempotency-Key was answered so.",
    "schema": {"type": "string", "enum": ["true"]},
}
IDEMPOTENCY_KEY: _Schema = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": True,
    "description": "A new UUID for each operation, the same one when it is repeated.",
    "schema": {"type": "string", "pattern": idempotency.PATTERN, "example": "8e03978e-40d5-43dd-bc93-6894a57f9324"},
}
IF_NONE_MATCH: _Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of the answers that the client has kept.",
    "schema": {"type": "string"},
}
ETAG: _Schema = {
    "description": "The version of this answer, for If-None-Match.",
    "schema": {"type": "string", "pattern": '^W/"[0-9a-f]{32}"$'},
}

PROBLEM: _Schema = {
    "type": "object",
    "description": "What went wrong (RFC 9457). Some codes have members of their own.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Where the code is described."},
        "title": {"type": "string", "description": "The same for every occurrence, in the client's language."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What, where, and what to do."},
        "instance": {"type": "string", "format": "uri", "description": "The id of the request, as a URN."},
        "code": {"type": "string", "description": "Stable: what programs go by."},
        "errors": {
            "type": "array",
            "description": "With validation_failed: each fault.",
            "items": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where in the body: JSON Pointer as a URI fragment."},
                    "parameter": {"type": "string", "description": "Which query parameter."},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
_COMPONENTS: _Schema = {
    "schemas": {"Problem": PROBLEM},
    "headers": {"RequestId": REQUEST_ID, "RetryAfter": RETRY_AFTER},
}


class AutoSchema(openapi.AutoSchema):
    """Describes an operation."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> _Schema | None:
        """Add to the view's own description what holds for all operations of its kind."""
        operation = super().get_operation(path, path_regex, path_prefix, method, registry)
        if operation is None:
            return None
        handler = getattr(self.view, method.lower())
        idempotent = getattr(handler, "idempotent", False)
        conditional = getattr(handler, "conditional", False)
        responses: _Schema = operation["responses"]
        parameters: list[_Schema] = operation.get("parameters", [])
        if idempotent:
            parameters = [*parameters, IDEMPOTENCY_KEY]
            self._add_header(responses, idempotency.REPLAYED, REPLAYED)
        if conditional:
            parameters = [*parameters, IF_NONE_MATCH]
            responses["304"] = {"description": "The client's copy is the present one."}
            self._add_header(responses, "ETag", ETAG)
        if parameters:
            operation["parameters"] = parameters
        for status, errors in self._errors(operation, handler).items():
            responses.setdefault(str(status), _problem(errors))
        self._add_header(responses, "X-Request-ID", {"$ref": "#/components/headers/RequestId"})
        return operation

    def get_tags(self) -> list[str]:
        """Answer the app that the operation belongs to."""
        return [type(self.view).__module__.split(".")[0]]

    def _errors(self, operation: _Schema, handler: Any) -> dict[int, list[type[DomainError]]]:
        parameters = operation.get("parameters", [])
        errors: list[type[DomainError]] = [
            problems.MalformedRequest,
            problems.Forbidden,
            problems.NotAcceptable,
            problems.TooManyRequests,
            problems.InternalError,
            *getattr(handler, "raises", ()),
        ]
        for permission in self.view.get_permissions():
            # What a permission raises instead of answering that it refuses.
            if named := getattr(permission, "raises", None):
                errors += named(self.view, self.method)
        if self.view.get_authenticators():
            errors.append(problems.AuthenticationFailed)
            if {} not in operation.get("security", [{}]):
                errors.append(problems.NotAuthenticated)
        if any(parameter["in"] == "path" for parameter in parameters):
            errors.append(problems.NotFound)
        if any(parameter["in"] == "query" for parameter in parameters):
            errors.append(problems.ValidationFailed)
        if any(parameter["name"] == "cursor" for parameter in parameters):
            errors.append(InvalidCursor)
        if "requestBody" in operation:
            errors += [problems.ValidationFailed, problems.ContentTooLarge, problems.UnsupportedMediaType]
        elif self.method in {"POST", "PUT", "PATCH"}:
            # It asks for no body, and still reads one that is sent.
            errors += [problems.ContentTooLarge, problems.UnsupportedMediaType]
        if getattr(handler, "idempotent", False):
            errors += [idempotency.IdempotencyKeyMissing, idempotency.IdempotencyKeyMalformed]
            errors += [RequestInProgress, KeyReused]
        if getattr(handler, "conditional", False):
            errors.append(etags.PreconditionFailed)
        by_status = defaultdict(list)
        for error in dict.fromkeys(errors):
            by_status[error.status].append(error)
        return dict(sorted(by_status.items()))

    def _add_header(self, responses: _Schema, name: str, header: _Schema) -> None:
        """Add a header to answers of success; X-Request-ID to all."""
        for status, response in responses.items():
            if name == "X-Request-ID" or status.startswith(("2", "3")):
                response.setdefault("headers", {})[name] = header


def _problem(errors: list[type[DomainError]]) -> _Schema:
    """Describe the answer for errors of one status."""
    response: _Schema = {
        "description": "\n".join(f"- `{error.code}`: {error.title}" for error in errors),
        "content": {
            problems.MEDIA_TYPE: {
                "schema": {
                    "allOf": [{"$ref": "#/components/schemas/Problem"}],
                    "properties": {"code": {"type": "string", "enum": [error.code for error in errors]}},
                },
                "examples": {error.code: {"value": _example(error)} for error in errors},
            }
        },
    }
    headers: _Schema = {}
    if {problems.TooManyRequests, RequestInProgress} & set(errors):
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if problems.AuthenticationFailed in errors:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    return {**response, "headers": headers} if headers else response


def _example(error: type[DomainError]) -> _Schema:
    example: _Schema = {
        "type": problems.type_of(error),
        "title": error.title,
        "status": error.status,
        "detail": error.title,
        "instance": "urn:uuid:7d1ad8a9-4fbd-4d36-a4a1-b53f7ae7a1d0",
        "code": error.code,
    }
    if error is problems.ValidationFailed:
        example["errors"] = [{"pointer": "#/name", "code": "required", "message": "This field is required."}]
    return example


def add_components(*, result: _Schema, **_: Any) -> _Schema:
    """Add what the operations refer to (a post-processing hook of drf-spectacular)."""
    for kind, components in _COMPONENTS.items():
        result["components"].setdefault(kind, {}).update(components)
    return result
