"""Trouble with a transfer, in the engine's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound, Unavailable
from wrappers.transfer.errors import Denied, NotHere, OutOfTime, TransferError, Transient
from wrappers.transfer.redact import redact

_NO_SPACE = 507
ANOTHER_CREDENTIAL = "the storage wants another credential; see `credential` of its settings"


def engine_error(error: TransferError) -> EngineError:
    """Translate a failure for whoever asked."""
    match error:
        case NotHere():
            return NotFound(str(error))
        case Denied():
            return CredentialExpired(str(error), remedy=ANOTHER_CREDENTIAL)
        case Transient() | OutOfTime():
            return Unavailable(str(error))
        case _ if error.status == _NO_SPACE:
            return Unavailable(str(error), remedy="the storage is full; free some space there")
        case _:
            return BadRequest(str(error))


@contextmanager
def engine_errors(url: str) -> Iterator[None]:
    """Turn failures of transfers, and of files of this machine, into the engine's."""
    try:
        yield
    except TransferError as error:
        raise engine_error(error) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else f"{redact(url)}: "
        raise Unavailable(f"{where}{error.strerror or error}") from error
