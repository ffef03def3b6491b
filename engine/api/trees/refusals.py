"""What a storage of the tree refuses, told as a file system does."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from engine.errors import BadRequest, NotFound

log = structlog.stdlib.get_logger("engine.api")


def error(kind: type[OSError], number: int) -> OSError:
    """Make an error as the operating system words it."""
    return kind(number, os.strerror(number))


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Translate refusals of a storage into errors of a file system; log its own message, which has its URLs.

    Raises:
        FileNotFoundError: there is no such thing.
        OSError: the storage does not want to.
    """
    try:
        yield
    except NotFound:
        raise error(FileNotFoundError, errno.ENOENT) from None
    except BadRequest as refused:
        log.warning("refused by the storage of the tree", why=refused.message)
        raise error(OSError, errno.EINVAL) from None
