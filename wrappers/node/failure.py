"""What ends an attempt early: a failure with its class, or somebody's wish."""

import errno
from typing import Sequence

from wrappers import causes, wire

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class AttemptFailed(Exception):
    """The attempt has failed. `cause` is a name in `wrappers.causes`, which may be that of a class; `kind` is
    its class, the text one line for a person, `tried` the tries to move the file over which it failed.
    """

    def __init__(self, cause: str, message: str, tried: Sequence[wire.Tried] = ()) -> None:
        super().__init__(message)
        self.cause = cause
        self.kind = causes.CAUSES[cause].failure
        self.tried = list(tried)


class CancelRequested(BaseException):
    """A request for the end. Not an Exception, so that no `except Exception` swallows it."""


class CarriedOut(Exception):
    """An earlier run has carried out the same manifest; this is its report."""

    def __init__(self, report: wire.Report) -> None:
        super().__init__(report.attempt)
        self.report = report


def from_os(error: BaseException, cause: str, doing: str) -> AttemptFailed:
    """Give the failure that an exception of the system means; a limit of this node is always its fault."""
    limit = causes.of_limit(error)
    if limit == "no-space":
        return AttemptFailed(limit, f"no space left on the disk while {doing}")
    if cause == wire.NODE and isinstance(error, PermissionError):
        limit = "forbidden"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return AttemptFailed(limit or cause, f"{doing}: {reason}")
