"""What an HTTP storage is shown: headers and certificates, from a credential or from the environment."""

from __future__ import annotations

import base64
import os

from engine.errors import SettingsError
from engine.storages.credentials import ApiKey, Basic, BearerToken, CredentialSource, S3Keys, X509Proxy
from wrappers.transfer.client import NOBODY, Access
from wrappers.transfer.credentials import bearer_token, proxy_file


def access(credential: CredentialSource | None) -> Access:
    """Return what to show now; None: nothing.

    Raises:
        CredentialExpired: the credential has run out.
        SettingsError: its file cannot be used, or it is of no use for HTTP.
    """
    if credential is None:
        return NOBODY
    found = credential.current()
    match found:
        case X509Proxy():
            return Access(certificate=str(found.file))
        case BearerToken():
            return Access({"Authorization": f"Bearer {found.value.reveal()}"})
        case Basic():
            pair = f"{found.username}:{found.password.reveal()}".encode()
            return Access({"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")})
        case S3Keys() | ApiKey():
            raise SettingsError(
                f"credential {credential.name}: HTTP knows proxy, token and basic, not {credential.kind}"
            )


def of_environment() -> Access:
    """Find the token and the proxy of this user, where the grid's tools put them."""
    token = bearer_token(os.environ)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Access(headers, proxy_file(os.environ))
