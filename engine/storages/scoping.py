"""Scoping down a bearer token for a worker node, by its own issuer: RFC 8693, with the WLCG profile's scopes.

What the engine holds would let a node do everything that the engine may. Its issuer is asked for a token that
is good for one path and one purpose. Where it does not give one, or gives more than was asked for, nothing
travels; and neither proxies nor passwords ever do.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from engine.clock import Clock
from engine.errors import BadRequest, Unavailable
from engine.http import NoHttpAnswer, request
from engine.jwt import claims
from engine.storages.credentials import BearerToken
from engine.storages.expiry import expiry_of_token
from engine.storages.sections import StorageSettings
from wrappers.transfer.trust import Trust
from wrappers.wire import Grant

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind
_SCOPES = {"GET": ("storage.read",), "PUT": ("storage.modify", "storage.read")}
_BY_ITSELF = "worker nodes show there what they have themselves"


def scope_down(
    url: str, method: str, seconds: float, settings: StorageSettings | None, clock: Clock
) -> Grant:
    """Make a grant for one path from the token that the engine shows at this storage.

    The path in the scope is the one below the URL of the storage's section in the settings: let that be what
    the issuer calls the storage area.

    Raises:
        BadRequest: nothing that the engine has there may travel.
        CredentialExpired: its token has run out.
        Unavailable: the issuer does not answer.
    """
    if settings is None or settings.credential is None:
        raise BadRequest(f"the engine has no credential of its own for it; {_BY_ITSELF}")
    credential = settings.credential
    if credential.kind != "token":
        raise BadRequest(f"a {credential.kind} never travels (credential {credential.name}); {_BY_ITSELF}")
    held = credential.current()
    assert isinstance(held, BearerToken)  # noqa: S101 - that is what its kind says
    scope = _scope(url, method, settings)
    issuer = claims(held.value.reveal()).get("iss")
    if not isinstance(issuer, str):
        raise BadRequest(
            f"credential {credential.name} names no issuer that could scope it down; {_BY_ITSELF}"
        )
    secure = Trust(settings.authorities).context()
    end_point = _token_end_point(issuer, credential.name, secure)
    wanted = {
        "grant_type": _EXCHANGE,
        "subject_token": held.value.reveal(),
        "subject_token_type": _ACCESS_TOKEN,
        "requested_token_type": _ACCESS_TOKEN,
        "scope": scope,
    }
    token = _checked(_request(end_point, wanted, secure), scope, issuer)
    expires = min(expiry_of_token(token), clock.now() + seconds)
    return Grant(url, method, headers={"Authorization": f"Bearer {token}"}, expires=expires)


def _scope(url: str, method: str, settings: StorageSettings) -> str:
    base = unquote(urlsplit(settings.url).path).strip("/")
    path = unquote(urlsplit(url).path).strip("/").removeprefix(base).strip("/")
    return " ".join(f"{scope}:/{quote(path)}" for scope in _SCOPES[method])


def _token_end_point(issuer: str, name: str, secure: ssl.SSLContext) -> str:
    """Return where the issuer says that it exchanges tokens."""
    if urlsplit(issuer).scheme != "https":
        raise BadRequest(f"the issuer of credential {name} is not reached by https; {_BY_ITSELF}")
    found = _request(f"{issuer.rstrip('/')}/.well-known/openid-configuration", None, secure)
    end_point, kinds = found.get("token_endpoint"), found.get("grant_types_supported")
    if not isinstance(kinds, list) or _EXCHANGE not in kinds or not isinstance(end_point, str):
        raise BadRequest(f"the issuer of credential {name}, {issuer}, exchanges no tokens; {_BY_ITSELF}")
    if urlsplit(end_point).scheme != "https":
        raise BadRequest(f"the token end point of {issuer} is not reached by https; {_BY_ITSELF}")
    return end_point


def _checked(answer: Mapping[str, object], scope: str, issuer: str) -> str:
    """Check that the token allows no more than was asked for."""
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise BadRequest(f"{issuer} gave no token; {_BY_ITSELF}")
    given = claims(token).get("scope", answer.get("scope"))
    if not isinstance(given, str) or not given or set(given.split()) - set(scope.split()):
        raise BadRequest(f"{issuer} gave a token for more than {scope}: it stays here; {_BY_ITSELF}")
    return token


def _request(url: str, form: Mapping[str, str] | None, secure: ssl.SSLContext) -> Mapping[str, object]:
    """Read the JSON object at an https URL, to which a form may be sent. Redirects would take the token
    along, and are not followed.
    """
    host = urlsplit(url).netloc
    try:
        answer = request(url, form=form, headers={"Accept": "application/json"}, context=secure)
    except NoHttpAnswer as error:
        raise Unavailable(f"{host} gives no token: {error}") from None
    if answer.status >= 300:
        kind = Unavailable if answer.status >= 500 or answer.status == 429 else BadRequest
        raise kind(f"{host}: HTTP status {answer.status} for a token")
    if (found := answer.fields()) is None:
        raise Unavailable(f"{host} gives no token: its answer is no JSON object")
    return found
