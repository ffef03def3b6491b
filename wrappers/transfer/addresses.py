"""URLs as requests need them, and what may be shown to whom."""

from typing import Dict, NamedTuple, Tuple
from urllib.parse import quote, urlsplit

from wrappers.transfer.errors import Permanent

Origin = Tuple[str, str, int]
"""Scheme, host and port of a server."""


class Access(NamedTuple):
    """With what a request is made. Never shown to another server."""

    headers: Dict[str, str] = {}
    certificate: str = ""  # a file with a proxy or certificate and its key

    def __repr__(self) -> str:
        return "Access(...)"


NOBODY = Access()


def normal(url: str) -> str:
    """Return the URL as it is sent: http or https, nothing but ASCII, no login, no fragment.

    Raises:
        Permanent: it is none of ours.
    """
    parts = urlsplit(url)
    scheme = {"dav": "http", "davs": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.hostname:
        raise Permanent(f"{url} is not an http(s) or dav(s) URL")
    if "@" in parts.netloc:
        raise Permanent(f"{url} holds a login: give it as a credential, not in the URL")
    path = quote(parts.path or "/", safe="%/:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="%/:@!$&'()*+,;=~-._?") if parts.query else ""
    return f"{scheme}://{parts.netloc}{path}{query}"


def origin_of(url: str) -> Origin:
    """Return the server of a URL as `normal` gives it.

    Raises:
        Permanent: its port is impossible.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise Permanent(f"{url} has an impossible port") from None
    return parts.scheme, parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


def carried(wanted: str, target: str, access: Access) -> Access:
    """Choose what a redirect may see: all on the same server; elsewhere a certificate only, over TLS, and
    only in the same domain (a head node sends its clients to its pools): it proves who we are and gives
    nothing away.
    """
    before, after = origin_of(wanted), origin_of(target)
    if before == after:
        return access
    domain = before[1].partition(".")[2]
    same = before[1] == after[1] or ("." in domain and after[1].endswith("." + domain))
    return Access(certificate=access.certificate if same and after[0] == "https" else "")
