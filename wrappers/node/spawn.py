"""Starting the tool: a process of its own session, with nothing of ours but its working directory."""

import os
import resource
import select
import signal
from typing import List, NamedTuple, NoReturn, Optional, Tuple

from wrappers import causes, prctl
from wrappers.node.groups import ControlGroup
from wrappers.runtimes import execute
from wrappers.runtimes.base import ToolStart

# Python ignores SIGPIPE and SIGXFSZ, and servers SIGHUP; tools would inherit that.
_RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
_LONGEST_START_MS = 1000  # milliseconds


class Bounds(NamedTuple):
    """The limits of a tool that the kernel enforces; None is as it was."""

    group: Optional[ControlGroup] = None
    processes: Optional[int] = None  # in its user namespace
    files: Optional[int] = None  # open at a time, of each process
    file_size: Optional[int] = None  # bytes

    def impose(self) -> None:
        """Bound this process, and all that it will start.

        Raises:
            OSError: the group cannot be entered.
        """
        if self.group is not None:
            self.group.enter()
        for kind, most in (
            (resource.RLIMIT_NPROC, self.processes),
            (resource.RLIMIT_NOFILE, self.files),
            (resource.RLIMIT_FSIZE, self.file_size),
        ):
            if most is not None:
                soft, hard = (least(most, one) for one in resource.getrlimit(kind))
                resource.setrlimit(kind, (soft, hard))


def least(most: int, present: int) -> int:
    """Return the smaller of two limits, of which the present one may be none."""
    return most if present == resource.RLIM_INFINITY else min(most, present)


def start(launch: ToolStart, out: str, err: str, bounds: Bounds) -> Tuple[int, int]:
    """Start the tool; gives its process id and a pipe that tells why it never began: in the first line the
    cause of `wrappers.causes`, if it is known.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptors = [os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)]
    trouble, writer = os.pipe()
    os.set_blocking(trouble, False)
    try:
        descriptors.append(os.open(out, flags, 0o644))
        descriptors.append(os.open(err, flags, 0o644))
        # Measured: 0.9 ms to spawn, 3 ms to fork Python and prepare there. But what is spawned does not die
        # with us: only the bare tools of a serving wrapper, which looks after orphans, are started so.
        bare = launch.used.name == "none" and launch.enter is None and bounds == Bounds()
        if bare and execute.SPAWNS:
            pid = _spawn(launch, descriptors, writer)
        else:
            pid = _fork(launch, descriptors, writer, bounds)
    except OSError:
        os.close(trouble)
        raise
    finally:
        for descriptor in descriptors + [writer]:
            os.close(descriptor)
    if launch.enter is None:  # else the runtime sees to this
        _await_execution(trouble)
        execute.offer_to_oom_killer(pid)
    return pid, trouble


def _await_execution(trouble: int) -> None:
    """Wait until a child is the tool: before, what it has below /proc is closed to us."""
    end = select.poll()
    end.register(trouble, select.POLLIN)
    end.poll(_LONGEST_START_MS)


def _spawn(launch: ToolStart, descriptors: List[int], writer: int) -> int:
    here = os.getcwd()
    os.chdir(str(launch.cwd))
    try:
        return execute.spawn_apart(launch.argv, launch.environment, descriptors)
    except (NotImplementedError, OSError):
        # Before Linux with glibc 2.26 there is no `setsid`; and what cannot be executed is told by `_fork`.
        return _fork(launch, descriptors, writer, Bounds())
    finally:
        os.chdir(here)


def _fork(launch: ToolStart, descriptors: List[int], writer: int, bounds: Bounds) -> int:
    us = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(launch, descriptors, writer, us, bounds)
    return pid


def _become(launch: ToolStart, descriptors: List[int], writer: int, parent: int, bounds: Bounds) -> NoReturn:
    """In the child: turn into the tool, or tell why not."""
    try:
        os.setsid()
        prctl.die_with_parent(signal.SIGKILL)
        if prctl.AVAILABLE and os.getppid() != parent:
            os._exit(125)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        execute.offer_to_oom_killer(os.getpid())  # root can; for others it is done when they are the tool
        bounds.impose()
        if launch.enter is not None:
            launch.enter()
        os.chdir(str(launch.cwd))
        execute.become(launch.argv, launch.environment)
    except BaseException as error:
        cause = causes.of_limit(error) or getattr(error, "cause", "")
        os.write(writer, f"{cause}\n{type(error).__name__}: {error}".encode("utf-8", "replace")[:4000])
    finally:
        os._exit(125)
