"""The application of the window: its pages, what visitors do, and errors as pages. It is mounted beside the service."""

import logging

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from mmreco.errors import MMRecoError, UnknownIdError
from mmreco.service.access import Access
from mmreco.service.experiments.running import Experiment
from mmreco.service.live_shop import LiveShop
from mmreco.service.pictures import Pictures
from mmreco.service.problems import problem
from mmreco.service.window.doing import doing
from mmreco.service.window.looking import looking
from mmreco.service.window.storefront import Storefront
from mmreco.service.window.visitor import Visitor

__all__ = ["shop_window"]

_SAID = {403: "error_403", 404: "not_found", 405: "not_found", 413: "error_413", 422: "error_422", 429: "error_429"}
_SAID |= {503: "error_503"}
_API = "/v1/"  # what is asked there and is not there comes here, and is asked by no browser
_log = logging.getLogger(__name__)


def shop_window(shop: LiveShop, pictures: Pictures, access: Access, experiment: Experiment | None = None) -> FastAPI:
    """A web shop over what `shop` answers, without a line of script. It needs no key: it is what customers see.

    Parameters
    ----------
    shop : what answers, and takes in what visitors do
    pictures : of the items
    access : how often may be asked, and by which name where there are no keys
    experiment : optional
        Whose variants make the pages.
    """
    front = Storefront(shop, pictures, experiment)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, dependencies=[Depends(access.visit)])
    app.include_router(looking(front))
    app.include_router(doing(front))

    def failed(request: Request, error: Exception) -> Response:
        status = _status(error)
        if request.url.path.startswith(_API):
            return problem(status, "", request.scope.get("state", {}).get("request_id", ""))
        if status >= 500:
            _log.error("%s %s: %s", request.method, request.url.path, str(error).splitlines()[:1])
        say = _SAID.get(status, "error_other")
        headers = error.headers if isinstance(error, HTTPException) else None
        response = front.page("error.html", request, Visitor.of(request), status=status, said=say)
        response.headers.update(headers or {})
        return response

    for kind in (RequestValidationError, HTTPException, MMRecoError, DBAPIError, Exception):
        app.add_exception_handler(kind, failed)
    return app


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, UnknownIdError):
        return 404
    if isinstance(error, DBAPIError):
        return 503
    return 422 if isinstance(error, (MMRecoError, RequestValidationError)) else 500
