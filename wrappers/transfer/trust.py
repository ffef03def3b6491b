"""TLS: whom we trust, and the certificate that we show."""

import os
import ssl
import sys
import threading
from typing import Dict, Optional, Tuple

from wrappers.containers.timed import responds
from wrappers.transfer.errors import NodeMisconfigured

# Where grid nodes keep the certificate authorities of the IGTF.
_GRID = ("/etc/grid-security/certificates", "/cvmfs/grid.cern.ch/etc/grid-security/certificates")


class Trust:
    """TLS contexts, made once for each certificate. Shared by threads."""

    def __init__(self, authorities: str = "") -> None:
        """Find certificate authorities. `authorities` is a directory or file of them, trusted besides the
        system's; without it the directory that X509_CERT_DIR names, or a usual one of grid nodes.
        """
        self._authorities = authorities
        self._contexts: Dict[Tuple[str, int], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def context(self, certificate: str = "") -> ssl.SSLContext:
        """Make what a connection needs; `certificate` is a file with a proxy or certificate and its key.

        Raises:
            NodeMisconfigured: a file cannot be read.
        """
        try:
            key = (certificate, os.stat(certificate).st_mtime_ns if certificate else 0)
            with self._lock:
                if key not in self._contexts:
                    self._contexts[key] = self._make(certificate)
                return self._contexts[key]
        except OSError as error:  # ssl.SSLError is one
            reason = error.strerror or str(error)
            what = certificate or self._authorities or "the certificate authorities"
            helps = "" if certificate else ": correct the setting `authorities`"
            raise NodeMisconfigured(f"TLS: {what} cannot be used: {reason}{helps}") from None

    def _make(self, certificate: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if sys.version_info >= (3, 13):  # old authorities of the grid lack what that asks for
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        directory = self._authorities or _grid_authorities()
        if directory and os.path.isdir(directory):
            context.load_verify_locations(capath=directory)
        elif directory:
            context.load_verify_locations(cafile=directory)
        if certificate:
            context.load_cert_chain(certificate)
        return context


def _grid_authorities() -> Optional[str]:
    directories = (os.environ.get("X509_CERT_DIR", ""), *_GRID)
    return next(
        (
            directory
            for directory in directories
            if directory and responds(directory) and os.path.isdir(directory)
        ),
        None,
    )
