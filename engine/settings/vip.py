"""What the engine keeps filled for VIP's portal, when that drives it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from engine.settings.section import Section


class VipSection(Section):
    """Tables and files that VIP's portal reads of its engine. They are kept when `workflows` is set."""

    workflows: Path | None = None
    """Directory of workflows: the one that the portal and its H2 server know under the same path."""
    database: str = ""
    """The MariaDB database `workflowsdb`: `mysql+pymysql://USER:PASSWORD@HOST/workflowsdb`."""
    h2: str = "localhost:9092"
    """Host and port of the H2 server that the portal asks."""
    h2_jar: Path = Path("/usr/share/java/h2.jar")
    """H2's own library, of the version of that server."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds without an answer after which MariaDB or H2 is away, and at most until it is asked again."""
    every: float = Field(default=1.0, gt=0)
    """Seconds between two looks at what has happened, and at signals."""
