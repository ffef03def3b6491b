"""Programs of others that move files (xrdcp, gfal-copy): fed and read by us, ended when they stall."""

import itertools
import os
import select
import signal
import subprocess
import tempfile
from typing import IO, Any, Callable, Dict, Iterable, List, NamedTuple, Optional, cast

from wrappers.containers.programs import which
from wrappers.transfer.budget import Budget
from wrappers.transfer.checksums import IN_USE
from wrappers.transfer.errors import Transient

_PIECE = 1 << 20
_POLL_INTERVAL_S = 0.5  # seconds between two looks at whether everything is to stop
_PIPE = 1031  # fcntl F_SETPIPE_SZ (Linux)


class Said(NamedTuple):
    """The end of a program."""

    code: int
    words: str  # the end of what it printed


def find(*names: str) -> str:
    """Find the path of the first of these programs that this machine has; "" without."""
    return next(filter(None, map(which, names)), "")


class ProgramRun:
    """A run of a program, given as a list of arguments."""

    def __init__(self, arguments: List[str], budget: Budget, environment: Dict[str, str]) -> None:
        self._arguments = arguments
        self._budget = budget
        self._environment = dict(os.environ, **environment)

    def talk(self, timeout: float = 0.0) -> Said:
        """Run it; what it prints is its message. Those that show no sign of life may need more `timeout`."""
        return self._run(subprocess.DEVNULL, None, None, timeout)

    def feed(self, pieces: Iterable[Any], timeout: float = 0.0) -> Said:
        """Run it with these bytes as its input; `timeout` as for `talk`."""
        return self._run(subprocess.PIPE, None, pieces, timeout)

    def read(self, take: Callable[[memoryview], None]) -> Said:
        """Run it and take what it prints. Each piece stays as it is while the next `IN_USE` are taken."""
        return self._run(subprocess.DEVNULL, take, None)

    def _run(
        self,
        stdin: int,
        take: Optional[Callable[[memoryview], None]],
        pieces: Optional[Iterable[Any]],
        timeout: float = 0.0,
    ) -> Said:
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(
                self._arguments,
                stdin=stdin,
                stdout=subprocess.PIPE if take else words,
                stderr=words,
                env=self._environment,
                start_new_session=True,
            )
            try:
                if pieces is not None:
                    self._write(cast(IO[bytes], process.stdin), pieces)
                if take is not None:
                    self._read(cast(IO[bytes], process.stdout), take)
                code = self._wait(process, timeout)
            finally:
                _end(process)
            words.seek(0, os.SEEK_END)
            words.seek(max(0, words.tell() - 2000))
            return Said(code, words.read().decode("utf-8", "replace").strip())

    def _write(self, pipe: IO[bytes], pieces: Iterable[Any]) -> None:
        os.set_blocking(pipe.fileno(), False)
        _widen(pipe)
        try:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    self._ready(pipe, select.POLLOUT)
                    view = view[os.write(pipe.fileno(), view[:_PIECE]) :]
        except BrokenPipeError:
            pass  # its exit code and words say why
        finally:
            pipe.close()

    def _read(self, pipe: IO[bytes], take: Callable[[memoryview], None]) -> None:
        _widen(pipe)
        buffers = [memoryview(bytearray(_PIECE)) for _ in range(IN_USE + 1)]  # not a new one for each piece
        for buffer in itertools.cycle(buffers):
            self._ready(pipe, select.POLLIN)
            size = os.readv(pipe.fileno(), [buffer])
            if not size:
                return
            take(buffer[:size])

    def _ready(self, pipe: IO[bytes], event: int) -> None:
        """Wait until something can move.

        Raises:
            Transient: nothing did for too long.
        """
        poll = select.poll()
        poll.register(pipe, event)
        waited = 0.0
        while not poll.poll(_POLL_INTERVAL_S * 1000):
            waited += _POLL_INTERVAL_S
            if waited >= self._budget.read_timeout():
                raise Transient(f"{os.path.basename(self._arguments[0])}: nothing happened for too long")

    def _wait(self, process: "subprocess.Popen[bytes]", timeout: float) -> int:
        """Wait for its end: the storage may need a while to compute a checksum, but not for ever."""
        waited = 0.0
        while True:
            try:
                return process.wait(_POLL_INTERVAL_S)
            except subprocess.TimeoutExpired:
                waited += _POLL_INTERVAL_S
                if waited >= max(timeout, 5 * self._budget.read_timeout()):
                    raise Transient(f"{os.path.basename(self._arguments[0])}: it does not end") from None


def _widen(pipe: IO[bytes]) -> None:
    import fcntl

    try:
        fcntl.fcntl(pipe.fileno(), _PIPE, _PIECE)
    except OSError:
        pass  # more than this user may have: it is only slower


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
