"""Executing a tool: its program is looked for on its own PATH, and no signal is ignored or blocked."""

import errno
import os
import shutil
import signal
from typing import Any, Dict, List, NoReturn, Sequence

from wrappers import causes

# What the kernel says of a file that it cannot execute: it is the file's fault.
_NO_PROGRAM = (
    errno.ENOEXEC,
    errno.ENOENT,
    errno.EACCES,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ELIBBAD,
    errno.EINVAL,
)
SPAWNS = hasattr(
    os, "posix_spawn"
)  # since Python 3.8; the memory of a Python that forks is copied bit by bit


class CannotExecute(OSError):
    """A tool's first program cannot be executed. `cause` is a name in wrappers.causes."""

    def __init__(self, error: OSError, program: str) -> None:
        super().__init__(error.errno, error.strerror, program)
        self.cause = "node"
        if error.errno == errno.E2BIG:
            self.cause = "arguments-too-long"
        elif error.errno == errno.EACCES and _is_noexec(program):
            self.cause = "forbidden"
        elif error.errno in _NO_PROGRAM:
            self.cause = "image-start"


def spawn(argv: List[str], environment: Dict[str, str]) -> int:
    """Start a tool in the current directory; gives its process id once it is executed.

    Raises:
        OSError: it cannot be executed; without `posix_spawn` that is raised in the child.
    """
    if not SPAWNS:
        executed, mark = os.pipe()
        pid = os.fork()
        if pid == 0:
            become(argv, environment)
        os.close(mark)
        os.read(executed, 1)
        os.close(executed)
        return pid
    return _spawn(argv, environment)


def spawn_apart(argv: List[str], environment: Dict[str, str], descriptors: Sequence[int]) -> int:
    """Start a tool in a session of its own, with these descriptors as its first ones.

    Raises:
        OSError: it cannot be executed.
        NotImplementedError: Linux has a glibc older than 2.26.
    """
    actions = [(os.POSIX_SPAWN_DUP2, one, target) for target, one in enumerate(descriptors)]  # novm
    return _spawn(argv, environment, file_actions=actions, setsid=True)


def _spawn(argv: List[str], environment: Dict[str, str], **more: Any) -> int:
    program = _find(argv[0], environment)
    try:
        pid: int = os.posix_spawn(
            program,
            argv,
            encoded(environment),
            setsigmask=(),
            setsigdef=signal.valid_signals(),  # novm
            **more,
        )
    except OSError as error:
        if causes.of_limit(error):
            raise
        raise CannotExecute(error, program) from None
    return pid


def become(argv: List[str], environment: Dict[str, str]) -> NoReturn:
    """Turn into the tool.

    Raises:
        OSError: it cannot be executed.
    """
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            pass  # reserved by the C library, or not to be changed
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    program = _find(argv[0], environment)
    try:
        os.execve(program, argv, encoded(environment))  # noqa: S606 - arguments, no shell
    except OSError as error:
        if causes.of_limit(error):
            raise
        raise CannotExecute(error, program) from None


def offer_to_oom_killer(pid: int) -> None:
    """Have the kernel take the tool when memory runs out, not the wrapper that must report it.

    Whoever started the tool says so: before it is executed, its files below /proc may be closed to all.
    """
    try:
        score = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # no such file, or the tool has ended: the kernel chooses by size, which mostly is the tool
    try:
        os.write(score, b"500")
    except OSError:
        pass  # not allowed
    finally:
        os.close(score)


def encoded(environment: Dict[str, str]) -> Dict[bytes, bytes]:
    """Variables as the system wants them: UTF-8, whatever the locale of a Python 3.6 is."""
    return {_utf8(name): _utf8(value) for name, value in environment.items()}


def _is_noexec(program: str) -> bool:
    try:
        return bool(os.statvfs(program).f_flag & os.ST_NOEXEC)
    except OSError:
        return False


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _find(program: str, environment: Dict[str, str]) -> str:
    if "/" in program:
        return program
    return shutil.which(program, path=environment.get("PATH", os.defpath)) or program
