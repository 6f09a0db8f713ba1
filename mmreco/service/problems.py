"""Errors as `application/problem+json` (RFC 9457): what was wrong, where, and the request's id; never a stack trace."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mmreco.errors import MMRecoError, UnknownIdError

__all__ = ["add_handlers", "problem"]

_MOST = 20  # mistakes that are listed
_LONGEST = 500  # characters of what is said
_AGAIN_SECONDS = "5"
_log = logging.getLogger(__name__)


def problem(
    status: int,
    detail: str,
    request_id: str,
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that says what was wrong."""
    said: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    said |= {"detail": detail[:_LONGEST], "request_id": request_id}
    if errors:
        said["errors"] = list(errors)
    return Response(json.dumps(said), status, dict(headers or {}), media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Have every error of `app` answered as a problem."""
    app.add_exception_handler(RequestValidationError, _unusable)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(MMRecoError, _no_answer)
    app.add_exception_handler(DBAPIError, _store_away)
    app.add_exception_handler(ConnectionError, _search_away)
    app.add_exception_handler(500, _fault)


def _id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def _unusable(request: Request, error: Exception) -> Response:
    mistakes = error.errors() if isinstance(error, RequestValidationError) else []
    listed = [{"at": "/".join(map(str, one["loc"]))[:_LONGEST], "detail": one["msg"][:_LONGEST]} for one in mistakes]
    first = f"{listed[0]['at']}: {listed[0]['detail']}" if listed else str(error)
    return problem(422, f"{len(listed)} mistakes, first {first}", _id(request), errors=listed[:_MOST])


def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return problem(500, "", _id(request))
    return problem(error.status_code, str(error.detail), _id(request), headers=error.headers)


def _no_answer(request: Request, error: Exception) -> Response:
    return problem(404 if isinstance(error, UnknownIdError) else 422, str(error), _id(request))


def _store_away(request: Request, error: Exception) -> Response:
    _log.error("request %s: the event store cannot be used: %s", _id(request), str(error).splitlines()[0])
    words = "the event store cannot be written or read just now; nothing was taken in"
    return problem(503, words, _id(request), headers={"Retry-After": _AGAIN_SECONDS})


def _search_away(request: Request, error: Exception) -> Response:
    _log.error("request %s: the items cannot be searched: %s", _id(request), str(error).splitlines()[0])
    words = "the items cannot be searched just now; ask again"
    return problem(503, words, _id(request), headers={"Retry-After": _AGAIN_SECONDS})


def _fault(request: Request, error: Exception) -> Response:
    return problem(500, "a fault of the service's; its log has the request's id", _id(request))
