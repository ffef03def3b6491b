"""What the engine knows of all this: a process beside the daemon, and what `engine doctor` says of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread

from engine.app.health.findings import FAILURE, OK, WARNING, CheckFinding
from engine.clock import iso
from engine.errors import EngineError, SettingsError
from engine.extras import remedy_for
from engine.log import logger
from engine.settings.vip import VipSection
from wrappers.backoff import Backoff

_DRIVER = "mysql+pymysql://"
_PAUSES = Backoff(2.0, 300.0)
"""Before the process is started again when it has ended by itself."""
_NO_VERSION = bytes(8)
"""What a client of H2 begins with, the versions of the protocol that it speaks: none, which is answered."""
_TIMEOUT_S = 10.0
"""Seconds in which it ends when it is told to."""


def check(settings: VipSection) -> None:
    """Return if the settings can work.

    Raises:
        SettingsError: they contradict each other, or are incomplete.
    """
    if settings.workflows is None:
        return
    if missing := [name for name in ("jpype", "pymysql") if find_spec(name) is None]:
        raise SettingsError(
            f"setting vip.workflows: the package {missing[0]} is not installed",
            remedy=remedy_for("jpype"),
        )
    if not settings.workflows.is_absolute():
        raise SettingsError(f"setting vip.workflows: {settings.workflows} is no absolute path")
    if not settings.database.startswith(_DRIVER):
        raise SettingsError(
            "setting vip.database: with vip.workflows, a database is needed",
            remedy=f"{_DRIVER}USER:PASSWORD@HOST/workflowsdb",
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]+:[0-9]{1,5}", settings.h2, re.ASCII):
        raise SettingsError(f"setting vip.h2: {settings.h2!r} is no HOST:PORT")


@contextmanager
def beside(settings: VipSection, config: Path | None) -> Iterator[None]:
    """Keep the process running until the end of the block, if the settings ask for it."""
    if settings.workflows is None:
        yield
        return
    stop = Event()
    words = [sys.executable, "-m", "engine.vip", *([str(config)] if config else [])]
    thread = Thread(target=_keep, args=(words, stop), name="vip")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep(words: list[str], stop: Event) -> None:
    pause = _PAUSES.first
    while True:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while process.poll() is None and not stop.wait(0.2):
            pass
        if stop.is_set():
            _end(process)
            return
        logger().warning("VIP's tables: the process has ended; it is started again", code=process.returncode)
        if stop.wait(pause):
            return
        pause = _PAUSES.after(pause)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def findings(settings: VipSection) -> Iterator[CheckFinding]:
    """Tell whether the portal's tables can be written, and how far they are."""
    if settings.workflows is None:
        return
    from engine.vip.memory import Memory
    from engine.vip.workflowsdb import WorkflowsDb

    what = "VIP's database"
    try:
        check(settings)
        database = WorkflowsDb(settings.database, min(settings.timeout, _TIMEOUT_S))
        database.check()
        database.close()
        yield CheckFinding(what, OK, "workflowsdb answers and has its tables")
    except SettingsError as error:
        yield CheckFinding(what, FAILURE, error.message, error.remedy)
        return
    except EngineError as error:
        yield CheckFinding(
            what, WARNING, error.message, error.remedy or "see vip.database; jobs go on meanwhile"
        )
    yield _h2(settings)
    try:
        progress = Memory().progress()
    except EngineError as error:
        yield CheckFinding("VIP's tables", FAILURE, error.message, error.remedy)
        return
    for target, (words, since) in progress.trouble.items():
        text = f"{target} could not be written since {iso(since)}: {words}"
        yield CheckFinding("VIP's tables", WARNING, text, "they are caught up when it answers")
    if not progress.trouble:
        yield CheckFinding(
            "VIP's tables", OK, f"{progress.behind} executions have something left to be written"
        )


def _h2(settings: VipSection) -> CheckFinding:
    import socket

    check = "VIP's H2 server"
    host, _, port = settings.h2.rpartition(":")
    if not settings.h2_jar.is_file():
        return CheckFinding(
            check, FAILURE, f"there is no {settings.h2_jar}", "install libh2-java; see vip.h2_jar"
        )
    try:
        with socket.create_connection((host, int(port)), min(settings.timeout, _TIMEOUT_S)) as line:
            line.sendall(_NO_VERSION)
            if line.recv(1):
                return CheckFinding(check, OK, f"{settings.h2} answers")
            raise OSError("it closes the connection")
    except OSError as error:
        words = f"{settings.h2}: {error.strerror or error}"
        remedy = "start it: java -cp h2.jar org.h2.tools.Server -tcp -ifNotExists; jobs go on meanwhile"
        return CheckFinding(check, WARNING, words, remedy)
