"""What ends an attempt early: a failure with its class, or somebody's wish."""

import errno
from typing import Sequence

from wrappers import wire

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Failure(Exception):
    """The attempt has failed; `kind` is one of `wire.FAILURES`, the text one line for a person. `tried` are
    the tries to move the file over which it failed.
    """

    def __init__(self, kind: str, message: str, tried: Sequence[wire.Tried] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.tried = list(tried)


class Cancelled(BaseException):
    """Somebody asked for the end. Not an Exception, so that no `except Exception` swallows it."""


class CarriedOut(Exception):
    """An earlier run has carried out the same orders; this is its report."""

    def __init__(self, report: wire.Report) -> None:
        super().__init__(report.attempt)
        self.report = report


def from_os(error: OSError, kind: str, doing: str) -> Failure:
    """The failure that an operating system error means; a full disk is always the node's fault."""
    reason = error.strerror or str(error)
    if error.errno in DISK_FULL:
        return Failure(wire.NODE, f"no space left on the disk while {doing}")
    return Failure(kind, f"{doing}: {reason}")
