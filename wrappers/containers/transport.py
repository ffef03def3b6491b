"""HTTP as a registry client needs it: patience, redirects and authentication, on urllib alone.

A request is repeated after a lost connection, 429 or 5xx, with waits that grow and jitter, or as long as
Retry-After says. Credentials go to the host they are for and to no other, whatever a redirect says.
"""

import email.utils
import http.client
import json
import random
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import IO, Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from wrappers.containers.credentials import Login
from wrappers.containers.errors import AccessDenied, RegistryDown

USER_AGENT = "grid-engine"
_BUSY = (429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_CHALLENGE = re.compile(r'([a-zA-Z_]+)="([^"]*)"')
_LARGEST_TOKEN = 1 << 20

# What a connection can raise: urllib wraps some of it, http.client lets the rest through.
CONNECTION_ERRORS = (OSError, http.client.HTTPException)


class Patience(NamedTuple):
    """How long to go on trying."""

    tries: int = 6
    first_wait: float = 1.0  # seconds; doubled each time
    longest_wait: float = 60.0  # seconds; a longer Retry-After is not waited for
    timeout: float = 60.0  # seconds without a byte


class Answer(NamedTuple):
    """A reply whose body has not been read yet."""

    status: int
    headers: Mapping[str, str]
    body: IO[bytes]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # urllib would carry the Authorization header along to another host
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Transport:
    """GET requests to one registry or mirror."""

    def __init__(
        self,
        base: str,
        login: Optional[Login] = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base = base.rstrip("/")
        self.host = urllib.parse.urlsplit(base).netloc
        self.patience = patience
        self._login = login
        self._sleep = sleep
        self._authorization: Dict[str, str] = {}  # by scope: a token is good for one repository
        self._open = urllib.request.build_opener(_NoRedirect()).open

    def get(self, path: str, scope: str, headers: Optional[Dict[str, str]] = None) -> Answer:
        """The answer to a GET below the base address; its status is below 300, 404 or 416.

        Raises:
            AccessDenied: credentials are missing or refused.
            RegistryDown: no usable answer after all tries.
        """
        authenticated = False
        for attempt in range(self.patience.tries):
            last = attempt + 1 == self.patience.tries
            try:
                answer = self._follow(self.base + path, scope, headers or {})
                if answer.status == 401 and not authenticated:
                    authenticated = True
                    self._authorization[scope] = self._answer_challenge(answer, scope)
                    answer = self._follow(self.base + path, scope, headers or {})
            except CONNECTION_ERRORS as error:
                if last:
                    raise RegistryDown(f"registry {self.host} cannot be reached: {reason(error)}") from None
                self.wait(attempt)
                continue
            if answer.status < 300 or answer.status in (404, 416):
                return answer
            answer.body.close()
            if answer.status in (401, 403):
                raise self._denied()
            if answer.status not in _BUSY:
                raise RegistryDown(f"registry {self.host} answers with status {answer.status}")
            wait = _retry_after(answer.headers)
            if last or wait > self.patience.longest_wait:
                what = "allows no more requests now" if answer.status == 429 else "is out of order"
                raise RegistryDown(f"registry {self.host} {what} (status {answer.status})")
            self.wait(attempt, wait)
        raise RegistryDown(f"registry {self.host} does not answer")

    def wait(self, attempt: int, at_least: float = 0.0) -> None:
        """Pause before the try after number `attempt`; many nodes must not come back together."""
        planned = min(self.patience.first_wait * 2**attempt, self.patience.longest_wait)
        self._sleep(max(at_least, planned) * random.uniform(1.0, 1.5))  # noqa: S311 - jitter, not a secret

    def _follow(self, url: str, scope: str, headers: Dict[str, str]) -> Answer:
        home = _origin(url)
        for _ in range(6):
            sent = {"User-Agent": USER_AGENT, **headers}
            if scope in self._authorization and _origin(url) == home:
                sent["Authorization"] = self._authorization[scope]
            answer = self._request(url, sent)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            answer.body.close()
            target = urllib.parse.urljoin(url, location)
            scheme = urllib.parse.urlsplit(target).scheme
            if scheme not in ("http", "https") or (url.startswith("https:") and scheme != "https"):
                raise RegistryDown(f"registry {self.host} redirects to {scheme}://, which is not followed")
            url = target
        raise RegistryDown(f"registry {self.host} redirects in a circle")

    def _request(self, url: str, headers: Dict[str, str]) -> Answer:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http and https only, see _follow
        try:
            reply = self._open(request, timeout=self.patience.timeout)
        except urllib.error.HTTPError as error:
            reply = error
        return Answer(reply.getcode() or 0, reply.headers, reply)

    def _answer_challenge(self, answer: Answer, scope: str) -> str:
        answer.body.close()
        challenge = answer.headers.get("WWW-Authenticate", "")
        kind = challenge.partition(" ")[0].lower()
        if kind == "basic" and self._login:
            return self._login.basic()
        if kind == "bearer":
            return "Bearer " + self._fetch_token(dict(_CHALLENGE.findall(challenge)), scope)
        raise self._denied()

    def _fetch_token(self, challenge: Dict[str, str], scope: str) -> str:
        realm = challenge.get("realm", "")
        schemes = ("https",) if self.base.startswith("https:") else ("http", "https")
        if urllib.parse.urlsplit(realm).scheme not in schemes:
            raise AccessDenied(f"registry {self.host} sends its visitors to {realm!r} for a token: refused")
        query = {"scope": challenge.get("scope") or scope}
        if challenge.get("service"):
            query["service"] = challenge["service"]
        headers = {"User-Agent": USER_AGENT}
        if self._login:
            headers["Authorization"] = self._login.basic()
        separator = "&" if "?" in realm else "?"
        answer = self._request(realm + separator + urllib.parse.urlencode(query), headers)
        with answer.body as body:
            if answer.status in (400, 401, 403):
                raise self._denied()
            if answer.status != 200:
                raise ConnectionError(f"its token service answers with status {answer.status}")
            try:
                document = json.loads(body.read(_LARGEST_TOKEN).decode("utf-8"))
                return str(document.get("token") or document["access_token"])
            except (ValueError, KeyError, AttributeError):
                raise self._denied() from None

    def _denied(self) -> AccessDenied:
        if self._login:
            return AccessDenied(f"registry {self.host} refuses the credentials of {self._login.username!r}")
        return AccessDenied(
            f"registry {self.host} wants credentials: give them by docker login or in the file named by the "
            f'setting `credentials` (JSON {{"HOST": {{"username": ..., "password": ...}}}}, mode 0600)'
        )


def reason(error: BaseException) -> str:
    """What went wrong with a connection, in words."""
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner) or type(error).__name__


def _origin(url: str) -> Tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError):
        return 0.0
