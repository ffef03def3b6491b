"""Looks at mounts that may never answer: a mount of CVMFS or NFS without its server holds whoever looks.

Such a process is in the kernel, where no signal but SIGKILL reaches it, and sometimes not even that. So a
child looks, and is given up when it takes too long. It is nobody's child, and keeps nothing of ours open, so
that nobody waits for it.
"""

import errno
import os
import select
import signal
import stat
import time
from typing import Any, Callable, Dict, NoReturn, Optional, Tuple

from wrappers.containers.remote import is_remote

_ALIVE, _RESULT = b".", b"="
_PIECE = 1 << 16


class Limit:
    """The time that file systems may take to answer: a fact of the machine (`wire.Node.patience`)."""

    seconds = 15.0  # a client may take as long to mount a repository that nobody used yet


class NoAnswer(OSError):
    """A file system that does not answer in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(errno.ETIMEDOUT, f"no answer in {seconds:.0f} s")


class Look:
    """A call in a child process, whose end may be asked for without waiting."""

    def __init__(self, action: Callable[[Callable[[], None]], Any]) -> None:
        """Begin `action`. Work that takes long calls what it is given, whenever it has come on a little.

        Raises:
            OSError: no process could be made.
        """
        self._reader, writer = os.pipe()
        try:
            self._pid = _start(action, writer)
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        self._said = b""
        self._last_answer = time.monotonic()

    def quiet_for(self) -> float:
        """Seconds since it was last seen to come on."""
        return time.monotonic() - self._last_answer

    def ended(self, wait: float = 0.0) -> bool:
        """Say whether it has ended; waits at most so many seconds."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if not poll.poll(wait * 1000):
            return False
        piece = os.read(self._reader, _PIECE)
        self._last_answer = time.monotonic()
        self._said = (self._said + piece).lstrip(_ALIVE)
        return not piece

    def result(self) -> Any:
        """Return what came of it, once it has ended.

        Raises:
            Exception: what it raised. OSError: it was killed.
        """
        if not self._said.startswith(_RESULT):
            raise OSError(errno.EIO, "the process that looked was killed")
        import pickle

        good, value = pickle.loads(self._said[1:])  # noqa: S301 - of our own child
        if not good:
            raise value
        return value

    def close(self) -> None:
        """Give it up, if it has not ended."""
        os.close(self._reader)
        try:
            if not self._said.startswith(_RESULT):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, os.WNOHANG)  # ours only where we adopt orphans
        except OSError:
            pass


def in_time(action: Callable[[Callable[[], None]], Any], limit: Optional[float] = None) -> Any:
    """Do something in a child; `limit` is how long it may take, or may go without coming on (else `Limit`).

    Its result, and what it raises, must be such as `pickle` takes. It must only read and write files: other
    threads of ours are not there, and may have left locks behind.

    Raises:
        NoAnswer: it takes longer. Exception: what it raises.
    """
    limit = limit or Limit.seconds
    look = Look(action)
    try:
        while not look.ended(limit):
            if look.quiet_for() >= limit:
                raise NoAnswer(limit)
        return look.result()
    finally:
        look.close()


_silent: Dict[str, float] = {}  # directories that did not answer, and when
_believed: Dict[str, float] = {}  # directories that did, and until when that is taken for granted
_REMEMBERED_S = 60.0  # seconds: they are asked again then


def at(path: str, action: Callable[[Callable[[], None]], Any]) -> Any:
    """Do something in a directory in time (`in_time`). One without an answer is not asked again for a minute.

    Raises:
        NoAnswer: it does not answer. Exception: what `action` raises.
    """
    since = _silent.get(path)
    if since is not None and time.monotonic() - since < _REMEMBERED_S:
        raise NoAnswer(Limit.seconds)
    try:
        return in_time(action, Limit.seconds / (4 if _silent else 1))  # several may be of one mount
    except NoAnswer:
        _silent[path] = time.monotonic()
        raise


def error_text(path: str, error: OSError) -> str:
    """Say what is wrong with a path, for a person."""
    if isinstance(error, NoAnswer):
        return f"{path} does not answer"
    if isinstance(error, FileNotFoundError):
        return f"{path} is not there"
    return f"{path} cannot be read ({error.strerror or error})"


def why_unreadable(path: str) -> str:
    """Why a file or directory cannot be read, in words; "" when it can."""
    try:
        if is_remote(path):
            at(path, lambda alive: touch(path))
        else:
            touch(path)
    except OSError as error:
        return error_text(path, error)
    return ""


def responds(path: str) -> bool:
    """Say whether a path answers, be it that nothing is there. One that did so lately is not asked."""
    now = time.monotonic()
    if now < _believed.get(path, now) or not is_remote(path):
        return True
    try:
        at(path, lambda alive: touch(path))
    except NoAnswer:
        return False
    except OSError:
        pass
    _believed[path] = now + Limit.seconds
    return True


def touch(path: str) -> None:
    """Read something there: of a file system that is gone, the kernel's cache goes on to answer `stat`.

    Raises:
        OSError: it cannot be read.
    """
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            next(entries, None)
        return
    if stat.S_ISREG(os.stat(path).st_mode):  # a pipe may have nobody at its other end
        with open(path, "rb", buffering=0) as file:
            file.read(1)


def _start(action: Callable[[Callable[[], None]], Any], writer: int) -> int:
    """Start the child of a child, whom nobody must wait for; gives its process id."""
    import pickle  # noqa: F401 - for the child: most jobs need none, and nothing is imported after a fork

    reader, number = os.pipe()
    first = os.fork()
    if first == 0:
        try:
            second = os.fork()
            if second == 0:
                _work(action, writer)
            os.write(number, str(second).encode())
        finally:
            os._exit(0)
    os.close(number)
    try:
        os.waitpid(first, 0)
        return int(os.read(reader, 100) or b"0") or _no_process()
    finally:
        os.close(reader)


def _no_process() -> NoReturn:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _work(action: Callable[[Callable[[], None]], Any], writer: int) -> NoReturn:
    said: Optional[bytes] = None
    try:
        for kind in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(kind, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _let_go(writer)
        said = _value_of((True, action(lambda: _write_answer(writer, _ALIVE))))
    except BaseException as error:
        said = _value_of((False, error))
    finally:
        _write_answer(writer, said or b"")
        os._exit(0)


def _value_of(answer: Tuple[bool, Any]) -> bytes:
    import pickle

    return _RESULT + pickle.dumps(answer)


def _write_answer(writer: int, what: bytes) -> None:
    while what:
        what = what[os.write(writer, what) :]


def _let_go(kept: int) -> None:
    """Close all that we have open: locks, and pipes at whose end somebody waits."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            try:
                os.close(int(name))
            except OSError:
                pass  # the one that listed them
    os.chdir("/")
