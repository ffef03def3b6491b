"""`engine serve` and `engine tick`: the reconciler as a daemon, or one round of it."""

from __future__ import annotations

import signal
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.api.parts import Http


def command(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when nothing is left to run.")
    ] = False,
    http: Annotated[
        bool | None,
        typer.Option("--http/--no-http", help="Answer worker nodes; by default if api.public_url is set."),
    ] = None,
) -> None:
    """Reconcile, and answer worker nodes, until told to stop (SIGTERM or Ctrl-C). Jobs go on running."""
    from engine import log
    from engine.app.health.isolation import check_policy
    from engine.vip.plug import beside, check
    from wrappers.runtimes.choose import open_namespaces

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.configure()
    open_namespaces()  # before settings are read
    engine = session.engine
    check(engine.settings.vip)
    logger = log.logger()
    wanted = bool(engine.settings.api.public_url) if http is None else http
    if wanted and (warning := check_policy(engine.settings, local=engine.app.runs_here())):
        logger.warning("isolation", words=warning)
    if issuers := engine.settings.portal.issuers if wanted else {}:
        for words in engine.users.provided(issuers).end_unmapped():
            logger.warning("groups", words=words, remedy="engine user group add makes one")
    server = engine.http() if wanted else None
    logger.info(
        "serving",
        database=engine.db.url.render_as_string(hide_password=True),
        **({"http": server.url} if server else {}),
    )
    with beside(engine.settings.vip, session.config):
        if server is None:
            engine.driver.serve(stop.is_set, until_idle=until_idle)
        else:
            _serve_both(server, stop, until_idle=until_idle)
    logger.info("stopped")


def _serve_both(server: Http, stop: Event, *, until_idle: bool) -> None:
    """Reconcile while the server answers; neither goes on without the other."""
    from engine.errors import Unavailable

    server.start()
    try:
        session.engine.driver.serve(lambda: stop.is_set() or not server.running, until_idle=until_idle)
        if not server.running:
            raise Unavailable(
                "the HTTP server has ended", remedy="the log says why; start engine serve again"
            )
    finally:
        server.stop()


def tick(json: Json = False) -> None:
    """Do one round, for cron or for looking closely."""
    driver = session.engine.driver
    driver.tick()
    if json:
        show.json_line({"trouble": driver.alert})
    elif driver.alert:
        show.say(f"engine: {driver.alert}")
