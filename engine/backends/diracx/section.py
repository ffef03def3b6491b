"""What can be set for a back-end that uses a DiracX server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from engine.backends.wms.section import GridSection
from engine.settings.section import WrongValue


def _is_url(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise WrongValue(f"{text} is no URL", "write https://...")
    return text


ServerUrl = Annotated[str, AfterValidator(_is_url)]


class DiracxSection(GridSection):
    """A grid, through DiracX."""

    url: ServerUrl
    """The DiracX server, `https://...`."""
    token: Path = Field(default_factory=lambda: Path(os.path.expanduser("~/.cache/diracx/credentials.json")))
    """The file with the tokens, where `engine login` and `dirac login` put them."""
    proxy: Path | None = None
    """A proxy that holds a DiracX token, in place of `token`: for robots, whose proxy something renews."""
    authorities: str = ""
    """File of certificate authorities of the server; empty: the system's."""
    poll: float = Field(default=10.0, gt=0)
    """Seconds between two looks at the server."""
