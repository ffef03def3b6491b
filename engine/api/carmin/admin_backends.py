"""What administrators do with back-ends: `/admin/backends`, not of CARMIN."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from engine.api.carmin.administrator import TAG, Administrator
from engine.app.portal.paused_backends import PausedBackends


class BackendChange(BaseModel):
    """A change of a back-end."""

    model_config = ConfigDict(extra="ignore")

    paused: bool
    """Whether nothing new is submitted to it; what it has accepted goes on."""


class Changed(BaseModel):
    """Whether anything was changed; false when it was so already."""

    changed: bool


def backend_routes(paused_backends: Callable[[str], PausedBackends]) -> APIRouter:
    """`/admin/backends...`. `paused_backends` pauses them in the name of an account."""
    router = APIRouter(prefix="/admin", tags=[TAG])

    @router.patch("/backends/{name}", response_model=Changed)
    def change(name: str, wanted: BackendChange, caller: Administrator) -> Changed:
        """Pause a back-end for the executions of everybody, or resume it."""
        return Changed(changed=paused_backends(caller.id).set(name, paused=wanted.paused))

    return router
