"""Functional probes: whether something works is found out by doing it, once in a process."""

import os
from typing import Callable, Dict, Tuple

_answers: Dict[Tuple[object, ...], str] = {}


def once(question: Tuple[object, ...], action: Callable[[], None]) -> str:
    """Try `action` in a child process: "" when it works, else why not. Each question is asked once."""
    if question not in _answers:
        _answers[question] = _attempt(action)
    return _answers[question]


def _attempt(action: Callable[[], None]) -> str:
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()  # may fork in its turn: whoever returns or fails ends here
            os._exit(0)
        except BaseException as error:
            os.write(tell, str(error).encode("utf-8", "replace")[:4000] or b"failed")
        finally:
            os._exit(1)
    os.close(tell)
    with os.fdopen(hear, "rb") as stream:
        said = stream.read().decode("utf-8", "replace")
    status = os.waitpid(child, 0)[1]
    if status == 0:
        return ""
    return said or f"it ended with status {status}"
