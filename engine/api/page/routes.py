"""`/` and its files. Scripts and styles come from here only, and nothing may be framed."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Response

_FILES = {"index.html": "text/html", "watch.js": "text/javascript", "watch.css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_routes() -> APIRouter:
    """Make the routes of the page."""
    router = APIRouter()
    here = files("engine.api.page")
    content = {name: here.joinpath(name).read_bytes() for name in _FILES}

    @router.get("/")
    def index() -> Response:
        return _answer("index.html", content)

    @router.get("/page/{name}")
    def file(name: str) -> Response:
        if name not in content:
            return Response(status_code=404)
        return _answer(name, content)

    return router


def _answer(name: str, content: dict[str, bytes]) -> Response:
    return Response(content[name], media_type=f"{_FILES[name]}; charset=utf-8", headers=_HEADERS)
