"""What can go wrong with a transfer, by what to do next: try again, try elsewhere, or give up.

    TransferError
    ├── Transient     try again later, here or elsewhere (5xx, 408, 409, 423, 425, 429, reset, mismatch)
    │   ├── Cut       the connection was lost
    │   └── Mismatch  the storage holds something else than was sent to it
    ├── Permanent     not here any more (400 401 403 404 405 410 507): another URL may do
    │   ├── NotHere   there is no such file
    │   ├── Denied    the credential is not accepted: a fresh one may be
    │   ├── UntrustedServer     its certificate, or how it speaks TLS, is not accepted
    │   └── NodeMisconfigured   the authorities or proxies of this machine are set wrongly
    └── OutOfTime     the budget is spent, or the end was asked for: stop everything

Trouble with files of this machine stays an OSError: it says nothing about a storage.
"""

import email.utils
import time
from typing import Mapping

from wrappers.transfer.redact import redact

PROXY = ":proxy"
"""Among the headers of an answer, where no server can put it: the proxy that it came through."""
_PERMANENT_5XX = (501, 505, 507)
_TRANSIENT_4XX = (408, 409, 423, 425, 429)


class TransferError(Exception):
    """A transfer failed; the text is one line without anything secret."""

    status = 0  # of the HTTP answer that said so, if one did
    limit = ""  # of this machine, by its name in `wrappers.causes`, if one was met

    def __init__(self, message: str) -> None:
        super().__init__(redact(" ".join(message.split()))[:500])


class Transient(TransferError):
    """A failure that may go well later. `retry_after` is what the storage asked for, in seconds."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Cut(Transient):
    """The connection was lost: reset, or closed before its time."""


class Mismatch(Transient):
    """A storage holds something else than was sent to it."""


class Permanent(TransferError):
    """A failure that would come again here."""


class NotHere(Permanent):
    """There is no such file."""


class Denied(Permanent):
    """The storage does not accept the credential, or wants one."""


class UntrustedServer(Permanent):
    """The certificate of a server, or how it speaks TLS, is not what we accept."""


class NodeMisconfigured(Permanent):
    """The authorities or proxies of this machine are set wrongly."""


class OutOfTime(TransferError):
    """The time for all transfers together is over."""


def of_status(status: int, headers: Mapping[str, str], doing: str) -> TransferError:
    """Choose the error that an HTTP status means; `doing` names method and URL."""
    error = _of_status(status, headers, f"{doing}: status {status}{by_proxy(headers)}")
    error.status = status
    return error


def by_proxy(headers: Mapping[str, str]) -> str:
    """Name the proxy that an answer came through, as errors do; "" without one."""
    return f" by the {headers[PROXY]}" if PROXY in headers else ""


def _of_status(status: int, headers: Mapping[str, str], message: str) -> TransferError:
    if status in (404, 410):
        return NotHere(message)
    if status in (401, 403):
        return Denied(message)
    if status in _TRANSIENT_4XX or (status >= 500 and status not in _PERMANENT_5XX):
        return Transient(message, retry_after(headers.get("retry-after", "")))
    return Permanent(message)


def retry_after(text: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3)."""
    text = text.strip()
    if text.isdecimal():  # to `isdigit` a superscript is a digit too
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
