"""Pipelines that users propose: `/proposals`, and `/admin/proposals` for administrators; not of CARMIN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from engine.api.carmin.admin import Groups
from engine.api.carmin.administrator import TAG, Administrator
from engine.api.carmin.caller import Caller
from engine.app.portal.proposing import Proposing

_Words = Annotated[str, Field(max_length=10_000)]


class NewProposal(BaseModel):
    """A descriptor that is proposed."""

    model_config = ConfigDict(extra="ignore")

    descriptor: dict[str, Any]
    identifier: str = Field(default="", max_length=1000)
    """`name/version`; empty: the descriptor's own."""
    note: _Words = ""
    """Words for the administrator."""


class ProposalModel(BaseModel):
    """A proposal."""

    id: str
    identifier: str
    state: str
    """`open`, `published`, `refused` or `withdrawn`."""
    answer: str
    """Why it was refused, or what it was published as."""
    note: str
    descriptor_sha256: str
    proposed: str
    decided: str
    """When; empty: it is open."""
    user: str = ""
    """Whose it is; told to administrators."""
    warnings: list[str] = Field(default_factory=list)
    """What is doubtful about the descriptor, when it came."""


class ExaminedProposal(ProposalModel):
    """A proposal as administrators look at it."""

    replaces: str
    """What another pipeline of this identifier is; empty: there is none."""
    lint: list[dict[str, Any]]
    plan: dict[str, Any]
    """Command line, image with its digest where the descriptor says it, inputs and outputs."""
    tests: list[dict[str, Any]]
    """What each of the descriptor's own tests would run, and asserts."""
    descriptor: dict[str, Any]


class Publication(BaseModel):
    """The way in which a proposal is published."""

    model_config = ConfigDict(extra="ignore")

    groups: Groups = Field(default_factory=list)
    """Names of the groups that may use it; none: everybody."""
    identifier: str = Field(default="", max_length=1000)
    """`name/version`; empty: as it was proposed."""
    replace: bool = False
    """Whether a pipeline of this identifier that was never used may be replaced."""


class ProposalRefusal(BaseModel):
    """Why a proposal is refused."""

    model_config = ConfigDict(extra="ignore")

    reason: _Words


def proposal_routes(proposing: Callable[[str], Proposing]) -> APIRouter:
    """`/proposals...` and `/admin/proposals...`. `proposing` does things in the name of an account."""
    router = APIRouter(tags=["proposals (not of CARMIN)"])

    @router.post("/proposals", response_model=ProposalModel, status_code=201)
    def propose(wanted: NewProposal, caller: Caller) -> Any:
        """Propose a descriptor as a pipeline: it must be one that could be published."""
        return proposing(caller.id).propose(wanted.descriptor, wanted.identifier, wanted.note)

    @router.get("/proposals", response_model=list[ProposalModel])
    def mine(caller: Caller) -> Any:
        """One's own proposals, and what has become of them."""
        return proposing(caller.id).mine()

    @router.delete("/proposals/{id}", status_code=204)
    def withdraw(id: str, caller: Caller) -> Response:
        """Take one's own proposal back."""
        proposing(caller.id).withdraw(id)
        return Response(status_code=204)

    @router.get("/admin/proposals", response_model=list[ProposalModel], tags=[TAG])
    def every(caller: Administrator, decided: bool = False) -> Any:
        """List the open proposals of everybody; with `decided`, also those that are decided."""
        return proposing(caller.id).all(decided=decided)

    @router.get("/admin/proposals/{id}", response_model=ExaminedProposal, tags=[TAG])
    def examine(id: str, caller: Administrator) -> Any:
        """One proposal with what lint finds, its plan, digests and tests."""
        return proposing(caller.id).examine(id)

    @router.post("/admin/proposals/{id}/publish", response_model=ProposalModel, tags=[TAG])
    def publish(id: str, wanted: Publication, caller: Administrator) -> Any:
        """Publish what was proposed."""
        mine = proposing(caller.id)
        mine.publish(id, wanted.groups, identifier=wanted.identifier, replace=wanted.replace)
        return mine.examine(id)

    @router.post("/admin/proposals/{id}/refuse", status_code=204, tags=[TAG])
    def refuse(id: str, wanted: ProposalRefusal, caller: Administrator) -> Response:
        """Refuse what was proposed, with words for its user."""
        proposing(caller.id).refuse(id, wanted.reason)
        return Response(status_code=204)

    return router
