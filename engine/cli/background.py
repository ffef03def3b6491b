"""Handing over to an engine in the background."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def start(config: Path | None) -> None:
    """Start an engine that reconciles until nothing is left to run."""
    from engine import xdg

    log = xdg.directory("XDG_STATE_HOME", ".local/state") / "engine.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = ["--config", str(config.absolute())] if config else []
    with log.open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "engine", *options, "serve", "--until-idle", "--no-http"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
