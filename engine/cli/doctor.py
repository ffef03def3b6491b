"""`engine doctor`: what is in order on this machine, and how to mend what is not."""

from __future__ import annotations

import typer

from engine.cli import show
from engine.cli.session import Json, session


def command(json: Json = False) -> None:
    """Check this machine; exit code 3 when something must be mended before jobs can run."""
    from engine.app.doctor import examine
    from engine.app.findings import FAILURE
    from engine.wiring import local_settings

    settings = session.engine.settings
    left = {one.name: one.seconds_left for one in session.engine.places.credentials()}
    broken = False
    for finding in examine(settings, local_settings(settings).node, left):
        broken = broken or finding.verdict == FAILURE
        if json:
            show.json_line(finding)
            continue
        print(f"{finding.verdict:8} {finding.check}: {show.cell(finding.words)}")
        if finding.remedy:
            print(f"         -> {finding.remedy}")
    if broken:
        raise typer.Exit(3)
