"""The three requests by which VIP's portal drives its engine (moteur-server-rest), answered by this one:

    POST /submit        {"workflow", "inputs", ...}, each base64   -> the id of the execution, as text
    GET  /status/<id>   RUNNING, COMPLETE, FAILED, TERMINATED or UNKNOWN, as text
    PUT  /kill          {"workflowID"}

Basic authentication opens an account with the role `service`: the portal has checked its users itself.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse

from engine.api.passwords import Passwords
from engine.app.portal import executor_settings
from engine.app.portal.carmin import CarminError
from engine.app.portal.documents import loads
from engine.app.portal.launch_request import LaunchRequest
from engine.app.portal.portal import Portal
from engine.domain.access import Action
from engine.domain.account import Account, Role
from engine.domain.execution import ExecutionState
from engine.errors import BadRequest, EngineError

LARGEST = 64 << 20
"""Bytes of a request: inputs of a hundred thousand jobs."""
_STATUS = {
    ExecutionState.PLANNING: "RUNNING",
    ExecutionState.ACTIVE: "RUNNING",
    ExecutionState.SUCCEEDED: "COMPLETE",
    ExecutionState.PARTIAL: "FAILED",
    ExecutionState.FAILED: "FAILED",
    ExecutionState.CANCELLED: "TERMINATED",
}


def moteur_routes(portal: Portal, passwords: Passwords) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.post("/submit")
    async def submit(request: Request) -> PlainTextResponse:
        address = request.client.host if request.client else ""
        return await _answered(request, lambda account, body: _submit(portal, account, body, address))

    @router.get("/status/{id_}")
    async def status(request: Request, id_: str) -> PlainTextResponse:
        return await _answered(request, lambda account, body: _status(portal, account, id_))

    @router.put("/kill")
    async def kill(request: Request) -> PlainTextResponse:
        return await _answered(request, lambda account, body: _kill(portal, account, body))

    async def _answered(request: Request, act: Any) -> PlainTextResponse:
        try:
            account = await _account(passwords, request)
            if account is None:
                return _text(401, "a service account is needed")
            body = await _body(request)
            return PlainTextResponse(await run_in_threadpool(act, account, body))
        except BadRequest as error:
            return _text(
                429 if isinstance(error, CarminError) and error.status == 429 else 400, error.message
            )
        except EngineError:
            return _text(503, "a service that is needed does not answer")

    return router


async def _account(passwords: Passwords, request: Request) -> Account | None:
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        name, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    if kind.lower() != "basic":
        return None
    address = request.client.host if request.client else ""
    found = request.state.account = await passwords.account(name, password, address)
    return found if found and found.role is Role.SERVICE else None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise BadRequest(f"at most {LARGEST} bytes at a time")
    return bytes(body)


def _submit(portal: Portal, account: Account, body: bytes, address: str) -> str:
    fields = _object(body, "the request")
    workflow, inputs = _part(fields, "workflow"), _part(fields, "inputs")
    settings = executor_settings.read({**_settings(fields), **_config(portal, fields)})
    name = "".join(c for c in str(workflow.get("name", "")) if (c.isalnum() and c.isascii()) or c in " -_")
    request = LaunchRequest(
        name=name[:255] or "workflow",
        descriptor=workflow,
        values=inputs,
        address=address,
        trusted=True,
        settings=settings,
    )
    return portal.launcher.launch(account, request).execution_id


def _status(portal: Portal, account: Account, id_: str) -> str:
    try:
        found = portal.launches.find(account, id_, Action.READ)
    except CarminError:
        return "UNKNOWN"
    return _STATUS[portal.launches.state(found)]


def _kill(portal: Portal, account: Account, body: bytes) -> str:
    portal.launches.kill(account, str(_object(body, "the request").get("workflowID", "")))
    return ""


def _settings(fields: dict[str, Any]) -> dict[str, Any]:
    """Parse the settings of the application's version: none is an empty part, or no part."""
    return _part(fields, "settings") if fields.get("settings") else {}


def _config(portal: Portal, fields: dict[str, Any]) -> dict[str, str]:
    """Read the settings of the resource: those of the directory that `executorConfig` names."""
    given = fields.get("executorConfig")
    try:
        name = b64decode(str(given), validate=True).decode().strip() if given else ""
    except ValueError:
        raise BadRequest("executorConfig: text in base64 is needed") from None
    if not name:
        return {}
    top = portal.settings.portal.executor_configs
    if top is None:
        raise BadRequest(f"executorConfig: {name[:100]!r} is asked for; set portal.executor_configs")
    if name in (".", "..") or "/" in name or not name.isprintable():
        raise BadRequest(f"executorConfig: {name[:100]!r} is no name of a directory")
    try:
        return executor_settings.properties((top / name / "settings.conf").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BadRequest(
            f"executorConfig: there is no readable {name[:100]}/settings.conf in portal.executor_configs"
        ) from None


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        return _object(b64decode(str(fields[name]), validate=True), name)
    except (KeyError, ValueError):
        raise BadRequest(f"{name}: a JSON object in base64 is needed") from None


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadRequest(f"{what}: a JSON object is needed")
    return found


def _text(status: int, text: str) -> PlainTextResponse:
    headers = {"WWW-Authenticate": 'Basic realm="boutiques-engine"'} if status == 401 else {}
    if status in (429, 503):
        headers["Retry-After"] = "5"
    return PlainTextResponse(f"{text}\n", status_code=status, headers=headers)
