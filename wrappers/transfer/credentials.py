"""With what a URL is used: a grant of the engine, else what the node's environment offers.

From the environment a storage gets something only once it has refused to do without: a public server that an
input names is shown neither token nor proxy. Tokens are found as WLCG Bearer Token Discovery 1.0 says; they
and proxies are read again each time, since the site renews them while jobs run.
"""

import os
import threading
from typing import Iterator, List, Mapping, Optional, Set
from urllib.parse import urlsplit

from wrappers import wire
from wrappers.transfer.addresses import Access
from wrappers.transfer.breaker import storage_of
from wrappers.transfer.errors import Permanent, TransferError
from wrappers.transfer.exchange import ExchangeClient
from wrappers.transfer.schemes import BY_GRANT_ONLY, SCHEMES
from wrappers.transfer.url_access import UrlAccess

_TLS = ("https", "davs", "roots", "xroots")
_NO_GRANT = "only the engine can give leave for it, and gave none: that needs the setting api.public_url"


class Credentials:
    """The credentials for each URL. Shared by threads."""

    def __init__(
        self, exchange: Optional[ExchangeClient] = None, environment: Optional[Mapping[str, str]] = None
    ) -> None:
        self._exchange = exchange
        self._environment = os.environ if environment is None else environment
        self._wanting: Set[str] = set()  # storages that do not do without
        self._lock = threading.Lock()

    def prepare(self, urls: List[str], method: str) -> None:
        """Get all grants in few requests."""
        if self._exchange is not None:
            self._exchange.prepare([wire.Want(url, method) for url in urls])

    def accesses(self, url: str, method: str) -> Iterator[UrlAccess]:
        """Yield what to try, one after the other as each is refused.

        Raises:
            TransferError: only the engine can help, and it does not answer, or refuses.
        """
        trouble: Optional[TransferError] = None
        granted = False
        if self._exchange is not None:
            try:
                grant = self._exchange.grant(url, method)
                if grant is not None:
                    granted = True
                    yield _granted(url, grant)
                    fresh = self._exchange.grant(url, method, other_than=grant)
                    if fresh is not None and fresh != grant:
                        yield _granted(url, fresh)
            except TransferError as error:
                trouble = error
        scheme = urlsplit(url).scheme
        unspoken = scheme not in SCHEMES and self._exchange is not None
        if scheme not in BY_GRANT_ONLY and not unspoken:
            yield from self._of_environment(url)
        elif trouble is None and not granted:
            why = self._exchange.refusal(url, method) if self._exchange is not None else ""
            raise Permanent(f"{url}: {why or _NO_GRANT}")
        if trouble is not None:
            raise trouble

    def _of_environment(self, url: str) -> Iterator[UrlAccess]:
        storage = storage_of(url)
        scheme = urlsplit(url).scheme
        if storage not in self._wanting or scheme not in _TLS:
            yield UrlAccess(url, url)
        if scheme not in _TLS:
            return  # not in clear text; and the programs for root, srm and gsiftp look for themselves
        with self._lock:
            self._wanting.add(storage)
        token = bearer_token(self._environment)
        if token:
            yield UrlAccess(url, url, Access({"Authorization": f"Bearer {token}"}))
        proxy = proxy_file(self._environment)
        if proxy:
            yield UrlAccess(url, url, Access({}, proxy))


def _granted(url: str, grant: wire.Grant) -> UrlAccess:
    return UrlAccess(url, grant.use or url, Access(dict(grant.headers)), grant)


def bearer_token(environment: Mapping[str, str]) -> str:
    """Find the token of this environment; "" without."""
    token = environment.get("BEARER_TOKEN", "").strip()
    if token:
        return token
    run = environment.get("XDG_RUNTIME_DIR", "")
    name = f"bt_u{os.getuid()}"
    paths = [environment.get("BEARER_TOKEN_FILE", ""), os.path.join(run, name) if run else ""]
    for path in [*paths, f"/tmp/{name}"]:  # noqa: S108 - where the specification says
        text = _own(path)
        if text:
            return text
    return ""


def proxy_file(environment: Mapping[str, str]) -> str:
    """Find the path of the X.509 proxy of this environment; "" without."""
    for path in (environment.get("X509_USER_PROXY", ""), f"/tmp/x509up_u{os.getuid()}"):  # noqa: S108
        if path and os.path.isfile(path):
            return path
    return ""


def _own(path: str) -> str:
    """Read a file that nobody else could have put there."""
    try:
        if path and os.stat(path).st_uid in (os.getuid(), 0):
            with open(path, encoding="ascii") as text:
                return text.read().strip()
    except (OSError, ValueError):
        pass  # none, or none that is ours
    return ""
