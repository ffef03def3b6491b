"""Amounts as people write them."""

from __future__ import annotations

from engine import units
from engine.errors import BadRequest

_LEAST = 1 << 20
"""Bytes: less is a number whose unit was forgotten."""


def bytes_of(text: str, option: str) -> int:
    """Parse a number of bytes from `4G`, `512Mi`, `100000`.

    Raises:
        BadRequest: it is not such an amount, or not above zero.
    """
    try:
        value = units.bytes_of(text)
    except ValueError:
        value = 0
    if value <= 0:
        raise BadRequest(f"{option} {text}: an amount such as 4G or 512Mi is needed")
    if value < _LEAST:
        raise BadRequest(
            f"{option} {text}: {value} bytes are less than any program needs", remedy=f"{text}G?"
        )
    return value
