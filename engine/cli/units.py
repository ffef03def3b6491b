"""Amounts as people write them."""

from __future__ import annotations

import re

from engine.errors import BadRequest

_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_LEAST = 1 << 20
"""Bytes: less is a number whose unit was forgotten."""


def bytes_of(text: str, option: str) -> int:
    """Parse a number of bytes from `4G`, `512Mi`, `100000`.

    Raises:
        BadRequest: it is not such an amount, or not above zero.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", text.strip().lower())
    value = int(float(found[1]) * _UNITS[found[2]]) if found and found[2] in _UNITS else 0
    if value <= 0:
        raise BadRequest(f"{option} {text}: an amount such as 4G or 512Mi is needed")
    if value < _LEAST:
        raise BadRequest(
            f"{option} {text}: {value} bytes are less than any program needs", remedy=f"{text}G?"
        )
    return value
