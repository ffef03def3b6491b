"""JSON lines in and out: `{id, verb, arguments}` is answered by `{id, value}` or `{id, trouble}`.

Each line of ours begins with a record separator (RFC 7464): whatever else is printed, it is no answer. The
first one says hello, or why DIRAC cannot be used. Several requests are answered at a time, in any order. When
its input ends, so does the bridge.
"""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, TextIO

from wrappers.dirac_bridge.answers import CREDENTIAL, DEFECT, UNAVAILABLE, BridgeError

MARK = "\x1e"
ONCE = "--once"
"""Argument: when its input ends, the bridge waits until all that was asked is answered."""
AT_ONCE = 16  # requests that are worked on at a time; the others wait


class LineProtocol:
    """The line to whoever asks. Shared by threads."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def send(self, answer: Dict[str, Any]) -> None:
        """Send one answer."""
        text = json.dumps(answer, default=str)
        with self._lock:
            self._out.write(f"\n{MARK}{text}\n")
            self._out.flush()


def main(once: bool) -> None:
    """Answer until nobody asks any more. Never returns: a thread that hangs would keep it alive. `once`: what
    was asked is answered before.
    """
    # DIRAC and its libraries print to standard output: that goes where messages go.
    asked = os.fdopen(os.dup(0), "r", encoding="utf-8")
    line = LineProtocol(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    try:
        line.send({"hello": _start()})
    except BridgeError as trouble:
        line.send({"trouble": trouble.as_answer()})
        os._exit(1)
    try:
        _serve(asked, line, once)
    except BrokenPipeError:
        pass  # whoever asked is gone
    sys.stderr.flush()
    os._exit(0)


def _start() -> Dict[str, str]:
    """Have DIRAC read its configuration.

    Raises:
        BridgeError: it is not installed here, or cannot be used.
    """
    try:
        import DIRAC
    except ImportError as error:
        raise BridgeError(DEFECT, f"this Python ({sys.executable}) has no DIRAC: {error}") from None
    try:
        DIRAC.initialize()
    except (Exception, SystemExit) as error:
        message = error.args[0] if error.args else ""
        words = message.get("Message", "") if isinstance(message, dict) else str(error)
        kind = UNAVAILABLE if _has_proxy() else CREDENTIAL
        raise BridgeError(kind, f"DIRAC cannot be used: {words or type(error).__name__}") from None
    return {"dirac": str(DIRAC.version), "python": sys.version.split()[0]}


def _has_proxy() -> bool:
    from DIRAC.Core.Security.ProxyInfo import getProxyInfo

    info = getProxyInfo(disableVOMS=True)
    return bool(info["OK"] and info["Value"].get("secondsLeft", 0) > 0)


def _serve(asked: TextIO, line: LineProtocol, once: bool) -> None:
    verbs = _verbs()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for text in asked:
            if text.strip():
                pool.submit(_answer, verbs, json.loads(text), line)
        if not once:
            os._exit(0)  # what is still worked on, nobody waits for


def _verbs() -> Dict[str, Callable[..., Any]]:
    from wrappers.dirac_bridge import files, jobs

    return {**jobs.VERBS, **files.VERBS}


def _answer(verbs: Dict[str, Callable[..., Any]], request: Dict[str, Any], line: LineProtocol) -> None:
    number = request.get("id")
    try:
        verb = verbs.get(request["verb"])
        if verb is None:
            raise BridgeError(DEFECT, f"no such verb: {request['verb']}")
        line.send({"id": number, "value": verb(**request.get("arguments", {}))})
    except BridgeError as trouble:
        line.send({"id": number, "trouble": trouble.as_answer()})
    except (Exception, SystemExit) as error:  # DIRAC raises what it likes, and so it is told
        words = f"{request.get('verb')}: {type(error).__name__}: {error}"
        line.send({"id": number, "trouble": BridgeError(DEFECT, words).as_answer()})
