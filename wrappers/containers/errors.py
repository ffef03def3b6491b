"""What can go wrong with an image, told apart by what to do next. Each is one clear line without secrets."""


class ContainerError(Exception):
    """An image could not be named, found, fetched or unpacked."""


class InvalidReference(ContainerError):
    """The text does not name an image: correct it."""


class ImageMissing(ContainerError):
    """The registry answers, and has no such image."""


class AccessDenied(ContainerError):
    """The registry wants other credentials, or any."""


class RegistryDown(ContainerError):
    """The registry does not answer, or not in time: try later."""


class Distrusted(RegistryDown):
    """Its certificate, or how it speaks TLS, is not what we accept: trying later is no help."""


class CorruptImage(ContainerError):
    """What came is not what the digest says, or is no image that we can unpack."""


class NodeTrouble(ContainerError):
    """This machine lacks something (space, a program, a writable cache): another may do."""
