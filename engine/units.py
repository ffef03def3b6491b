"""Amounts of bytes, as people write and read them."""

from __future__ import annotations

import re
from typing import Any

_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZES |= {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def bytes_of(value: Any) -> int:
    """Parse a number of bytes from `20G`, `512Mi` or a number.

    Raises:
        ValueError: it is no such amount.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", str(value).strip().lower())
    if not found or found[2] not in _SIZES:
        raise ValueError("an amount such as 20G or 512Mi is needed")
    return int(float(found[1]) * _SIZES[found[2]])


def size_text(number: float) -> str:
    """Render bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
