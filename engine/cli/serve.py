"""`engine serve` and `engine tick`: the reconciler as a daemon, or one round of it."""

from __future__ import annotations

import signal
from threading import Event
from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, session


def command(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when nothing is left to run.")
    ] = False,
) -> None:
    """Reconcile until told to stop (SIGTERM or Ctrl-C). Jobs that run go on running."""
    from engine import log

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.configure()
    engine = session.engine
    logger = log.logger()
    logger.info("serving", database=engine.db.url.render_as_string(hide_password=True))
    engine.driver.serve(stop.is_set, until_idle=until_idle)
    logger.info("stopped")


def tick(json: Json = False) -> None:
    """Do one round, for cron or for looking closely."""
    driver = session.engine.driver
    try:
        driver.round()
    finally:
        driver.release()
    if json:
        show.json_line({"trouble": driver.trouble})
    elif driver.trouble:
        show.say(f"engine: {driver.trouble}")
