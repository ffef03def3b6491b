"""What sections of the settings are made of. The docstring under each attribute goes into the docs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

RuntimeName = Literal["userns", "udocker", "apptainer", "singularity", "podman", "docker", "none"]

GRID_NAME = r"^[A-Za-z0-9._-]*$"
"""Names at DIRAC, in job descriptions."""
GridName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


class Section(BaseModel):
    """Settings that belong together; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WrongValue(ValueError):
    """A value that pydantic's own rules let through; `remedy` says what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy
