"""What a registry wants to see of its visitors: an Authorization header for each of its challenges.

By the specification of Docker's registries (distribution.github.io/distribution/spec/auth): a token of the
service that the challenge names, or the user name and password themselves.
"""

import json
import urllib.parse
from typing import Dict, List, Optional

from wrappers.containers.challenges import Challenge
from wrappers.containers.credentials import Login
from wrappers.containers.errors import AccessDenied
from wrappers.transfer.addresses import NOBODY, Access
from wrappers.transfer.client import AGENT, Bytes, HttpClient
from wrappers.transfer.response import Response

_LARGEST_TOKEN = 1 << 20
_CLOSE = {"Connection": "close"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded", **_CLOSE}
_REFUSED = (400, 401, 403)
_UNKNOWN = (404, 405)  # to a service that takes no POST


class Visitor:
    """Shows one registry or mirror who we are."""

    def __init__(self, client: HttpClient, base: str, login: Optional[Login]) -> None:
        self._client = client
        self._base = base
        self._host = urllib.parse.urlsplit(base).netloc
        self._login = login

    def answer(self, challenges: List[Challenge], scope: str) -> Access:
        """Return the Authorization header that one of the challenges asks for.

        Raises:
            AccessDenied: credentials are missing or refused.
            ServiceAnswer: the token service answers, with no token.
            TransferError: there is no answer.
        """
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                token = self._token(challenge.parameters, scope)
                if token:
                    return Access({"Authorization": f"Bearer {token}"})
        login = self._login
        if login and login.password and any(challenge.scheme == "basic" for challenge in challenges):
            return Access({"Authorization": login.basic()})
        raise self.denied()

    def denied(self) -> AccessDenied:
        """Make the error for a registry that does not let us in."""
        if self._login:
            return AccessDenied(f"registry {self._host} refuses the credentials of {self._login.shown}")
        return AccessDenied(
            f"registry {self._host} wants credentials, or has no such image: give them by docker login, "
            "podman login or in the file named by the setting `credentials` "
            '(JSON {"HOST": {"username": ..., "password": ...}}, mode 0600)'
        )

    def _token(self, challenge: Dict[str, str], scope: str) -> str:
        """Ask for a token; "" when the service refuses one."""
        realm = challenge["realm"]
        schemes = ("https",) if self._base.startswith("https:") else ("http", "https")
        if urllib.parse.urlsplit(realm).scheme not in schemes:
            raise AccessDenied(f"registry {self._host} sends its visitors to {realm!r} for a token: refused")
        login = self._login
        if login and login.registry_token:
            return login.registry_token
        query = {"scope": challenge.get("scope") or scope}
        if challenge.get("service"):
            query["service"] = challenge["service"]
        if login and login.identity_token:
            form = dict(
                query, grant_type="refresh_token", refresh_token=login.identity_token, client_id=AGENT
            )
            body = Bytes(urllib.parse.urlencode(form).encode("ascii"))
            # not followed: the form holds a secret
            answer = self._client.request("POST", realm, _FORM, body, follow=False)
            token = "" if answer.status in _UNKNOWN else _read(answer, realm)
            if token or not login.password:
                return token
        separator = "&" if "?" in realm else "?"
        access = Access({"Authorization": login.basic()}) if login and login.password else NOBODY
        url = realm + separator + urllib.parse.urlencode(query)
        return _read(self._client.request("GET", url, _CLOSE, access=access), realm)


class ServiceAnswer(Exception):
    """An answer of the token service in place of a token; it may think better of it."""

    def __init__(self, host: str, answer: Response) -> None:
        super().__init__(f"token service {host}")
        self.answer = answer


def _read(answer: Response, realm: str) -> str:
    with answer:
        if answer.status in _REFUSED:
            return ""
        if answer.status != 200:
            raise ServiceAnswer(urllib.parse.urlsplit(realm).netloc, answer)
        try:
            document = json.loads(answer.read(_LARGEST_TOKEN).decode("utf-8"))
            return str(document.get("token") or document["access_token"])
        except (ValueError, KeyError, AttributeError):
            return ""
