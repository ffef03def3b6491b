"""`make dirac-up`: a DIRAC for people, until Ctrl-C."""

from __future__ import annotations

import signal
import time

from tests.services.legacy.configuration import VO
from tests.services.legacy.server import Dirac, start_dirac

_HOW = """
A DIRAC answers, after {seconds:.0f} s. Its user is alice of the VO {vo}. Everything is in {directory},
and goes with it.

In a shell, for dirac-proxy-info, dirac-wms-job-submit and all its other commands:

    . {rc}

In engine.yaml, to use it in the one way or the other:

    backend: dirac
    backends:
      dirac:
        diracosrc: {rc}
        storage_elements: [{element}]
        shared_files: true
      diracx:
        url: {url}
        token: {token}
        shared_files: true

Her files are lfn:{home}/... at {element}; her jobs run at {site}, on this machine, as this user.
The proxy and the token live for a day. Ctrl-C ends it all.
"""


def main() -> None:
    """Start, tell, wait."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whatever ends it, everything is put away
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    try:
        with start_dirac() as dirac:
            print(_how(dirac, time.monotonic() - began), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("gone")


def _how(dirac: Dirac, seconds: float) -> str:
    assert dirac.diracx is not None  # it is of generation 9
    return _HOW.format(
        seconds=seconds,
        vo=VO,
        directory=dirac.directory,
        rc=dirac.rc,
        element=dirac.element,
        url=dirac.diracx.url,
        token=dirac.token,
        home=dirac.home,
        site=dirac.site,
    )


main()
