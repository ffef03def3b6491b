"""Signatures that others can check: Ed25519 (RFC 8032), with a key that follows from the engine's own."""

from __future__ import annotations

from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine.app.access.key import Key

_PURPOSE = "audit heads"


class Signer:
    """Signs texts."""

    def __init__(self, key: Key) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(key.seed(_PURPOSE))

    @property
    def public(self) -> str:
        """The 32 bytes with which everybody can check its signatures, in base64."""
        return b64encode(self._key.public_key().public_bytes_raw()).decode("ascii")

    def sign(self, text: str) -> str:
        """Sign a text, in base64."""
        return b64encode(self._key.sign(text.encode())).decode("ascii")


def is_signed(text: str, signature: str, public: str) -> bool:
    """Say whether this is the signature of a text by the owner of a public key."""
    try:
        Ed25519PublicKey.from_public_bytes(b64decode(public, validate=True)).verify(
            b64decode(signature, validate=True), text.encode()
        )
    except (InvalidSignature, ValueError):
        return False
    return True
