"""Ctrl-C, SIGTERM and the loss of the terminal: three ways to ask a command to end, heard as one.

Each is a KeyboardInterrupt, and the first is the only one until `listen_again`: what batch systems and
terminals like to send twice must not cut off the clean end that the first one began. It comes at the end of a
transaction, see `engine.interrupts`.
"""

from __future__ import annotations

import os
import signal
import stat
from types import FrameType

from engine import interrupts

_listening = False


def install_handlers() -> None:
    """Hear the signals from now on. One that is ignored (`nohup`, a shell's `&`) stays so."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _handle)
    listen_again()


def listen_again() -> None:
    """Accept signals again, once what the previous one asked for is arranged."""
    global _listening
    _listening = True


def _handle(number: int, _frame: FrameType | None) -> None:
    global _listening
    if number == signal.SIGHUP:
        _forget_terminal()
    if _listening or interrupts.is_overdue():
        _listening = False
        interrupts.interrupt()


def _forget_terminal() -> None:
    """There is nobody left to ask or to tell, and writing there would be an error."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            os.dup2(null, descriptor)
    os.close(null)
