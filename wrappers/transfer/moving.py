"""Moving files to and from any storage: what the files of one phase of an attempt have in common."""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, TypeVar
from urllib.parse import urlsplit

from wrappers import wire
from wrappers.transfer.breaker import Breaker
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import HttpClient
from wrappers.transfer.credentials import Credentials
from wrappers.transfer.errors import Denied, Mismatch, Permanent, TransferError
from wrappers.transfer.exchange import ExchangeClient
from wrappers.transfer.part import Part
from wrappers.transfer.rounds import Pace, Rounds
from wrappers.transfer.schemes import WITHOUT_GRANT, SchemeHandler, handler_of
from wrappers.transfer.source import Source
from wrappers.transfer.trust import Trust
from wrappers.transfer.url_access import TransferTools, UrlAccess
from wrappers.transfer.webdav import WebdavUploader

_T = TypeVar("_T")


class Fetched(NamedTuple):
    """A file that came."""

    url: str
    sums: Dict[str, str]


class Stored(NamedTuple):
    """A file that was delivered."""

    url: str
    verified: str  # the name of a checksum, "read" or "size"


class Mover:
    """Moves files, several at a time. Use as a context manager: in the end all connections are closed."""

    def __init__(
        self,
        transfers: wire.Transfers,
        authorities: str = "",
        exchange: str = "",
        claim: str = "",
        pace: Optional[Pace] = None,
    ) -> None:
        """Take the transfers. `authorities` are certificate authorities (`Trust`); `claim` is exchanged at
        the URL `exchange`.
        """
        self.parallel = max(1, transfers.parallel)
        self.budget = Budget(transfers.budget, transfers.stall)
        self._client = HttpClient(self.budget, Trust(authorities))
        elements, failover = tuple(transfers.elements), tuple(transfers.failover)
        self._tools = TransferTools(
            self._client, WebdavUploader(self._client, transfers.read_back), elements, failover
        )
        self._breaker = Breaker(max(3, transfers.parallel))
        self._rounds = Rounds(pace or Pace(transfers.rounds), self.budget, self._breaker)
        asks = ExchangeClient(exchange, claim, self._client) if exchange and claim else None
        self._credentials = Credentials(asks)

    def __enter__(self) -> "Mover":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def stop(self) -> None:
        """Have every transfer end soon."""
        self.budget.stop()
        self._client.close()

    def prepare(self, urls: Sequence[str], method: str) -> None:
        """Get the grants for many files at once."""
        self._credentials.prepare([url for url in urls if urlsplit(url).scheme not in WITHOUT_GRANT], method)

    def fetch(self, urls: Sequence[str], part: Part, tried: List[wire.Tried]) -> Fetched:
        """Bring a file here from the first of its replicas that gives it whole; each try is noted.

        Raises:
            TransferError: none does. OSError: it cannot be written.
        """

        def attempt(url: str) -> Fetched:
            sums = self._with_access(url, "GET", lambda way, access: way.fetch(self._tools, access, part))
            return Fetched(url, sums)

        return self._rounds.first(urls, attempt, lambda: part.received, tried)

    def store(self, urls: Sequence[str], source: Source, tried: List[wire.Tried]) -> Stored:
        """Deliver a file to the first place that takes it; each try is noted.

        Raises:
            TransferError: none does. OSError: the source cannot be read.
        """
        failed: List[str] = []

        def put(way: SchemeHandler, access: UrlAccess) -> str:
            failed.append(access.url)
            return way.store(self._tools, access, source)

        def attempt(url: str) -> Stored:
            try:
                how = self._with_access(url, "PUT", put)
            except Mismatch:
                # XRootD keeps the checksum of a file that is written over within the same second.
                self._discard(url)
                raise
            return Stored(url, how)

        stored = self._rounds.first(urls, attempt, lambda: source.sent, tried)
        for url in set(failed) - {stored.url}:
            self._discard(url)
        return stored

    def _with_access(self, url: str, method: str, act: Callable[[SchemeHandler, UrlAccess], _T]) -> _T:
        """Do it with the first credential that is accepted."""
        denied: Optional[Denied] = None
        for access in self._credentials.accesses(url, method):
            try:
                return act(handler_of(access), access)
            except Denied as error:
                denied = error
        raise denied or Permanent(f"{url}: nobody may use it")

    def _discard(self, url: str) -> None:
        """Remove what a failed try may have left; the engine clears up what stays."""
        try:
            if self._breaker.wait(url) <= 0:
                self._with_access(url, "PUT", lambda way, access: way.remove(self._tools, access))
        except TransferError:
            pass  # it did not work before either
