"""Requests to Zenodo's REST API (https://developers.zenodo.org), whole answers or an error.

The token goes into a header of requests to Zenodo itself: never into a URL, to where a redirect leads, or
into the words of an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from engine.errors import BadRequest, CredentialExpired, NotFound, SettingsError, Unavailable
from engine.planning.zenodo import LARGEST, TIMEOUT_S

_WORDS = 300
_HERE = ("127.0.0.1", "::1", "localhost")


class Zenodo:
    """Zenodo at a URL, with a token or without."""

    def __init__(self, endpoint: str, token: str = "") -> None:
        """Take the address of the API.

        Raises:
        SettingsError: a token would be sent in the clear, or the URL is none.
        """
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"setting zenodo: {endpoint!r} is no URL", remedy="write https://zenodo.org")
        if token and parts.scheme == "http" and parts.hostname not in _HERE:
            raise SettingsError(
                f"setting zenodo: {endpoint} would get the token in the clear", remedy="write https://"
            )
        self.endpoint = endpoint.rstrip("/")
        self._token = token

    def url(self, path: str) -> str:
        """Make the URL of a path below the API, or check one that Zenodo itself gave.

        Raises:
            Unavailable: it is another server's.
        """
        found = path if "://" in path else f"{self.endpoint}/api/{path}"
        if not found.startswith(f"{self.endpoint}/"):
            raise Unavailable(f"{self.endpoint} names {found[:_WORDS]}, which is not asked")
        return found

    def request(
        self, method: str, path: str, what: str, body: bytes | Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Give what is answered, an object; empty when it has no content.

        Raises:
            NotFound, BadRequest: there is no such thing, or Zenodo does not take it.
            CredentialExpired: the token is not accepted.
            Unavailable: Zenodo does not answer, or not what it documents.
        """
        from engine import http  # not for a file: it would cost every command 10 ms

        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        try:
            answer = http.request(
                self.url(path),
                method=method,
                data=body if isinstance(body, bytes) or body is None else json.dumps(body).encode(),
                headers={"Content-Type": kind},
                credential=f"Bearer {self._token}" if self._token else "",
                timeout=TIMEOUT_S,
                largest=LARGEST,
                redirects=True,
            )
        except http.NoHttpAnswer as error:
            raise Unavailable(
                f"{what}: {self.endpoint} does not answer: {self._shown(str(error))}", remedy="try later"
            ) from None
        found = answer.fields() if answer.content else {}
        if answer.status >= 300:
            self._refused(answer.status, found or {}, what)
        if found is None:
            raise Unavailable(f"{what}: {self.endpoint} answers with something else than an object")
        return found

    def _refused(self, status: int, body: Mapping[str, Any], what: str) -> NoReturn:
        words = self._shown("; ".join([str(body.get("message", "")), *_faults(body.get("errors"))]))
        if status == 401:
            raise CredentialExpired(
                f"{what}: {self.endpoint} does not accept the token (zenodo_credential)",
                remedy="make one there, with the scopes deposit:write and deposit:actions",
            )
        if status in (404, 410):
            raise NotFound(f"{what}: no such record at {self.endpoint}")
        if 400 <= status < 500 and status != 429:
            raise BadRequest(f"{what}: {self.endpoint} refuses it (status {status}): {words}")
        raise Unavailable(f"{what}: {self.endpoint} answers with status {status}", remedy="try later")

    def _shown(self, words: str) -> str:
        return (words.replace(self._token, "***") if self._token else words)[:_WORDS]


def _faults(errors: Any) -> list[str]:
    """List what is wrong with which field, as Zenodo says it."""
    found = errors if isinstance(errors, list) else []
    return [f"{one.get('field', '')}: {one.get('message', '')}" for one in found if isinstance(one, dict)]
