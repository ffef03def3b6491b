"""The long-lived process in DIRAC's own Python, and what is asked of it.

It is started by the first question and again after it has died. What it was doing then is not known to have
been done, nor not to have been: whoever submitted looks for the jobs by name.
"""

from __future__ import annotations

import atexit
import itertools
import json
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as OutOfTime
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from engine.dirac.environment import environment
from engine.dirac.settings import DiracClientSettings
from engine.errors import CredentialExpired, NotFound, SettingsError, Unavailable
from wrappers.dirac_bridge import answers
from wrappers.dirac_bridge.line import MARK

log = logging.getLogger("engine.dirac")

START_TIMEOUT_S = 120.0
"""Seconds in which DIRAC must be ready: from a cold CVMFS it takes half a minute."""
TIMEOUT_S = 90.0
"""Seconds for one answer: DIRAC's own calls get 60."""
_STDERR_LINES = 20
_STOP_TIMEOUT_S = 10.0
"""Seconds in which a process that has closed its output tells how it ended."""
_LONGEST = 64 << 20
"""Characters of one answer."""

SCRIPT = Path(answers.__file__).parent
_LOGIN = "`engine login` tells what to type"


class DiracRefused(Exception):
    """DIRAC says that the request is wrong; it would say so again."""


class DiracBridge:
    """A DIRAC client. May be used by several threads."""

    def __init__(self, settings: DiracClientSettings) -> None:
        self._settings = settings
        self._process: _Process | None = None
        self._starting = threading.Lock()

    def ask(self, verb: str, *, timeout: float = TIMEOUT_S, **arguments: Any) -> Any:
        """Ask one question of `wrappers.dirac_bridge`, and return the answer. `timeout` in seconds.

        Raises:
            Refused: the request is wrong.
            NotFound: what it is about is not there.
            CredentialExpired: nobody may ask, or we may not.
            Unavailable: there is no answer; what was asked may have been done.
            SettingsError: there is no DIRAC client where the settings say.
        """
        process = self._ready()
        answers_seen = process.answers_seen
        try:
            return process.ask(verb, arguments).result(timeout)
        except OutOfTime:
            process.judge(answers_seen)
            raise Unavailable(f"DIRAC does not answer: {verb} took more than {timeout:.0f} s") from None

    def version(self) -> str:
        """DIRAC's version. Raises as `ask` does."""
        return str(self._ready().hello.result(0)["dirac"])

    def close(self) -> None:
        """End the process, if it is ours: a child of this process has no say in it."""
        with self._starting:
            if self._process is not None and self._process.owner == os.getpid():
                self._process.end()
            self._process = None

    def _ready(self) -> _Process:
        with self._starting:
            process = self._process
            if process is not None and process.owner == os.getpid() and process.alive:
                return process
            if process is not None and process.owner == os.getpid():
                process.end()
            self._process = None
            process = _Process(self._command(), environment(self._settings.diracosrc, self._settings.proxy))
            try:
                process.hello.result(START_TIMEOUT_S)
            except BaseException as error:
                process.end()
                if isinstance(error, OutOfTime):
                    raise Unavailable(f"DIRAC is not ready after {START_TIMEOUT_S:.0f} s") from None
                raise
            self._process = process
            return process

    def _command(self) -> list[str]:
        return [*(self._settings.command or ("python",)), str(SCRIPT)]


