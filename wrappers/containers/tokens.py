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
from wrappers.containers.web import USER_AGENT, Answer, Web

_LARGEST_TOKEN = 1 << 20
_REFUSED = (400, 401, 403)
_UNKNOWN = (404, 405)  # to a service that takes no POST


class Visitor:
    """Shows one registry or mirror who we are."""

    def __init__(self, web: Web, base: str, login: Optional[Login]) -> None:
        self._web = web
        self._base = base
        self._host = urllib.parse.urlsplit(base).netloc
        self._login = login

    def answer(self, challenges: List[Challenge], scope: str) -> str:
        """Return the Authorization header that one of the challenges asks for.

        Raises:
            AccessDenied: credentials are missing or refused.
            ServiceAnswer: the token service answers, with no token.
            RegistryDown, OSError, HTTPException: see Web.get.
        """
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                token = self._token(challenge.parameters, scope)
                if token:
                    return "Bearer " + token
        login = self._login
        if login and login.password and any(challenge.scheme == "basic" for challenge in challenges):
            return login.basic()
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
            form = dict(query, grant_type="refresh_token", refresh_token=login.identity_token)
            answer = self._web.request(realm, {}, dict(form, client_id=USER_AGENT))
            token = "" if answer.status in _UNKNOWN else _read(answer, realm)
            if token or not login.password:
                return token
        separator = "&" if "?" in realm else "?"
        authorization = login.basic() if login and login.password else ""
        return _read(
            self._web.get(realm + separator + urllib.parse.urlencode(query), {}, authorization), realm
        )


class ServiceAnswer(Exception):
    """An answer of the token service in place of a token; it may think better of it."""

    def __init__(self, host: str, answer: Answer) -> None:
        super().__init__(f"token service {host}")
        self.answer = answer


def _read(answer: Answer, realm: str) -> str:
    with answer.body as body:
        if answer.status in _REFUSED:
            return ""
        if answer.status != 200:
            raise ServiceAnswer(urllib.parse.urlsplit(realm).netloc, answer)
        try:
            document = json.loads(body.read(_LARGEST_TOKEN).decode("utf-8"))
            return str(document.get("token") or document["access_token"])
        except (ValueError, KeyError, AttributeError):
            return ""
