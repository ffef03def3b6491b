"""Functional probes: whether something works is found out by doing it, once in a process."""

import os
import select
import signal
from typing import Any, Callable, Dict, Tuple

from wrappers.containers.timed import Limit, NoAnswer

_answers: Dict[Tuple[object, ...], str] = {}


def once(question: Tuple[object, ...], action: Callable[[], None]) -> str:
    """Try `action` in a child process: "" when it works, else why not. Each question is asked once."""
    if question not in _answers:
        _answers[question] = _attempt(action)
    return _answers[question]


def _attempt(action: Callable[[], None]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            action()  # may fork in its turn: whoever returns or fails ends here
            os._exit(0)
        except BaseException as error:
            os.write(writer, str(error).encode("utf-8", "replace")[:4000] or b"failed")
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as stream:
        said = _all(stream, child).decode("utf-8", "replace")
    status = os.waitpid(child, 0)[1]
    if status == 0:
        return ""
    return said or f"it ended with status {status}"


def _all(stream: Any, child: int) -> bytes:
    """Read what the child says until its end.

    Raises:
        NoAnswer: it does not end, since something that it needs does not answer.
    """
    said = b""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    while poll.poll(Limit.seconds * 1000):
        piece = stream.read(4096)
        if not piece:
            return said
        said += piece
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, os.WNOHANG)  # it may never end
    raise NoAnswer(Limit.seconds)
