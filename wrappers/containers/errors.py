"""What can go wrong with an image, told apart by what to do next. Each is one clear line without secrets."""

from wrappers import causes


class ContainerError(Exception):
    """An image could not be named, found, fetched or unpacked. `cause` is a name in `wrappers.causes`."""

    cause = "image"

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause or self.cause


class InvalidReference(ContainerError):
    """The text does not name an image: correct it."""

    cause = "image-missing"


class ImageMissing(ContainerError):
    """The registry answers, and has no such image."""

    cause = "image-missing"


class WrongPlatform(ImageMissing):
    """The image exists, and not for this platform."""


class AccessDenied(ContainerError):
    """The registry wants other credentials, or any."""

    cause = "image-denied"


class RegistryDown(ContainerError):
    """The registry does not answer, or not in time: try later."""

    cause = "registry-down"


class Distrusted(RegistryDown):
    """Its certificate, or how it speaks TLS, is not what we accept: trying later is no help."""

    cause = "registry-untrusted"


class CorruptImage(ContainerError):
    """Content that is not what the digest says, or no image that we can unpack."""

    cause = "image-damaged"


class NoImage(CorruptImage):
    """A document, whole and verified, that is no container image that could run anywhere."""

    cause = "image-missing"


class UnsuitableNode(ContainerError):
    """A lack of this machine (space, a program, a writable cache): another may do."""

    cause = "node"


def of_os(error: BaseException, message: str, otherwise: str = "node") -> UnsuitableNode:
    """Give the trouble of this machine that an exception of the system means; `message` is for people."""
    if isinstance(error, PermissionError):
        otherwise = "forbidden"
    return UnsuitableNode(message, causes.of_limit(error) or otherwise)
