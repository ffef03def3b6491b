"""What an HTTP storage is shown: headers and certificates, from a credential or from the environment."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from engine.errors import SettingsError
from engine.storages.credentials import ApiKey, Basic, CredentialSource, Proxy, S3Keys, Token
from wrappers.transfer.client import NOBODY, Access


def access(credential: CredentialSource | None, secure: bool) -> Access:
    """What to show now; what the environment offers is shown over TLS only.

    Raises:
        CredentialExpired: the credential has run out.
        SettingsError: its file cannot be used, or it is of no use for HTTP.
    """
    if credential is None:
        return _environment(os.environ) if secure else NOBODY
    found = credential.current()
    match found:
        case Proxy():
            return Access(certificate=str(found.file))
        case Token():
            return Access({"Authorization": f"Bearer {found.value.reveal()}"})
        case Basic():
            pair = f"{found.username}:{found.password.reveal()}".encode()
            return Access({"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")})
        case S3Keys() | ApiKey():
            raise SettingsError(
                f"credential {credential.name}: HTTP knows proxy, token and basic, not {credential.kind}"
            )


def environment_proxy(environment: Mapping[str, str]) -> str:
    """The proxy of this user where grid tools put it; "" when there is none."""
    place = environment.get("X509_USER_PROXY") or f"/tmp/x509up_u{os.getuid()}"  # noqa: S108 - the grid's place
    return place if _is_ours(Path(place)) else ""


def environment_token(environment: Mapping[str, str]) -> str:
    """The bearer token of this user by WLCG bearer token discovery 1.0; "" when there is none."""
    if token := environment.get("BEARER_TOKEN", "").strip():
        return token
    runtime = environment.get("XDG_RUNTIME_DIR") or "/tmp"  # noqa: S108 - the rules name it
    for place in (environment.get("BEARER_TOKEN_FILE", ""), f"{runtime}/bt_u{os.getuid()}"):
        if place and _is_ours(Path(place)):
            return Path(place).read_text().strip()
    return ""


def _environment(environment: Mapping[str, str]) -> Access:
    token = environment_token(environment)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Access(headers, environment_proxy(environment))


def _is_ours(path: Path) -> bool:
    """A file in a directory that everybody may write to counts only when it is ours alone."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o077
