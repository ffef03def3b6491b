"""HTTP proxies: one policy for images, tools and files, as the usual variables say it.

`http_proxy`, `https_proxy` and `all_proxy` name a proxy by the scheme of what is asked for, in small letters
or capitals; `no_proxy` names hosts, domains and networks that are asked directly. This machine itself
(loopback) always is.
"""

import base64
import ipaddress
import os
import urllib.parse
from typing import Dict, NamedTuple, Optional


class InvalidProxy(ValueError):
    """A variable names something that is not an HTTP proxy; the text says which."""


class HttpProxy(NamedTuple):
    """An HTTP proxy."""

    host: str
    port: int
    variable: str  # that names it
    authorization: str = ""  # the value of Proxy-Authorization

    def __str__(self) -> str:  # no password
        return f"proxy {self.address} ({self.variable})"

    def __repr__(self) -> str:
        return f"<{self}>"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def proxy_for(url: str) -> Optional[HttpProxy]:
    """Find the proxy for requests to an http or https URL; None where the server is asked directly.

    Raises:
        InvalidProxy: the variable for it is malformed.
    """
    parts = urllib.parse.urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    named = _named()
    if not named or is_loopback(host) or _is_excepted(host, parts):
        return None
    variable = next((name for name in (f"{parts.scheme}_proxy", "all_proxy") if name in named), "")
    return _read(variable, named[variable]) if variable else None


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine by its name or address alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _named() -> Dict[str, str]:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    import urllib.request  # it knows which spelling counts, and that CGI's HTTP_PROXY does not

    return {f"{scheme}_proxy": value for scheme, value in urllib.request.getproxies_environment().items()}


def _is_excepted(host: str, parts: urllib.parse.SplitResult) -> bool:
    import urllib.request

    shown = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    if urllib.request.proxy_bypass_environment(shown + port):  # type: ignore[attr-defined] # not in its stubs
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(_contains(entry.strip(), address) for entry in _exceptions().split(","))


def _exceptions() -> str:
    return os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")


def _contains(network: str, address: object) -> bool:
    try:
        return address in ipaddress.ip_network(network.strip("[]"), strict=False)
    except (ValueError, TypeError):
        return False


def _read(variable: str, text: str) -> HttpProxy:
    parts = urllib.parse.urlsplit(text if "://" in text else "http://" + text)
    try:
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        host, port = "", 0
    if parts.scheme != "http" or not host:
        # the whole value may hold a password
        raise InvalidProxy(f"the variable {variable} does not name an HTTP proxy: write http://HOST:PORT")
    if parts.username is None:
        return HttpProxy(host, port, variable)
    login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return HttpProxy(host, port, variable, "Basic " + base64.b64encode(login.encode("utf-8")).decode("ascii"))
