"""A process beside the wrapper that tells DIRAC how the job goes, so that nothing there can harm the job.

It is no child of the wrapper, which must have no other children than tools, and it has a bounded pace: words
that are overtaken by newer ones are never sent. It ends when the wrapper does.
"""

import json
import os
import select
import signal
import time
from functools import partial
from typing import Any, Callable, NoReturn, Optional, Tuple

from wrappers.node import procfs

_LONGEST = 200  # characters of an application status; DIRAC keeps 255
_LAST_S = 5.0  # seconds that the end of a payload may wait for its last words to be heard

StatusService = Any
"""`DiracX` or `DiracClient`: `say(text)` and `beat()` tell whether DIRAC wants the end of the job. `pause` is
the number of seconds between two requests at least; `patient` ones have that before the first one as well.
"""
Process = Tuple[int, Optional[int]]
"""Its id, and when it was started: together they name it."""


class StatusReporter:
    """The wrapper's side. A process that has died, or cannot keep up, is not noticed."""

    def __init__(self, make: Callable[[], StatusService], period: float) -> None:
        """`make` is called in the process; `period` is the number of seconds between two signs of life.

        Raises:
            OSError: no process can be made.
        """
        reader, self._pipe = os.pipe()
        self._lives, alive = os.pipe()  # nothing is ever written: its end is the signal
        os.set_blocking(self._pipe, False)
        try:
            self._start(reader, make, period)
        finally:
            os.close(reader)
            os.close(alive)

    def report(self, text: str) -> None:
        """Have DIRAC told, some time."""
        try:
            os.write(self._pipe, json.dumps(text[:_LONGEST]).encode("ascii") + b"\n")
        except OSError:
            pass  # it is dead, or waits for a server: the next words will do

    def close(self) -> None:
        """Have it end, once the last words are told. A word that is still on its way when the pilot tells
        DIRAC the end can undo that: DiracX 0.7 reads a job and writes it back (measured).
        """
        os.close(self._pipe)
        select.select([self._lives], [], [], _LAST_S)
        os.close(self._lives)

    def _start(self, reader: int, make: Callable[[], StatusService], period: float) -> None:
        us = os.getpid(), procfs.start_time(os.getpid())
        child = os.fork()
        if child == 0:
            try:
                if os.fork() == 0:
                    os.close(self._pipe)
                    os.close(self._lives)
                    _ReporterProcess(reader, make, period, us).live()
            finally:
                os._exit(0)
        os.waitpid(child, 0)


class _ReporterProcess:
    """The process's side."""

    def __init__(
        self, reader: int, make: Callable[[], StatusService], period: float, wrapper: Process
    ) -> None:
        self._reader = reader
        self._make = make
        self._period = period
        self._wrapper = wrapper
        self._received = b""
        self._text: Optional[str] = None
        self._over = False

    def live(self) -> NoReturn:
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # the wrapper's end is ours
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nothing, stream)  # whoever waits for the end of the job's output waits not for us
            self._serve(self._make())
        finally:
            os._exit(0)

    def _serve(self, service: StatusService) -> None:
        free = time.monotonic() + (service.pause if service.patient else 0.0)  # when a request may be made
        beat = time.monotonic() + self._period
        while True:
            waiting = self._text is not None
            self._listen((max(free, time.monotonic()) if waiting else beat) - time.monotonic())
            now = time.monotonic()
            if self._text is not None and (now >= free or (self._over and not service.patient)):
                text, self._text = self._text, None
                self._ask(partial(service.say, text))
            elif now >= beat and not self._over:
                beat = now + self._period
                self._ask(service.beat)
            else:
                if self._over:
                    return
                continue
            free = time.monotonic() + service.pause

    def _ask(self, what: Callable[[], bool]) -> None:
        try:
            ends = what()
        except Exception:  # no server is worth a job
            return
        pid, started = self._wrapper
        if ends and procfs.start_time(pid) == started:
            os.kill(pid, signal.SIGTERM)

    def _listen(self, seconds: float) -> None:
        """Wait for words; the last ones count."""
        if self._over or not select.select([self._reader], [], [], max(0.0, seconds))[0]:
            return
        piece = os.read(self._reader, 1 << 16)
        if not piece:
            self._over = True
            return
        *lines, self._received = (self._received + piece).split(b"\n")
        if lines:
            self._text = json.loads(lines[-1].decode("ascii"))
