"""What the engine must offer over HTTP so that a job's files can be had and kept, and whether it does.

Asked while an execution is planned: a job that could not fetch its first byte is not submitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from engine.errors import BadRequest, SettingsError, Unavailable
from engine.settings.service import ApiSection
from wrappers.transfer.proxies import is_loopback

SERVICE = "boutiques-engine"
FORMER_SERVICE = "grid-engine"  # what a daemon of 0.1 says, beside which this one may stand
"""What `/health` calls itself."""

_PRESIGNED = {
    "s3": "s3: URLs are presigned by the engine, whose keys never travel",
    "girder": "girder: URLs need short-lived tokens from the engine, whose key never travels",
    "shanoir": "shanoir: URLs need fresh tokens from the engine, which keeps the user's session",
}
_SETTING = "set api.public_url to where worker nodes reach `engine serve`, e.g. https://engine.example.org"


def embedded_url(api: ApiSection) -> str:
    """Return the URL of the embedded storage; empty where there is none.

    Raises:
        SettingsError: `api.public_url` cannot be one.
    """
    return f"{public_url(api)}/se" if api.public_url else ""


def public_url(api: ApiSection) -> str:
    """Return where nodes reach the engine, without a slash at its end; claims and tokens go there.

    Raises:
        SettingsError: it is no plain http(s) URL, or everybody on the way could read what is sent to it.
    """
    url = urlsplit(api.public_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise SettingsError(
            f"setting api.public_url: {api.public_url} is no plain http(s) URL", remedy=_SETTING
        )
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise SettingsError(
            f"setting api.public_url: {api.public_url} would have claims and tokens readable on the way",
            remedy="use https; a reverse proxy in front of `engine serve` can speak it",
        )
    return api.public_url.rstrip("/")


class NodeServices:
    """The services that the engine offers to worker nodes over HTTP, as far as one plan needs them."""

    def __init__(self, api: ApiSection, presigned: Callable[[str], bool] = lambda url: False) -> None:
        """Check what nodes can reach. `presigned` tells which further URLs the engine must presign.

        Raises:
            SettingsError: `api.public_url` cannot be one.
        """
        self._api = api
        self._presigned = presigned
        self._embedded = embedded_url(api)
        self._answers = False

    @property
    def exchange(self) -> str:
        """The node end point; empty where there is none."""
        return f"{public_url(self._api)}/node/exchange" if self._embedded else ""

    def require(self, urls: Iterable[str]) -> None:
        """Return if nodes can use these, as inputs or as destinations of results.

        Raises:
            BadRequest: one needs the engine, and `api.public_url` is not set.
            Unavailable: one needs the engine, which does not answer.
        """
        needed = [url for url in urls if self._needed(url)]
        if needed and not self._answers:
            check_reachable(self._api)
            self._answers = True  # once in a plan: a sweep has many files

    def _needed(self, url: str) -> bool:
        scheme = urlsplit(url).scheme
        by_grant = scheme in _PRESIGNED or self._presigned(url)
        if by_grant and not self._embedded:
            why = _PRESIGNED.get(scheme, f"{scheme}: URLs are presigned by the engine")
            raise BadRequest(f"{url}: {why}: api.public_url is not set", remedy=_SETTING)
        inside = bool(self._embedded) and (url == self._embedded or url.startswith(f"{self._embedded}/"))
        return inside or by_grant


def check_reachable(api: ApiSection) -> None:
    """Return if an engine answers at the public URL, as far as can be seen from here.

    Raises:
        SettingsError: the URL cannot be one, or something else answers there.
        Unavailable: nothing answers.
    """
    from engine import http  # only where something must be asked

    remedy = "start `engine serve`, or see that api.public_url leads to it"
    try:
        answer = http.request(f"{public_url(api)}/health", timeout=10.0, within=60.0, direct=True)
    except http.NoHttpAnswer as error:
        raise Unavailable(f"no engine answers at {api.public_url}: {error}", remedy=remedy) from None
    if (answer.fields() or {}).get("service") not in (SERVICE, FORMER_SERVICE):
        raise SettingsError(
            f"setting api.public_url: what answers at {api.public_url} is no engine", remedy=remedy
        )
