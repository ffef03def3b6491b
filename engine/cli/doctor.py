"""`engine doctor`: what is in order on this machine, and how to mend what is not."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, session


def command(
    backend: Annotated[
        str, typer.Option(help="Check whether this back-end takes jobs, in place of this machine.")
    ] = "",
    json: Json = False,
) -> None:
    """Check this machine; exit code 3 when something must be mended before jobs can run."""
    from engine.app.health.doctor import examine
    from engine.app.health.findings import FAILURE
    from engine.app.health.grid import examine_backend
    from engine.vip import plug as vip
    from engine.wiring import local_settings

    engine = session.engine
    if backend:
        findings = examine_backend(engine.backends, backend, engine.db)
    else:
        left = {one.name: one.seconds_left for one in engine.storage_registry.credentials()}
        ours = local_settings(engine.settings)
        local = engine.app.runs_here()
        here = examine(engine.settings, ours.node, ours.spool, left, engine.storage, local=local)
        findings = chain(here, vip.findings(engine.settings.vip))
    broken = 0
    for finding in findings:
        broken += finding.verdict == FAILURE
        if json:
            show.json_line(finding)
            continue
        print(f"{finding.verdict:8} {finding.check}: {show.cell(finding.message)}")
        if finding.remedy:
            print(f"         -> {finding.remedy}")
    if not json:
        must = show.counted(broken, "failure must", "failures must")
        show.say(f"engine: {must} be mended" if broken else "engine: nothing must be mended: jobs can run")
    if broken:
        raise typer.Exit(3)
