"""The DIRAC job whose payload we are, if we are one: the environment says so."""

import os
from typing import Any, Callable, Mapping, Optional

from wrappers import wire
from wrappers.dirac.watchdog import Switch

WORDS: Mapping[str, str] = {
    "inputs": "fetching inputs",
    "image": "getting the image",
    "run": "running the tool",
    "deliver": "delivering results",
}
"""Application status by phase; others are too short to be told."""


class GridJob:
    """The notices that DIRAC gets of each phase. The whole VO reads application statuses: nothing of a user's
    is in them.
    """

    def __init__(self, node: wire.Node, directory: str, environment: Mapping[str, str]) -> None:
        self._switch = Switch(directory)
        self._reporter = _status_reporter(node, environment)

    def phase(self, which: str, name: str) -> None:
        """Note that an attempt (`which` of several, "" if there is just one) begins a phase; "" is none."""
        self._switch.phase(name)
        if name in WORDS:
            self._report(which, WORDS[name])

    def ended(self, which: str, report: wire.Report) -> None:
        """Note that an attempt is over."""
        self._report(which, report.outcome + (f" ({report.failure})" if report.failure else ""))

    def close(self) -> None:
        """Note that the payload is over."""
        self._switch.phase("")
        if self._reporter is not None:
            self._reporter.close()

    def _report(self, which: str, words: str) -> None:
        if self._reporter is not None:
            self._reporter.report(f"{which}: {words}" if which else words)


def job_of(node: wire.Node, environment: Mapping[str, str]) -> Optional[GridJob]:
    """Find the DIRAC job of this environment; None outside of DIRAC."""
    if not environment.get("JOBID", "").isdigit():
        return None
    return GridJob(node, os.getcwd(), environment)


def _status_reporter(node: wire.Node, environment: Mapping[str, str]) -> Any:
    """Return who tells DIRAC; None where that is switched off, or there is no way to tell it."""
    if node.heartbeat <= 0:
        return None
    from wrappers.dirac.status_reporter import StatusReporter

    try:
        make = _status_service(node, environment)
        return StatusReporter(make, node.heartbeat) if make is not None else None
    except OSError:
        return None  # no process can be made: the job will say so where it matters


def _status_service(node: wire.Node, environment: Mapping[str, str]) -> Optional[Callable[[], Any]]:
    """Make the way to report to DIRAC: a token of DiracX, else DIRAC's client."""
    from wrappers.containers.programs import dirac_python
    from wrappers.dirac import client, credential

    job = environment["JOBID"]
    source = credential.source(environment, node)
    if source is not None:
        found = source

        def make() -> Any:
            from wrappers.dirac.diracx import DiracX  # TLS and all: only in that process

            return DiracX(found, job, node.authorities)

        return make
    python = dirac_python(environment)
    return (lambda: client.DiracClient(str(python), job, environment)) if python else None
