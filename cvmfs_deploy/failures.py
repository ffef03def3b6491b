"""What went wrong with one image, while others went on; and what `wrappers` says as errors of the program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound, Unavailable
from wrappers.containers import errors

SOME_FAILED = 1
"""The exit code when some images were published and others not, or not all failed in the same way."""


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """The failure of one image."""

    what: str
    error: EngineError


@contextmanager
def translated(what: str = "") -> Iterator[None]:
    """Turn what can go wrong with an image into what the user can do about it.

    Raises:
        BadRequest: the name is wrong. NotFound: no such image. CredentialExpired: other credentials.
        Unavailable: the registry, or this machine's disk.
    """
    before = f"{what}: " if what else ""
    try:
        yield
    except errors.InvalidReference as error:
        raise BadRequest(f"{before}{error}") from None
    except errors.ImageMissing as error:
        raise NotFound(f"{before}{error}", remedy="correct the name or the tag") from None
    except errors.AccessDenied as error:
        raise CredentialExpired(f"{before}{error}") from None
    except errors.CorruptImage as error:
        raise Unavailable(f"{before}{error}", remedy="nothing was published; push the image again") from None
    except errors.ContainerError as error:
        raise Unavailable(f"{before}{error}") from None


def exit_code(failures: Sequence[ImageFailure], done: int) -> int:
    """Compute the exit code of a run in which `done` images are as they should be."""
    codes = {failure.error.exit_code for failure in failures}
    if not codes:
        return 0
    return codes.pop() if len(codes) == 1 and not done else SOME_FAILED
