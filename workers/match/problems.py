"""Errors as problem documents (RFC 9457). ``type`` is ``/problems/<code>``; the codes are these and no others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.wire.records import Unavailable

log = structlog.get_logger()
RETRY_SECONDS = 2
BUSY: Final = "a server behind this API is busy or gone; a repeat is safe"
"""What callers are told: which server, and where it stands, is the operator's to know, and is in the log."""
_DOCUMENT: dict[str, Any] = {"application/problem+json": {}}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "A key is needed (`unauthorized`)", "content": _DOCUMENT},
    403: {"description": "The key does not open this call (`forbidden`)", "content": _DOCUMENT},
    422: {"description": "The request is not valid: `errors` names each field (`invalid`)", "content": _DOCUMENT},
    429: {"description": "Too many requests (`throttled`)", "content": _DOCUMENT},
    503: {
        "description": "A server behind this API is busy or gone, or serves another model "
        "(`unavailable`, `model_version_mismatch`)",
        "content": _DOCUMENT,
    },
}
"""What any call of the API may answer besides its own, for the description of it."""
NOT_KNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "Nothing of this id is known (`not_found`)", "content": _DOCUMENT}
}
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}


class Problem(HTTPException):
    """An error with its code; ``extra`` are members of the document beside the standard ones, ``headers`` HTTP's."""

    def __init__(
        self, status: int, code: str, title: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.title = title
        self.extra = extra


def not_found(kind: str, name: str) -> Problem:
    """404: no ``kind`` (creator, post, brand) of this id."""
    return Problem(404, "not_found", "Not found", f"no {kind} {name!r} is known")


def invalid(detail: str, errors: Sequence[dict[str, Any]] = ()) -> Problem:
    """422, with each error where there are several."""
    extra: dict[str, Any] = {"errors": list(errors)} if errors else {}
    return Problem(422, "invalid", "The request is not valid", detail, **extra)


def invalid_field(field: str, message: str) -> Problem:
    """422, of one field of the body; empty for the whole of it."""
    error = {"field": field, "in": "body", "message": message}
    return invalid(f"{field}: {message}" if field else message, [error])


def too_large(most: int) -> Problem:
    """413: a body of more bytes than allowed."""
    return Problem(413, "too_large", "The body is too large", f"{most} bytes are the most")


def unsupported_media_type(wanted: str) -> Problem:
    """415: a body of another kind than the call reads."""
    return Problem(415, "unsupported_media_type", "The body is of another kind", f"content-type: {wanted} is read here")


def unauthorized(detail: str) -> Problem:
    """401: no key, or none that is good."""
    headers = {"www-authenticate": 'Bearer realm="streamscout"'}
    return Problem(401, "unauthorized", "A key is needed", detail, headers=headers)


def forbidden(*scopes: str) -> Problem:
    """403: a good key, which does not open this call."""
    return Problem(403, "forbidden", "The key does not open this call", f"it needs the scope {' or '.join(scopes)}")


def throttled(seconds: float) -> Problem:
    """429, with the time after which a request would go on."""
    wait = math.ceil(seconds)
    headers = {"retry-after": str(wait)}
    return Problem(429, "throttled", "Too many requests", f"one may be made again in {wait} s", headers=headers)


def model_mismatch(index: str, encoder: str) -> Problem:
    """503: a vector of one model says nothing about those of another."""
    return Problem(
        503,
        "model_version_mismatch",
        "Index and encoder serve different models",
        f"the index serves vectors of model version {index}, queries are encoded by {encoder}",
        index_model_version=index,
        encoder_model_version=encoder,
    )


def document(status: int, code: str, title: str, detail: str, instance: str, **extra: Any) -> Response:
    """The problem as a response."""
    body = {"type": f"/problems/{code}", "title": title, "status": status, "detail": detail, "instance": instance}
    headers = {"retry-after": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Response(orjson.dumps(body | extra), status, headers, "application/problem+json")


def call_of(request: Request) -> str:
    """The path of the request's route: ids become no labels, and stand in no log after their creator is erased."""
    return str(getattr(request.scope.get("route"), "path", "unknown")).replace(":path}", "}")


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as a problem document. What nobody expected is logged and tells nothing."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(MediaUnavailable, _unavailable)
    app.add_exception_handler(InvalidMedia, _media)
    app.add_exception_handler(Exception, _unexpected)


def answer_of(problem: Problem, instance: str) -> Response:
    """A problem as a response, its headers with it."""
    answer = document(problem.status_code, problem.code, problem.title, problem.detail, instance, **problem.extra)
    answer.headers.update(problem.headers or {})
    return answer


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return answer_of(error, request.url.path)
    title = HTTPStatus(error.status_code).phrase
    code = _CODES.get(error.status_code, "error")
    answer = document(error.status_code, code, title, str(error.detail), request.url.path)
    answer.headers.update(error.headers or {})
    return answer


async def _validation(request: Request, error: Exception) -> Response:
    """Each wrong field by its path; values are not repeated, they may be personal data."""
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(each) for each in error.errors()]
    detail = "; ".join(f"{each['field'] or each['in']}: {each['message']}" for each in errors[:5])
    return document(422, "invalid", "The request is not valid", detail, request.url.path, errors=errors)


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    where, *path = map(str, error["loc"])
    if error["type"] == "json_invalid":
        reason = error.get("ctx", {}).get("error", "")
        return {"field": "", "in": where, "message": f"not JSON at character {path[0]}: {reason}"}
    return {"field": ".".join(path), "in": where, "message": str(error["msg"]).removeprefix("Value error, ")}


async def _unavailable(request: Request, error: Exception) -> Response:
    log.warning("a request was not served", call=call_of(request), reason=str(error))
    return document(503, "unavailable", "A server is busy or gone", BUSY, request.url.path)


def untaken(taken: int, events: int) -> Problem:
    """503: Kafka did not acknowledge all of the events."""
    detail = f"{taken} of {events} events were taken; {BUSY}"
    return Problem(503, "unavailable", "Events were not taken", detail)


async def _media(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidMedia)
    return document(
        422, "invalid_picture", "A picture cannot be used", error.detail, request.url.path, reason=error.reason
    )


async def _unexpected(request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this answer; the server then logs it with its trace.
    return document(500, "internal", "Something went wrong here", "the error was logged", request.url.path)
