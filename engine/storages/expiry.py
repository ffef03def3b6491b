"""When credentials end, read from their text. Nothing is verified here: the storage does that."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from engine.jwt import claims

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.S)
_SEQUENCE, _VERSION, _UTC_TIME, _TIME = 0x30, 0xA0, 0x17, 0x18


def expiry_of_proxy(pem: str) -> float:
    """Return the moment at which the first of the certificates of a proxy runs out, in seconds since 1970.

    Raises:
        ValueError: there is no certificate, or no key.
    """
    if not _KEY.search(pem):
        raise ValueError("no private key")
    ends = [_not_after(ssl.PEM_cert_to_DER_cert(text)) for text in _CERTIFICATE.findall(pem)]
    if not ends:
        raise ValueError("no certificate")
    return min(ends)


def expiry_of_token(token: str) -> float:
    """Return the `exp` of a JWT, in seconds since 1970; infinite for a token that is no JWT, or has none."""
    end = claims(token).get("exp")
    if isinstance(end, bool) or not isinstance(end, int | float):
        return float("inf")
    try:
        return float(end)
    except OverflowError:  # an integer of hundreds of digits
        return float("inf")


def _not_after(der: bytes) -> float:
    """Read the end of a certificate's validity. RFC 5280, 4.1: Certificate > TBSCertificate > [version],
    serial, signature, issuer, validity > notBefore, notAfter.
    """
    [(_, certificate)] = _values(der)
    (_, to_be_signed), *_ = _values(certificate)
    fields = [item for item in _values(to_be_signed) if item[0] != _VERSION]
    kind, validity = fields[3]
    if kind != _SEQUENCE:
        raise ValueError("not a certificate")
    [_, (kind, text)] = _values(validity)
    if kind == _UTC_TIME:  # two digits of the year, up to 2049
        century = b"19" if text >= b"50" else b"20"
        text = century + text
    elif kind != _TIME:
        raise ValueError("not a time")
    return datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tagged values that follow one another in DER.

    Raises:
        ValueError: it is cut short.
    """
    at = 0
    while at < len(der):
        if at + 2 > len(der):
            raise ValueError("DER is cut short")
        kind, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(der[at : at + digits], "big")
            at += digits
        if at + size > len(der):
            raise ValueError("DER is cut short")
        yield kind, der[at : at + size]
        at += size
