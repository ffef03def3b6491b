"""What administrators do with pipelines: `/admin/pipelines`, not of CARMIN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class PipelineChange(BaseModel):
    """A change of who may use a pipeline, of its trust, or of both; what is left out stays as it is."""

    model_config = ConfigDict(extra="ignore")

    groups: Groups | None = None
    """Names of the groups that may use it; none: everybody."""
    trusted: bool | None = None
    """Whether its jobs may run where the tool is not kept apart from the engine."""

    @model_validator(mode="after")
    def _says_something(self) -> PipelineChange:
        if self.groups is None and self.trusted is None:
            raise ValueError("groups or trusted is needed")
        return self


class PublishedPipeline(BaseModel):
    """A pipeline as administrators see it."""

    identifier: str
    descriptor: str
    """SHA-256 of its descriptor."""
    groups: list[str]
    trusted: bool = False
    """Whether its jobs may run where the tool is not kept apart from the engine."""
    warnings: list[str] = Field(default_factory=list)
    """What is doubtful about the descriptor, when it was added."""


def admin_routes(pipelines: Pipelines, publishing: Callable[[str], Publishing]) -> APIRouter:
    """`/admin/pipelines...`. `publishing` does things in the name of an account."""
    router = APIRouter(prefix="/admin", tags=[TAG])

    def model(one: Pipeline, warnings: list[str] | None = None) -> PublishedPipeline:
        return PublishedPipeline(
            identifier=one.identifier,
            descriptor=one.descriptor_sha256,
            groups=pipelines.group_names(one),
            trusted=one.trusted,
            warnings=warnings or [],
        )

    @router.get("/pipelines", response_model=list[PublishedPipeline])
    def every(caller: Administrator) -> list[PublishedPipeline]:
        """Every pipeline that is offered, and to whom."""
        return [model(one) for one in pipelines.all()]

    @router.post("/pipelines", response_model=PublishedPipeline, status_code=201)
    def add(wanted: NewPipeline, caller: Administrator) -> PublishedPipeline:
        """Offer a descriptor as `name/tool-version`, once it is checked; one that was used never changes."""
        made, found = publishing(caller.id).add_document(
            wanted.descriptor, wanted.groups, identifier=wanted.identifier, replace=wanted.replace
        )
        return model(made, [f"{one.where}: {one.message}" for one in found])

    @router.put("/pipelines/{identifier:path}", response_model=PublishedPipeline)
    def change(identifier: str, wanted: PipelineChange, caller: Administrator) -> PublishedPipeline:
        """Say who may use a pipeline (no group: everybody), or whether it is trusted."""
        mine = publishing(caller.id)
        changed = None if wanted.groups is None else mine.share(identifier, wanted.groups)
        if wanted.trusted is not None:
            changed = mine.trust(identifier, trusted=wanted.trusted)
        assert changed is not None  # noqa: S101 - the model has seen to it
        return model(changed)

    @router.delete("/pipelines/{identifier:path}", status_code=204)
    def withdraw(identifier: str, caller: Administrator) -> Response:
        """Offer a pipeline no more; executions go on knowing it."""
        publishing(caller.id).withdraw(identifier)
        return Response(status_code=204)

    return router
