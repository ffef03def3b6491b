"""What a handler of a URL scheme is given: with what a URL may be used, and the tools to use it."""

from typing import NamedTuple, Optional, Tuple

from wrappers import wire
from wrappers.transfer.addresses import NOBODY, Access
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import HttpClient
from wrappers.transfer.webdav import WebdavUploader


class UrlAccess(NamedTuple):
    """The way in which a URL may be used."""

    url: str  # as manifests name it
    use: str  # in its place: a presigned URL, the base of a REST interface, or the same
    access: Access = NOBODY
    grant: Optional[wire.Grant] = None  # where that comes from, if the engine gave it


class TransferTools(NamedTuple):
    """The tools that handlers share: connections, and what was learnt of servers."""

    client: HttpClient
    uploader: WebdavUploader
    elements: Tuple[str, ...] = ()  # storage elements of DIRAC for new files, in order
    failover: Tuple[str, ...] = ()  # those that take a file when none of `elements` does

    @property
    def budget(self) -> Budget:
        """The time that is left."""
        return self.client.budget
