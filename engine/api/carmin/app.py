"""The portal's interface, put together: one router for each resource."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from engine import __version__
from engine.api.carmin.account import account_routes
from engine.api.carmin.admin import admin_routes
from engine.api.carmin.admin_backends import backend_routes
from engine.api.carmin.admin_trail import trail_routes
from engine.api.carmin.admin_users import group_routes, user_routes
from engine.api.carmin.answers import add_handlers, methods_of
from engine.api.carmin.caller import Caller
from engine.api.carmin.execution_view import CarminExecutions
from engine.api.carmin.executions import execution_routes
from engine.api.carmin.files import TreeFiles
from engine.api.carmin.jobs import job_routes
from engine.api.carmin.models import Error
from engine.api.carmin.paths import path_routes
from engine.api.carmin.pipelines import pipeline_routes
from engine.api.carmin.platform import platform_routes
from engine.api.carmin.proposals import proposal_routes
from engine.api.carmin.session import session_routes
from engine.api.carmin.statistics import statistics_routes
from engine.api.own_executions import own_routes
from engine.api.passwords import Passwords
from engine.app.portal.failures import Failures
from engine.app.portal.portal import Portal

PREFIX = "/rest"
_DOCUMENT = {"application/json": {"schema": Error.model_json_schema()}}  # also where a success is plain text
_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is refused.", "content": _DOCUMENT},
    503: {"description": "A service that is needed does not answer.", "content": _DOCUMENT},
}


def carmin(portal: Portal, files: TreeFiles, failures: Failures, passwords: Passwords) -> FastAPI:
    """Make the application below `/rest`."""
    app = FastAPI(
        title="CARMIN",
        description="CARMIN 0.3.1 in the dialect of the Virtual Imaging Platform.",
        version=__version__,
        openapi_url=None,  # see below: it is not for strangers
        docs_url=None,  # its scripts would come from elsewhere, and act with the session of who looks
        redoc_url=None,
        redirect_slashes=False,
        responses=_ERRORS,
    )
    settings = portal.settings
    executions = CarminExecutions(portal.launches, files.tree)
    routers = (
        platform_routes(settings.portal, portal.users, passwords),
        pipeline_routes(portal.pipelines),
        execution_routes(portal.launcher, portal.launches, executions),
        path_routes(files, portal.records),
        account_routes(settings),
        job_routes(portal.launches),
        own_routes(portal.launcher, portal.shown),
        session_routes(portal.users, failures),
        admin_routes(portal.pipelines, portal.publishing),
        proposal_routes(portal.proposing),
        user_routes(portal.users, portal.administration, portal.launches.end_all),
        group_routes(portal.users, portal.administration),
        statistics_routes(portal.usage, portal.users),
        backend_routes(portal.paused_backends),
        trail_routes(portal.trail, portal.sites, portal.launches.who),
    )
    for router in routers:
        app.include_router(router, prefix=PREFIX)

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    def document(caller: Caller) -> JSONResponse:  # in a thread: the first one takes a second
        return JSONResponse(app.openapi())

    everywhere = f"{PREFIX}/{{path:path}}"
    app.router.routes.append(_Options(everywhere, _allowed, methods=["OPTIONS"]))
    add_handlers(app)
    return app


class _Options(Route):
    """The route of OPTIONS, which says nothing of other methods."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match OPTIONS alone: for others the path may be unknown, and not only the method wrong."""
        return super().matches(scope) if scope.get("method") == "OPTIONS" else (Match.NONE, {})


async def _allowed(request: Request) -> Response:
    """Tell the methods of a path, to strangers too: browsers ask without a key."""
    found = methods_of(request)
    if not found:
        raise HTTPException(404)
    return Response(status_code=204, headers={"Allow": ", ".join(sorted({*found, "OPTIONS"}))})
