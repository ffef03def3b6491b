"""Every failure that a user can meet, as a tree by *what to do next*.

    EngineError
    ├── BadRequest            exit 2   fix the request: a descriptor, an invocation, an option, a setting
    │   ├── NotFound                   no such execution, job, image, file
    │   └── SettingsError              an unknown or contradictory setting
    ├── Unavailable           exit 3   a service is down or too slow: try later
    │   └── BackendUnavailable         a back-end
    ├── CredentialExpired     exit 4   renew the credential
    ├── Cancelled             exit 130 the user asked for the end
    └── Bug                   exit 70  ours: please report it
        ├── IllegalTransition          event that contradicts an attempt's state
        └── LostRace                   a guarded write found the row changed

Exit codes sit on the classes, so no command needs a table: 0 all succeeded, 1 some jobs failed (no
exception: it is a result), 2, 3, 4 and 130 as above. Only the command line's `main` turns them into an exit.
"""

from __future__ import annotations

from collections.abc import Sequence


class EngineError(Exception):
    """A failure with one clear line for the user.

    `remedy` says what to do about it; it is printed after the message.
    """

    exit_code = 70

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class BadRequest(EngineError):
    """The request itself is wrong; the same request will fail again.

    `problems` holds every fault that was found, one line each, when there is more than one.
    """

    exit_code = 2

    def __init__(self, message: str, *, remedy: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.problems = tuple(problems)


class NotFound(BadRequest):
    """A name that stands for nothing."""


class SettingsError(BadRequest):
    """A setting is unknown, badly typed or contradicts another."""


class Unavailable(EngineError):
    """A service does not answer now; the same request may pass later."""

    exit_code = 3


class BackendUnavailable(Unavailable):
    """A back-end does not answer; its jobs are left untouched.

    `again_in`: seconds for which it wishes to be left in peace, where it says so.
    """

    def __init__(self, message: str, *, remedy: str = "", again_in: float = 0.0) -> None:
        super().__init__(message, remedy=remedy)
        self.again_in = again_in


class CredentialExpired(EngineError):
    """A credential has run out or is refused; renew it and go on."""

    exit_code = 4


class Cancelled(EngineError):
    """The user ended the command."""

    exit_code = 130


class Bug(EngineError):
    """A promise of our own code is broken."""


class IllegalTransition(Bug):
    """An event contradicts the state of an attempt; the attempt is quarantined, nothing else."""


class LostRace(Bug):
    """A guarded write found that the row had changed since it was read."""
