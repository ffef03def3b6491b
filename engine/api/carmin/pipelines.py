"""Pipelines and their descriptors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from engine.api.carmin.caller import Caller, MaybeCaller
from engine.api.carmin.models import Parameter, PipelineModel
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.pipelines import Pipelines, UsablePipeline
from engine.app.portal.values import hidden_inputs
from engine.domain.account import Account
from engine.domain.tool import InputType, ToolInput

_DESCRIPTOR = "/boutiquesdescriptor"


def pipeline_routes(pipelines: Pipelines) -> APIRouter:
    """`/pipelines...`."""
    router = APIRouter(tags=["pipelines"])

    @router.get(
        "/pipelines",
        response_model=list[PipelineModel] | PipelineModel,
        responses={200: {"description": "Pipelines; with ?pipelineId=X the pipeline of this identifier."}},
    )
    def every(
        caller: MaybeCaller,
        public: Annotated[
            str | None, Query(description="Those that everybody may use; needs no key.")
        ] = None,
        pipelineId: Annotated[str | None, Query(max_length=1000)] = None,  # noqa: N803 - VIP's word
        property: Annotated[str | None, Query(max_length=1000)] = None,
        propertyValue: Annotated[str | None, Query(max_length=1000)] = None,  # noqa: N803 - CARMIN's
        studyIdentifier: Annotated[str | None, Query(max_length=1000)] = None,  # noqa: N803
    ) -> list[PipelineModel] | PipelineModel:
        """List the pipelines that one may use, without their parameters; or the one of `pipelineId`, with
        them.
        """
        if caller is None and public is None:
            raise CarminError(Code.NO_CREDENTIALS, "Full authentication is required to access this resource")
        if property is not None:
            return []  # ours have none
        if pipelineId is not None and caller is not None:
            return _model(pipelines.get(caller, pipelineId))
        found = [one for one in pipelines.all() if not one.groups] if caller is None else pipelines.of(caller)
        if pipelineId is not None:
            found = [one for one in found if one.identifier == pipelineId]
        return [_listed(one.identifier, execute=caller is not None) for one in found]

    @router.get(
        "/pipelines/{identifier:path}",
        response_model=PipelineModel,
        responses={200: {"description": "The pipeline, or its descriptor with ?format=boutiques."}},
    )
    def one(
        identifier: str, caller: Caller, format: Literal["boutiques", "carmin"] | None = None
    ) -> PipelineModel | Response:
        """One pipeline; with `/boutiquesdescriptor` or `?format=boutiques` its descriptor."""
        if identifier.endswith(_DESCRIPTOR) or format == "boutiques":
            return _descriptor(pipelines, caller, identifier.removesuffix(_DESCRIPTOR))
        return _model(pipelines.get(caller, identifier))

    return router


def _descriptor(pipelines: Pipelines, account: Account, identifier: str) -> Response:
    return JSONResponse(dict(pipelines.get(account, identifier).descriptor.data))


def _listed(identifier: str, *, execute: bool) -> PipelineModel:
    name, _, version = identifier.partition("/")
    return PipelineModel(
        identifier=identifier,
        name=name,
        description=None,
        version=version,
        parameters=[],
        canExecute=execute,
        properties={},
    )


def _model(published: UsablePipeline) -> PipelineModel:
    tool = published.compiled.tool
    hidden = hidden_inputs(tool)
    listed = _listed(published.pipeline.identifier, execute=True)
    return listed.model_copy(
        update={
            "description": tool.description,
            "parameters": [_parameter(one) for one in tool.inputs if one.id not in hidden],
        }
    )


def _parameter(one: ToolInput) -> Parameter:
    default: Any = one.default
    return Parameter(
        name=one.id,
        type=_type(one),
        isOptional=one.optional or default is not None,
        isReturnedValue=False,
        defaultValue=default,
        description=one.description or one.name,
    )


def _type(one: ToolInput) -> Literal["File", "String", "Boolean", "Int64", "Double", "List"]:
    if one.list:
        return "List"
    match one.type:
        case InputType.FILE:
            return "File"
        case InputType.FLAG:
            return "Boolean"
        case InputType.NUMBER:
            return "Int64" if one.integer else "Double"
        case InputType.STRING:
            return "String"
