"""`dirac-service` with many services in a process, which only this machine can reach. Run by its Python."""

import selectors
import socket
import sys
from types import SimpleNamespace

from DIRAC.Core.DISET import ServiceReactor
from DIRAC.Core.DISET.private.Protocols import gProtocolDict
from DIRAC.Core.DISET.private.Transports.M2SSLTransport import SSLTransport
from DIRAC.Core.Utilities.ThreadScheduler import gThreadScheduler


class LoopbackTransport(SSLTransport):
    """DISET over TLS on the loopback interface; the original listens everywhere."""

    def initAsServer(self):  # noqa: N802  (DIRAC's name)
        """Listen."""
        self.stServerAddress = (_loopback(), self.stServerAddress[1])
        return super().initAsServer()


class OneAtATime(selectors.DefaultSelector):
    """Tells of one connection at a time.

    When two services of a process are called at the same moment, DIRAC accepts both connections and forgets
    the first.
    """

    def select(self, timeout=None):
        """Wait for connections."""
        return super().select(timeout)[:1]


def _loopback():
    try:  # DIRAC makes an IPv6 socket where it can
        socket.socket(socket.AF_INET6).close()
    except OSError:
        return "127.0.0.1"
    return "::ffff:127.0.0.1"


gProtocolDict["dips"]["transport"] = LoopbackTransport
ServiceReactor.selectors = SimpleNamespace(DefaultSelector=OneAtATime, EVENT_READ=selectors.EVENT_READ)
gThreadScheduler.setMinValidPeriod(1)  # or OptimizationMind looks for the jobs of DiracX once a minute

if __name__ == "__main__":
    from DIRAC.Core.scripts.dirac_service import main

    sys.argv[0] = "dirac-service"
    main()
