"""The HTTP application: calls, health, metrics and the page. Everything it needs is handed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import FileResponse, JSONResponse, Response

from workers.match import problems, read_calls, write_calls
from workers.match.access import Access
from workers.match.limits import BodyLimit
from workers.match.pictures import served_file
from workers.match.problems import Problem, answer_of, call_of
from workers.match.rooms import Rooms
from workers.metrics import REQUEST_SECONDS, REQUESTS

PAGE = Path(__file__).parent / "web" / "index.html"
DOCS = PAGE.with_name("docs.html")
BODY_OVERHEAD = 1_000_000
"""Room for a form's own words around the largest picture."""
# The page is one file and loads pictures from anywhere, nothing else from elsewhere.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob: http: https:; media-src 'self' http: https:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)


def create_app(rooms: Rooms) -> FastAPI:
    """The application over these rooms."""
    app = FastAPI(
        title="Streamscout",
        summary="Search posts, match briefs with creators, tell what came of it",
        version="1",
        # The built-in pages of FastAPI load their scripts from a content network; ours works without one.
        docs_url=None,
        redoc_url=None,
        # Problem documents stand in for FastAPI's own validation answer.
        responses={422: {"description": "A problem document (RFC 9457)", "content": {"application/problem+json": {}}}},
    )
    app.state.rooms = rooms
    problems.install(app)
    app.add_middleware(BodyLimit, most=rooms.body_max_bytes, picture=rooms.media_max_bytes + BODY_OVERHEAD)
    # Outside the limit on bodies: of a caller who may not ask, no body is read at all.
    app.add_middleware(Access, gate=rooms.gate, refuse=_refusal)
    app.middleware("http")(_measure)
    app.include_router(read_calls.router)
    app.include_router(write_calls.router)
    _add_health(app, rooms)
    _add_page(app, rooms)
    return app


def _refusal(path: str, problem: Problem) -> Response:
    return answer_of(problem, path)


async def _measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count and time each call under its route's path, so that ids do not become labels."""
    started = perf_counter()
    status = 500
    try:
        response = await call_next(request)
        status = response.status_code
        return response
    finally:
        call = call_of(request)
        REQUESTS.labels(call, str(status)).inc()
        REQUEST_SECONDS.labels(call).observe(perf_counter() - started)


def _add_health(app: FastAPI, rooms: Rooms) -> None:
    @app.get("/livez", tags=["health"])
    async def livez() -> JSONResponse:
        """Whether the process works at all. Asks no server: one that hangs must not get this process restarted."""
        return JSONResponse({"live": rooms.live()}, 200 if rooms.live() else 503)

    @app.get("/readyz", tags=["health"])
    async def readyz() -> JSONResponse:
        """Whether a request would be answered now."""
        health = await rooms.health()
        body = {"live": health.live, "ready": health.ready, **health.detail}
        return JSONResponse(body, 200 if health.ready else 503)

    @app.get("/metrics", tags=["health"])
    async def metrics() -> Response:
        """Prometheus' text form."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _add_page(app: FastAPI, rooms: Rooms) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        """The page."""
        return FileResponse(PAGE, media_type="text/html", headers={"content-security-policy": _PAGE_POLICY})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        """Every call, as /openapi.json describes it."""
        return FileResponse(DOCS, media_type="text/html", headers={"content-security-policy": _PAGE_POLICY})

    @app.get("/media/{name:path}", include_in_schema=False)
    async def media(name: str) -> Response:
        """A picture of the allowed directory."""
        found = served_file(name, rooms.media_root)
        if found is None:
            raise problems.not_found("picture", name)
        path, media_type = found
        return FileResponse(path, media_type=media_type, headers={"x-content-type-options": "nosniff"})
