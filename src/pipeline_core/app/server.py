"""The web application: an address a page, the files that they share, and one clear message where something is wrong."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_origin

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from pipeline_core.app.guard import HEADERS, POLICY, REPORT_POLICY, refusal
from pipeline_core.app.pages import PAGES, NotFoundError, Page, Parameters, Reply, Visit, find_run
from pipeline_core.app.pictures import LARGEST_FILE, LARGEST_SIDE, MEDIA_TYPE
from pipeline_core.app.rendering import Rendering, static_files
from pipeline_core.app.site import Site
from pipeline_core.app.together import BusyError
from pipeline_core.errors import ConfigError, DataError, LensError, QueryError
from pipeline_core.report.files import REPORT_FILE
from pipeline_core.settings import explained
from pipeline_core.store.journal import LATEST

log = logging.getLogger(__name__)

_FOR_EVER = "private, max-age=31536000, immutable"
_STATUS: dict[type[Exception], int] = {
    NotFoundError: 404,
    QueryError: 400,
    ConfigError: 400,
    DataError: 404,
    BusyError: 503,
}
_TITLES = {400: "That cannot be asked", 403: "Refused", 404: "Not found", 413: "Too large", 503: "Busy"}


def create_app(root: Path) -> FastAPI:
    """Return the application of a store.

    Raises:
        StoreError: there is no store.
        LensError: a page from outside cannot be loaded.
    """
    site, rendering = Site(root), Rendering(PAGES)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(GZipMiddleware, minimum_size=2048, compresslevel=5)

    @app.middleware("http")
    async def guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        reason = refusal(request.method, request.headers)
        try:
            response = await call(request) if reason is None else rendering.refused(403, _TITLES[403], reason)
        except Exception as error:  # one message for whatever nobody foresaw; the log has the trace
            response = failed(request, error)
        for name, value in ({"Content-Security-Policy": POLICY, "Cache-Control": "no-store"} | HEADERS).items():
            response.headers.setdefault(name, value)
        return response

    def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            first = error.errors()[0]
            status, problem = 400, f"{first['loc'][-1]} cannot be {str(first.get('input'))[:80]!r}"
            remedy = str(first["msg"])
        elif isinstance(error, HTTPException):
            status, problem, remedy = error.status_code, f"there is no page {request.url.path}", ""
            if status != 404:
                problem = str(error.detail)
        elif isinstance(error, LensError):
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
            problem, remedy = error.problem, error.remedy
        else:
            log.exception("%s %s", request.method, request.url.path)
            status, problem, remedy = 500, "the page failed by a fault of its own", "the terminal shows where"
        if request.headers.get("accept", "").startswith("application/json"):
            return JSONResponse({"problem": problem, "remedy": remedy}, status)
        return rendering.refused(status, _TITLES.get(status, "It did not work"), problem, remedy)

    for kind in (HTTPException, LensError, RequestValidationError):
        app.add_exception_handler(kind, failed)

    for page in PAGES.values():
        app.add_api_route(page.path, _endpoint(page, site, rendering), methods=["GET"], response_class=HTMLResponse)

    @app.get("/picture")
    def picture(dataset: str, ref: str, side: int = 96) -> Response:
        if not 1 <= side <= LARGEST_SIDE:
            raise QueryError(f"side cannot be {side}", f"it goes from 1 to {LARGEST_SIDE} pixels")
        return _lasting(site.thumbnails.webp(dataset, ref, side), MEDIA_TYPE)

    @app.get("/asked/{name}")
    def asked(name: str) -> Response:
        return _lasting(site.shelf.small(name, 2 * 96), MEDIA_TYPE)

    @app.post("/asked")
    async def ask_with(request: Request) -> JSONResponse:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > LARGEST_FILE:
                raise HTTPException(413, f"the picture has more than {LARGEST_FILE >> 20} MB")
        return JSONResponse({"picture": await run_in_threadpool(site.shelf.put, bytes(data))})

    @app.get("/report")
    def report(run: str = LATEST) -> Response:
        with site.warehouse.connection() as connection:
            folder = find_run(site, connection, run).artifact("report")
        return HTMLResponse((folder / REPORT_FILE).read_bytes(), headers={"Content-Security-Policy": REPORT_POLICY})

    for name, (content, media_type) in static_files().items():
        app.add_api_route(f"/static/{name}", _static(content, media_type), methods=["GET"])
    return app


def _endpoint(page: Page, site: Site, rendering: Rendering) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        given = _given(page.parameters, request)
        if page.computes:
            with site.warehouse.connection() as connection:
                known = Visit(site, connection, given, page).known_reply()
            if known is not None:
                return _replied(known)
        with site.room.entered() if page.computes else nullcontext(), site.warehouse.connection() as connection:
            visit = Visit(site, connection, given, page)
            shown = page.show(visit)
            return _replied(shown) if isinstance(shown, Reply) else HTMLResponse(rendering.page(visit, shown))

    return show


def _replied(reply: Reply) -> Response:
    kept = f"attachment; filename={reply.file_name}" if reply.file_name else "inline"
    headers = {"Content-Disposition": kept} | ({"Content-Encoding": "gzip"} if reply.packed else {})
    return Response(reply.content, media_type=reply.media_type, headers=headers)


def _given(kind: type[Parameters], request: Request) -> Parameters:
    """Return what an address asks for; an empty field of a form is as one that is not there."""
    query = request.query_params
    values: dict[str, Any] = {}
    for name in query:
        field = kind.model_fields.get(name)
        found = [value for value in query.getlist(name) if value != ""]
        if found:
            values[name] = tuple(found) if field and get_origin(field.annotation) is tuple else found[-1]
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        place, message, first = explained(error)
        if first["type"] == "extra_forbidden":
            raise QueryError(
                f"there is nothing called {place} to ask of this page", f"there is {', '.join(kind.model_fields)}"
            ) from None
        if first["type"] == "missing":
            raise QueryError(f"{place} must be given", "") from None
        raise QueryError(f"{place} cannot be {str(first['input'])[:80]!r}", f"it {message}") from None


def _lasting(content: bytes, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers={"Cache-Control": _FOR_EVER})


def _static(content: bytes, media_type: str) -> Callable[[], Response]:
    return lambda: Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})
