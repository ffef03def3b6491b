"""The server's log: bounded, and never a reason to stop."""

import os
import time

LIMIT = 1 << 20  # bytes of the file; the one before is kept beside it


class Log:
    """Lines with a time, appended to a file that is also our standard error (tracebacks of children)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        try:
            if os.path.exists(self._path) and os.path.getsize(self._path) > LIMIT:
                os.rename(self._path, self._path + ".1")
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o600)
        except OSError:
            descriptor = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(descriptor, 2)
        os.close(descriptor)

    def note(self, line: str) -> None:
        """Add a line; on a full disk it is lost."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            os.write(2, f"{stamp} {line}\n".encode("utf-8", "replace"))
            if os.fstat(2).st_size > LIMIT:
                self._open()
        except OSError:
            pass