class _Process:
    """A run of the process that is asked."""

    def __init__(self, command: list[str], variables: Mapping[str, str]) -> None:
        self.owner = os.getpid()
        self.alive = True
        self.hello: Future[Any] = Future()
        self._waiting: dict[int, Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._words: deque[str] = deque(maxlen=_STDERR_LINES)
        self.answers_seen = 0  # answers so far
        self._process = _start(command, variables)
        self._last_words = threading.Thread(target=self._keep_words, name="dirac", daemon=True)
        self._answers = threading.Thread(target=self._listen, name="dirac", daemon=True)
        self._last_words.start()
        self._answers.start()

    def ask(self, verb: str, arguments: Mapping[str, Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = future
            request = json.dumps({"id": number, "verb": verb, "arguments": arguments}) + "\n"
            try:
                _stream(self._process.stdin).write(request.encode())
                _stream(self._process.stdin).flush()
            except (OSError, ValueError):
                self.alive = False
                self._waiting.pop(number, None)
                future.set_exception(self._gone())
        return future

    def judge(self, answers_seen: int) -> None:
        """Nobody answered in time: a process that has said nothing since then hangs, and is ended."""
        if self.answers_seen == answers_seen:
            self.alive = False
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Its input ends, and so does it; what hangs, and what it leaves behind, is killed."""
        self.alive = False
        with suppress(OSError):
            _stream(self._process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._answers.join()
        self._last_words.join()
        for stream in (self._process.stdout, self._process.stderr):
            _stream(stream).close()

    def _listen(self) -> None:
        stdout = _stream(self._process.stdout)
        while line := stdout.readline(_LONGEST):
            _, marked, text = line.decode(errors="replace").rpartition(MARK)
            with suppress(ValueError):  # what else is printed there is no answer
                if marked and isinstance(answer := json.loads(text), dict):
                    self._read_answers(answer)
        self.alive = False
        with self._lock:
            futures = [*self._waiting.values(), self.hello]
            self._waiting.clear()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT_S)
        self._last_words.join(_STOP_TIMEOUT_S)  # a child of its own may keep the pipe open
        for future in futures:
            if not future.done():
                future.set_exception(self._gone())

    def _read_answers(self, answer: Mapping[str, Any]) -> None:
        self.answers_seen += 1
        future: Future[Any] | None
        if "id" in answer:
            with self._lock:
                future = self._waiting.pop(answer["id"], None)
        else:
            future = self.hello
        if future is None or future.done():
            return  # nobody waits for it any more
        if "trouble" in answer:
            future.set_exception(_error(answer["trouble"], starting=future is self.hello))
        else:
            future.set_result(answer.get("value", answer.get("hello")))

    def _keep_words(self) -> None:
        for line in _stream(self._process.stderr):
            text = line.decode(errors="replace").strip()
            if text:
                self._words.append(text)
                log.debug("DIRAC: %s", text)

    def _gone(self) -> Unavailable:
        code = self._process.poll()
        words = f": {self._words[-1][:300]}" if self._words else ""
        ended = f" with exit code {code}" if code is not None else ""
        return Unavailable(f"the DIRAC client has ended{ended}{words}", remedy="it is started again")


@lru_cache(maxsize=8)
def bridge(settings: DiracClientSettings) -> DiracBridge:
    """Return the DIRAC client of these settings: one for all who ask. It ends with this process."""
    made = DiracBridge(settings)
    atexit.register(made.close)
    return made


def _start(command: list[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    program = command[0]
    found = next(
        (
            path
            for directory in variables.get("PATH", "").split(os.pathsep)
            if os.access(path := os.path.join(directory, program), os.X_OK)
        ),
        program,
    )
    try:
        return subprocess.Popen(
            [program if "/" in program else found, *command[1:]],
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the engine
        )
    except OSError as error:
        raise SettingsError(
            f"setting command of a dirac back-end: {program} cannot be started: {error.strerror}",
            remedy="name DIRAC's own Python, or set diracosrc",
        ) from None


def _error(trouble: Mapping[str, str], *, starting: bool) -> Exception:
    message = trouble.get("message", "")
    match trouble.get("kind"):
        case answers.REFUSED:
            return DiracRefused(message)
        case answers.ABSENT:
            return NotFound(message)
        case answers.CREDENTIAL:
            return CredentialExpired(f"DIRAC: {message}", remedy=_LOGIN)
        case answers.DEFECT if starting:
            return SettingsError(
                f"setting command of a dirac back-end: {message}",
                remedy="name the Python that DIRAC is installed in",
            )
        case _:
            return Unavailable(f"DIRAC: {message}")


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101  # all three are pipes
    return stream
