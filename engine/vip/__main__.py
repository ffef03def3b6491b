"""The process that the daemon starts: `python -m engine.vip [CONFIG]`. It ends with the daemon."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event, Thread

from engine import log, wiring
from engine.errors import EngineError
from engine.settings.reading import load
from engine.settings.tree import Settings
from engine.vip.memory import Memory
from engine.vip.reader import PortalReader
from wrappers.prctl import forbid_inspection

OUTAGE_INTERVAL_S = 5.0
"""Seconds between two tries while the engine's own database does not answer."""


def main(words: list[str]) -> None:
    """Keep the portal's tables until told to stop, or until the daemon is gone."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Thread(target=_watch_daemon, args=(stop,), daemon=True).start()
    log.configure()
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # a server that goes is told once, by us
    forbid_inspection()
    code = 0
    try:
        _keep(load(Path(words[0]) if words else None), stop)
    except EngineError as error:
        log.logger().error("VIP's tables: %s", error)
        code = error.exit_code
    sys.stderr.flush()
    os._exit(code)  # Java's threads would keep the process


def _keep(settings: Settings, stop: Event) -> None:
    engine = wiring.build(settings)
    reader = PortalReader(settings.vip, engine.app, engine.db, engine.trail, engine.clock, Memory())
    log.logger().info("VIP's tables are kept", workflows=str(settings.vip.workflows))
    while not stop.is_set():
        wait = settings.vip.every
        try:
            reader.round()
        except EngineError as error:
            log.logger().warning("VIP's tables: %s", error)
            wait = OUTAGE_INTERVAL_S
        stop.wait(wait)


def _watch_daemon(stop: Event) -> None:
    """Wait for the end of the pipe whose other end the daemon holds."""
    sys.stdin.buffer.read()
    stop.set()


if __name__ == "__main__":
    main(sys.argv[1:])
