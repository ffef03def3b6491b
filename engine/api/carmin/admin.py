"""What administrators do with pipelines: `/admin/pipelines`, not of CARMIN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from engine.api.carmin.administrator import TAG, Administrator
from engine.app.portal.pipelines import Pipelines
from engine.app.portal.publishing import Publishing
from engine.store.pipelines import Pipeline

Groups = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=1000)]


class NewPipeline(BaseModel):
    """A descriptor that is to be offered."""

    model_config = ConfigDict(extra="ignore")

    descriptor: dict[str, Any]
    groups: Groups = Field(default_factory=list)
    """Names of the groups that may use it; none: everybody."""
    identifier: str = Field(default="", max_length=1000)
    """`name/version`; empty: the descriptor's own."""
    replace: bool = False
    """Whether a pipeline of this identifier that was never used may be replaced."""


class PipelineGroups(BaseModel):
    """Who may use a pipeline."""

    model_config = ConfigDict(extra="ignore")

    groups: Groups


class PublishedPipeline(BaseModel):
    """A pipeline as administrators see it."""

    identifier: str
    descriptor: str
    """SHA-256 of its descriptor."""
    groups: list[str]
    warnings: list[str] = Field(default_factory=list)
    """What is doubtful about the descriptor, when it was added."""


def admin_routes(pipelines: Pipelines, publishing: Callable[[str], Publishing]) -> APIRouter:
    """`/admin/pipelines...`. `publishing` does things in the name of an account."""
    router = APIRouter(prefix="/admin", tags=[TAG])

    def told(one: Pipeline, warnings: list[str] | None = None) -> PublishedPipeline:
        return PublishedPipeline(
            identifier=one.identifier,
            descriptor=one.descriptor_sha256,
            groups=pipelines.group_names(one),
            warnings=warnings or [],
        )

    @router.get("/pipelines", response_model=list[PublishedPipeline])
    def every(caller: Administrator) -> list[PublishedPipeline]:
        """Every pipeline that is offered, and to whom."""
        return [told(one) for one in pipelines.all()]

    @router.post("/pipelines", response_model=PublishedPipeline, status_code=201)
    def add(wanted: NewPipeline, caller: Administrator) -> PublishedPipeline:
        """Offer a descriptor as `name/tool-version`, once it is checked; one that was used never changes."""
        made, found = publishing(caller.id).add_document(
            wanted.descriptor, wanted.groups, identifier=wanted.identifier, replace=wanted.replace
        )
        return told(made, [f"{one.where}: {one.message}" for one in found])

    @router.put("/pipelines/{identifier:path}", response_model=PublishedPipeline)
    def share(identifier: str, wanted: PipelineGroups, caller: Administrator) -> PublishedPipeline:
        """Say who may use a pipeline; no group: everybody."""
        return told(publishing(caller.id).share(identifier, wanted.groups))

    @router.delete("/pipelines/{identifier:path}", status_code=204)
    def withdraw(identifier: str, caller: Administrator) -> Response:
        """Offer a pipeline no more; executions go on knowing it."""
        publishing(caller.id).withdraw(identifier)
        return Response(status_code=204)

    return router
