"""Checksums as HTTP servers tell them: `Digest` (RFC 3230, the grid's way) and `Repr-Digest` (RFC 9530)."""

import base64
import binascii
from typing import Dict, Mapping

ASK = {"Want-Digest": "adler32, sha-256;q=0.5, md5;q=0.1"}
"""Header with which a server is asked for one."""

_NAMES = {"adler32": "adler32", "md5": "md5", "sha-256": "sha256", "adler": "adler32"}
_DIGITS = {"adler32": 8, "md5": 32, "sha256": 64}


def parse_digests(headers: Mapping[str, str]) -> Dict[str, str]:
    """Algorithm -> hexadecimal, of those that we know; `headers` by their names in small letters."""
    found: Dict[str, str] = {}
    for name in ("digest", "repr-digest"):
        for item in headers.get(name, "").split(","):
            algorithm, _, value = item.strip().partition("=")
            ours = _NAMES.get(algorithm.strip().lower())
            if ours:
                text = _hexadecimal(value.strip(), _DIGITS[ours])
                if text:
                    found[ours] = text
    return found


def of_etag(headers: Mapping[str, str]) -> Dict[str, str]:
    """Read the md5 that S3 gives as the ETag of an object that was not sent in parts, if it is one."""
    text = headers.get("etag", "").strip().strip('"').lower()
    return {"md5": text} if _is_hexadecimal(text) and len(text) == 32 else {}


def _hexadecimal(value: str, digits: int) -> str:
    """Hexadecimal as it is (servers cut leading zeros of adler32), or base64, decoded."""
    value = value.strip(":").strip('"')
    if _is_hexadecimal(value) and (len(value) == digits or (digits == 8 and len(value) < digits)):
        return value.lower().rjust(digits, "0")
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return ""
    if len(raw) == digits and _is_hexadecimal(raw.decode("latin-1")):  # hexadecimal, packed once more
        return raw.decode("ascii").lower()
    return binascii.hexlify(raw).decode("ascii") if len(raw) * 2 == digits else ""


def _is_hexadecimal(text: str) -> bool:
    return bool(text) and all(mark in "0123456789abcdefABCDEF" for mark in text)
