"""HTTP as registries need it, on urllib: redirects that take no credentials along, authorities, proxies.

Which certificates are believed and which proxy is taken is decided as for files (`wrappers.transfer`).
"""

import http.client
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import IO, Any, Dict, List, NamedTuple, Optional, Tuple

from wrappers.containers.errors import Distrusted, RegistryDown, UnsuitableNode
from wrappers.transfer.errors import Permanent
from wrappers.transfer.proxies import HttpProxy, InvalidProxy, proxy_for
from wrappers.transfer.trust import Trust

USER_AGENT = "boutiques-engine"
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_NO_TUNNEL = re.compile(r"Tunnel connection failed: 4\d\d")
_BROKEN_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)

# What a connection can raise: urllib wraps some of it, http.client lets the rest through.
CONNECTION_ERRORS = (OSError, http.client.HTTPException)


class Answer(NamedTuple):
    """A reply whose body has not been read yet."""

    status: int
    headers: Any  # an email.message.Message
    body: IO[bytes]
    by: str = ""  # " by the proxy ..." where there was one, for errors


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # urllib would carry the Authorization header along to another host
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Web:
    """Requests to any server. Shared by threads."""

    def __init__(self, trust: Trust, timeout: float) -> None:
        self._trust = trust
        self._timeout = timeout
        self._opener: Optional[urllib.request.OpenerDirector] = None

    def get(self, url: str, headers: Dict[str, str], authorization: str = "") -> Answer:
        """Get a URL, after redirects; the authorization is shown to the server of `url` alone.

        Raises:
            RegistryDown: redirects that are not followed, TLS that cannot be trusted, a proxy that refuses.
            UnsuitableNode: the authorities cannot be read, or a proxy is named wrongly.
            OSError, HTTPException: the connection failed (CONNECTION_ERRORS).
        """
        first = url
        for _ in range(_MOST_REDIRECTS + 1):
            sent = dict(headers)
            if authorization and _origin(url) == _origin(first):
                sent["Authorization"] = authorization
            answer = self.request(url, sent)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            answer.body.close()
            target = urllib.parse.urljoin(url, location)
            scheme = urllib.parse.urlsplit(target).scheme
            if scheme not in ("http", "https") or (url.startswith("https:") and scheme != "https"):
                raise RegistryDown(f"{_host(url)} redirects to {scheme}://, which is not followed")
            url = target
        raise RegistryDown(f"{_host(first)} redirects in a circle")

    def request(self, url: str, headers: Dict[str, str], form: Optional[Dict[str, str]] = None) -> Answer:
        """Send one request, a POST when it has a form, and return the answer; raises like `get`."""
        data = urllib.parse.urlencode(form).encode("ascii") if form is not None else None
        request = urllib.request.Request(  # noqa: S310 - http and https only: `get`, and the caller
            url, data=data, headers={"User-Agent": USER_AGENT, **headers}
        )
        proxy = _through_proxy(request)
        by = f" by the {proxy}" if proxy else ""
        try:
            reply = self._open().open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            reply = error
        except (ssl.CertificateError, *CONNECTION_ERRORS) as error:
            raise _connection_error(error, _host(url), by) from None
        return Answer(reply.getcode() or 0, reply.headers, reply, by)

    def _open(self) -> urllib.request.OpenerDirector:
        if self._opener is None:
            try:
                secure = urllib.request.HTTPSHandler(context=self._trust.context())
            except Permanent as error:
                raise UnsuitableNode(f"{error}: correct the setting `authorities`") from None
            self._opener = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler({}), secure)
        return self._opener


def _through_proxy(request: urllib.request.Request) -> Optional[HttpProxy]:
    try:
        proxy = proxy_for(request.full_url)
    except InvalidProxy as error:
        raise UnsuitableNode(str(error)) from None
    if proxy is not None:
        if proxy.authorization:
            request.add_header("Proxy-authorization", proxy.authorization)  # urllib looks for this spelling
        request.set_proxy(proxy.address, "http")
    return proxy


def _connection_error(error: Exception, host: str, by: str) -> Exception:
    """Choose what to raise for a connection that failed: TLS and a proxy's refusal are no hiccups."""
    inner = getattr(error, "reason", error)
    why = reason(error)
    distrusted = isinstance(inner, ssl.SSLError) and not isinstance(inner, _BROKEN_OFF)
    if distrusted or isinstance(inner, ssl.CertificateError):
        return Distrusted(f"{host} cannot be trusted{by}: TLS: {_tls(why)}")
    if _NO_TUNNEL.search(why):
        return RegistryDown(f"{host} cannot be reached{by}: {why}")
    return ConnectionError(why + by) if by else error


def _tls(why: str) -> str:
    """Say what is wrong with TLS, without the line of OpenSSL's source, and what helps."""
    said = re.sub(r"^\[SSL[^\]]*\]\s*|\s*\(_ssl\.c:\d+\)", "", why)
    if "verify failed" in said and "ostname" not in said and "expired" not in said:
        said += ": name its certificate authority in the setting `authorities`"
    return said


def reason(error: BaseException) -> str:
    """Say what went wrong with a connection."""
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner) or type(error).__name__


def challenges_of(answer: Answer) -> List[str]:
    """Every WWW-Authenticate header of an answer."""
    return list(answer.headers.get_all("WWW-Authenticate") or ())


def _origin(url: str) -> Tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
