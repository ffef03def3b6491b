"""What can be set for a back-end that uses the services of DIRAC."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from engine.backends.wms.section import GridSection
from engine.settings.dirac import DiracClientSection
from engine.settings.section import WrongValue


class DiracSection(DiracClientSection, GridSection):
    """A grid, through the services of DIRAC 8 or 9 and a DIRAC client that is installed beside the engine:
    `command` or `diracosrc` must be given."""

    parametric: bool = True
    """Whether jobs that are alike are submitted together, as many as the installation takes."""

    @model_validator(mode="after")
    def _has_client(self) -> Self:
        if not (self.command or self.diracosrc):
            raise WrongValue("there is no DIRAC client", "set command or diracosrc below it")
        return self
