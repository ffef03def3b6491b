"""What the engine must offer over HTTP so that a job's files can be had and kept, and whether it does.

Asked while an execution is planned: a job that could not fetch its first byte is not submitted.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from engine.errors import BadRequest, SettingsError, Unavailable
from engine.settings import ApiSection, CredentialSection, StorageSection

SERVICE = "grid-engine"
"""What `/health` calls itself."""

_PRESIGNED = {
    "s3": "s3: URLs are presigned by the engine, whose keys never travel",
    "girder": "girder: URLs need short-lived tokens from the engine, whose key never travels",
}
_SETTING = "set api.public_url to where worker nodes reach `engine serve`, e.g. https://engine.example.org"
_PATIENCE = 10.0


def embedded_url(api: ApiSection) -> str:
    """The URL of the embedded storage; empty where there is none.

    Raises:
        SettingsError: `api.public_url` cannot be one.
    """
    return f"{public_url(api)}/se" if api.public_url else ""


def public_url(api: ApiSection) -> str:
    """Where nodes reach the engine, without a slash at its end; claims and tokens go there.

    Raises:
        SettingsError: it is no plain http(s) URL, or everybody on the way could read what is sent to it.
    """
    url = urlsplit(api.public_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise SettingsError(
            f"setting api.public_url: {api.public_url} is no plain http(s) URL", remedy=_SETTING
        )
    if url.scheme == "http" and not _is_here(url.hostname):
        raise SettingsError(
            f"setting api.public_url: {api.public_url} would have claims and tokens readable on the way",
            remedy="use https; a reverse proxy in front of `engine serve` can speak it",
        )
    return api.public_url.rstrip("/")


def exchange_url(
    urls: Iterable[str],
    api: ApiSection,
    storages: Mapping[str, StorageSection],
    credentials: Mapping[str, CredentialSection],
) -> str:
    """The node end point that jobs with these inputs and places for results need; empty when they need none.

    Raises:
        BadRequest: they cannot do without, and `api.public_url` is not set.
    """
    embedded = embedded_url(api)
    helped = False
    for url in urls:
        scheme = urlsplit(url).scheme
        if scheme in _PRESIGNED and not embedded:
            raise BadRequest(f"{url}: {_PRESIGNED[scheme]}: api.public_url is not set", remedy=_SETTING)
        inside = bool(embedded) and (url == embedded or url.startswith(f"{embedded}/"))
        helped = helped or scheme in _PRESIGNED or inside or _may_be_helped(url, storages, credentials)
    return f"{public_url(api)}/node/exchange" if helped and embedded else ""


def require_embedded(api: ApiSection, why: str) -> str:
    """The URL of the embedded storage, which is needed.

    Raises:
        BadRequest: there is none; `why` says what needs it.
    """
    url = embedded_url(api)
    if not url:
        raise BadRequest(f"{why} needs the embedded storage: api.public_url is not set", remedy=_SETTING)
    return url


def _may_be_helped(
    url: str, storages: Mapping[str, StorageSection], credentials: Mapping[str, CredentialSection]
) -> bool:
    """Whether a token of the engine's can be scoped down for nodes, who may do without."""
    for section in storages.values():
        credential = credentials.get(section.credential)
        if credential is not None and credential.kind == "token":
            for door in (section.url, *section.doors):
                if url == door.rstrip("/") or url.startswith(door.rstrip("/") + "/"):
                    return True
    return False


def check_answers(api: ApiSection) -> None:
    """Return if an engine answers at the public URL, as far as can be seen from here.

    Raises:
        SettingsError: the URL cannot be one, or something else answers there.
        Unavailable: nothing answers.
    """
    url = urlsplit(public_url(api))
    remedy = "start `engine serve`, or see that api.public_url leads to it"
    try:
        service = _service(url.scheme, url.netloc, f"{url.path}/health")
    except (OSError, http.client.HTTPException) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unavailable(f"no engine answers at {api.public_url}: {words}", remedy=remedy) from None
    if service != SERVICE:
        raise SettingsError(
            f"setting api.public_url: what answers at {api.public_url} is no engine", remedy=remedy
        )


def _service(scheme: str, netloc: str, path: str) -> str:
    connection = (
        http.client.HTTPSConnection(netloc, timeout=_PATIENCE, context=ssl.create_default_context())
        if scheme == "https"
        else http.client.HTTPConnection(netloc, timeout=_PATIENCE)
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse().read(4096)
    finally:
        connection.close()
    try:
        fields = json.loads(answer)
    except ValueError:
        return ""
    return str(fields.get("service", "")) if isinstance(fields, dict) else ""


def _is_here(host: str) -> bool:
    """Whether a name or address is this machine's loopback, which nobody else hears."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
