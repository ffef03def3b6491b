"""A tool in a PID namespace of its own, whose exit status comes out unchanged and which cannot outlive us.

    caller's child   becomes the relay: waits, then ends exactly as the tool ended
      init           process 1 of the namespace: makes the tool's world, collects orphans
        the tool     and whatever it starts; the kernel kills all of it when init ends

The relay dies with the caller, and init with the relay, whatever kills them.
"""

import os
import resource
import signal
import struct
from typing import Any, Callable, NoReturn, Optional

from wrappers import prctl
from wrappers.runtimes import namespaces

_STATUS = struct.Struct("i")
_PARENT_DIED = signal.SIGRTMIN
_FAULTS = (
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGSYS,
    signal.SIGABRT,
)
_NEVER_IGNORED = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, _PARENT_DIED, *_FAULTS)


def enter(
    user: int,
    flags: int,
    make_world: Callable[[], None],
    start: Callable[[], int],
    at_end: Optional[Callable[[], None]] = None,
    network: Optional[int] = None,
) -> NoReturn:
    """Run a tool as the child of a new process 1; the present process becomes the relay.

    `user` is a descriptor of the user namespace to enter, `flags` are the other new namespaces. `make_world`
    is called in the new process 1, then `start`, which gives the tool's process id, and `at_end` when the
    tool has ended and nothing of it runs any more. `network` is a descriptor of the network namespace to
    enter.

    Raises:
        OSError: in whichever process it happened; the caller's way of dying then ends all of them.
    """
    parent = os.getppid()
    namespaces.join(user, namespaces.CLONE_NEWUSER)
    if network is not None:
        namespaces.join(network, namespaces.CLONE_NEWNET)
    namespaces.unshare(flags | namespaces.CLONE_NEWPID)
    alive, hold = os.pipe()  # ends when the relay dies
    status, writer = os.pipe()  # the tool's wait status
    namespaces.die_with_parent(signal.SIGKILL)  # again: a change of credentials has cleared it
    if os.getppid() != parent:
        os._exit(125)
    init = os.fork()
    if init:
        os.close(alive)
        os.close(writer)
        _relay(init, status)
    os.close(status)
    os.close(hold)
    namespaces.die_with_parent(signal.SIGKILL)
    _check_parent(alive)
    namespaces.new_keyring()
    make_world()
    ignore_signals()
    _collect(start(), writer, at_end)


def _check_parent(alive: int) -> None:
    # Had the relay died before die_with_parent, its end of the pipe would be closed and reading end at once.
    os.set_blocking(alive, False)
    try:
        if os.read(alive, 1) == b"":
            os._exit(125)
    except BlockingIOError:
        pass


def _relay(init: int, status: int) -> NoReturn:
    ignore_signals()
    data = os.read(status, _STATUS.size)
    _, ended = os.waitpid(init, 0)  # the kernel has ended the whole namespace by then
    if len(data) == _STATUS.size:
        ended = _STATUS.unpack(data)[0]
    if os.WIFSIGNALED(ended):
        end_like(os.WTERMSIG(ended))
    end_like(None, os.WEXITSTATUS(ended))


def _collect(tool: int, writer: int, at_end: Optional[Callable[[], None]]) -> NoReturn:
    """Process 1: wait for orphans too, until the tool itself ends."""
    pid = status = 0
    while pid != tool:
        pid, status = os.waitpid(-1, 0)
    os.write(writer, _STATUS.pack(status))
    try:
        if at_end is not None:
            _end_the_others()
            at_end()
    finally:
        os._exit(0)


def _end_the_others() -> None:
    """Kill and collect whatever the tool left in this namespace."""
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def end_like(number: Optional[int], code: int = 0) -> NoReturn:
    """End this process by a signal, or with an exit code; a negative code is a signal too."""
    if number is None and code < 0:
        number = -code
    if number is None:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl.forbid_core_dump()
    _set(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # a signal that ends nobody by default


def ignore_signals() -> None:
    """Signals are for the tool, which is in the same process group and gets them itself.

    By handlers that do nothing: unlike ignored signals, they are not inherited by executed programs.
    """
    for number in range(1, signal.NSIG):
        if number not in _NEVER_IGNORED:
            _set(number, _nothing)


def on_death_of_parent(action: Callable[[], None]) -> None:
    """When the parent dies, do this and end."""

    def act(*_: object) -> None:
        action()
        os._exit(125)

    parent = os.getppid()
    signal.signal(_PARENT_DIED, act)
    namespaces.die_with_parent(_PARENT_DIED)
    if os.getppid() != parent:
        act()


def kill_group() -> None:
    """End this process and all others of its group."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _nothing(*_: object) -> None:
    pass


def _set(number: int, action: Any) -> None:
    try:
        signal.signal(number, action)
    except (OSError, ValueError):
        pass  # reserved by the C library, or not to be changed
