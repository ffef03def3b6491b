"""Executions: started, watched, killed, deleted; their results and logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import TypeAdapter

from engine.api.carmin.caller import Caller
from engine.api.carmin.execution_view import CarminExecutions
from engine.api.carmin.models import (
    ChangedExecution,
    Deletion,
    ExecutionModel,
    NewExecution,
    ResultProperties,
)
from engine.api.carmin.platform import LIMIT
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.launch_request import LaunchRequest
from engine.app.portal.launches import Launches
from engine.app.portal.launching import Launcher
from engine.domain.access import Action, may_touch_execution
from engine.store.launches import Launch

_SEVERAL = "jobId is required when multiple tasks exist"
_ONE = TypeAdapter(ExecutionModel)
_LIST = TypeAdapter(list[ExecutionModel])


def execution_routes(launcher: Launcher, launches: Launches, executions: CarminExecutions) -> APIRouter:
    """Make the routes `/executions...`."""
    router = APIRouter(tags=["executions"])

    @router.get("/executions", response_model=list[ExecutionModel])
    def newest(
        caller: Caller,
        studyIdentifier: Annotated[str | None, Query(max_length=255)] = None,  # noqa: N803 - CARMIN's word
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=LIMIT)] = LIMIT,
    ) -> Response:
        """List executions, newest first, without values, results and jobs."""
        found = launches.newest(caller, limit=limit, offset=offset, study=_plain(studyIdentifier))
        return _json(_LIST, [executions.listed(one) for one in found])

    @router.post("/executions", response_model=ExecutionModel)
    def create(wanted: NewExecution, caller: Caller, request: Request) -> ExecutionModel:
        """Start an execution of a pipeline, of a descriptor in `descriptor`, or of a DOI."""
        if wanted.timeout:
            raise CarminError(Code.BAD_EXECUTION, "a timeout is not supported")
        made = launcher.launch(
            caller,
            LaunchRequest(
                name=wanted.name,
                pipeline=wanted.pipelineIdentifier,
                descriptor=wanted.descriptor,
                values=wanted.inputValues,
                location=wanted.resultsLocation or "",
                study=_plain(wanted.studyIdentifier) or "",
                key=wanted.submissionKey,
                address=request.client.host if request.client else "",
            ),
        )
        return executions.whole(made)

    @router.get("/executions/count", response_class=PlainTextResponse)
    def count(
        caller: Caller,
        studyIdentifier: Annotated[str | None, Query(max_length=255)] = None,  # noqa: N803 - CARMIN's word
    ) -> str:
        """Return how many there are, as plain text."""
        return str(launches.count(caller, _plain(studyIdentifier)))

    @router.get("/executions/examples", response_model=list[ExecutionModel])
    def examples(caller: Caller) -> list[ExecutionModel]:
        """List executions that show how; there are none."""
        return []

    @router.get("/executions/examples/{id_}", response_model=ExecutionModel)
    def example(id_: str, caller: Caller) -> ExecutionModel:
        """One of them."""
        raise CarminError(Code.BAD_EXAMPLE, "there is no such example")

    @router.get("/executions/{id_}", response_model=ExecutionModel)
    def one(id_: str, caller: Caller) -> Response:
        """One execution; services that watch for others are told no values and no results."""
        found = launches.find(caller, id_, Action.SUMMARY)
        whole = may_touch_execution(caller, found.account_id, Action.READ)
        return _json(_ONE, executions.whole(found) if whole else executions.outline(found))

    @router.get("/executions/{id_}/summary", response_model=ExecutionModel)
    def summary(id_: str, caller: Caller) -> Response:
        """Return how it stands, without values and results: for services that watch for others."""
        return _json(_ONE, executions.summary(launches.find(caller, id_, Action.SUMMARY)))

    @router.put("/executions/{id_}", response_model=ExecutionModel)
    def change(id_: str, wanted: ChangedExecution, caller: Caller) -> ExecutionModel:
        """Give it another name."""
        if wanted.timeout:
            raise CarminError(Code.GENERIC, "a timeout is not supported")
        if wanted.name is None:
            return executions.whole(launches.find(caller, id_, Action.READ))
        return executions.whole(launches.rename(caller, id_, wanted.name))

    @router.put("/executions/{id_}/play", status_code=204)
    def play(id_: str, caller: Caller) -> Response:
        """Nothing: executions start by themselves."""
        launches.find(caller, id_, Action.CHANGE)
        return Response(status_code=204)

    @router.put("/executions/{id_}/kill", status_code=204)
    def kill(id_: str, caller: Caller) -> Response:
        """Ask for its end."""
        launches.kill(caller, id_)
        return Response(status_code=204)

    @router.put("/executions/{id_}/restart", response_model=ExecutionModel)
    def restart(id_: str, caller: Caller) -> ExecutionModel:
        """Run again what has failed or was killed (not of CARMIN)."""
        launches.restart(caller, id_)
        return executions.whole(launches.find(caller, id_, Action.READ))

    @router.put("/executions/{id_}/delete", status_code=204)
    def delete_as_vip(id_: str, how: Deletion, caller: Caller) -> Response:
        """Forget it, with or without its files: VIP's spelling."""
        launches.delete(caller, id_, files=how.deleteFiles)
        return Response(status_code=204)

    @router.delete("/executions/{id_}", status_code=204)
    def delete(
        id_: str,
        caller: Caller,
        deleteFiles: bool = False,  # noqa: N803 - CARMIN's word
    ) -> Response:
        """Forget it, with or without its files. One that runs is killed, and stays."""
        found = launches.find(caller, id_, Action.CHANGE)
        if executions.is_over(found):
            launches.delete(caller, id_, files=deleteFiles)
        else:
            launches.kill(caller, id_)  # how clients of CARMIN 0.2 kill
        return Response(status_code=204)

    @router.get("/executions/{id_}/results", response_model=list[ResultProperties])
    def results(
        id_: str,
        caller: Caller,
        limit: Annotated[int | None, Query(ge=1, le=10**9, description="The first so many; ours.")] = None,
    ) -> list[ResultProperties]:
        """Its results, where they are."""
        return executions.results(launches.find(caller, id_, Action.READ), limit)

    @router.get("/executions/{id_}/stdout", response_class=PlainTextResponse)
    def stdout(id_: str, caller: Caller) -> Response:
        """Return what its only job wrote to stdout."""
        return _only(executions, launches.find(caller, id_, Action.READ), "out")

    @router.get("/executions/{id_}/stderr", response_class=PlainTextResponse)
    def stderr(id_: str, caller: Caller) -> Response:
        """Return what its only job wrote to stderr."""
        return _only(executions, launches.find(caller, id_, Action.READ), "err")

    @router.get("/executions/{id_}/jobs/{number}/stdout", response_class=PlainTextResponse)
    def job_stdout(id_: str, number: int, caller: Caller) -> Response:
        """Return what a job wrote to stdout; jobs are counted from 0."""
        return _text(executions.log(launches.find(caller, id_, Action.READ), number, "out"))

    @router.get("/executions/{id_}/jobs/{number}/stderr", response_class=PlainTextResponse)
    def job_stderr(id_: str, number: int, caller: Caller) -> Response:
        """Return what a job wrote to stderr; jobs are counted from 0."""
        return _text(executions.log(launches.find(caller, id_, Action.READ), number, "err"))

    return router


def _json(kind: TypeAdapter[Any], value: Any) -> Response:
    """Render as bytes at once what clients ask again and again: the framework would check every field
    again.
    """
    return Response(kind.dump_json(value), media_type="application/json")


def _only(executions: CarminExecutions, found: Launch, stream: str) -> Response:
    if executions.jobs(found) != 1:
        return PlainTextResponse(_SEVERAL)
    return _text(executions.log(found, 0, stream))


def _text(pieces: Iterator[bytes]) -> Response:
    return StreamingResponse(pieces, media_type="text/plain; charset=utf-8")


def _plain(text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise CarminError(Code.GENERIC, "studyIdentifier is no text")
    return text
