"""`dirac-service` that only this machine can reach, as the original listens everywhere.

Run by DIRAC's Python."""

import socket
import sys

from DIRAC.Core.DISET.private.Protocols import gProtocolDict
from DIRAC.Core.DISET.private.Transports.M2SSLTransport import SSLTransport


class LoopbackTransport(SSLTransport):
    """DISET over TLS, on the loopback interface."""

    def initAsServer(self):  # noqa: N802  (DIRAC's name)
        """Listen."""
        self.stServerAddress = (_loopback(), self.stServerAddress[1])
        return super().initAsServer()


def _loopback():
    try:  # DIRAC makes an IPv6 socket where it can
        socket.socket(socket.AF_INET6).close()
    except OSError:
        return "127.0.0.1"
    return "::ffff:127.0.0.1"


gProtocolDict["dips"]["transport"] = LoopbackTransport

if __name__ == "__main__":
    from DIRAC.Core.scripts.dirac_service import main

    sys.argv[0] = "dirac-service"
    main()
