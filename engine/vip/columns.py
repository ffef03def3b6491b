"""Making values fit into columns of a database that is not ours."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from wrappers.transfer.redact import CUT, redact

_LATEST = 4_102_444_800.0
"""The year 2100: clocks of nodes may tell anything."""
_MARK = 19
"""Characters of what stands for the rest of a text that is too long."""
_TOKENS = re.compile(r"(?i)([?&](?:refresh)?_?token=)[^&\s\"]*")
_OPAQUE = re.compile(r"\b(girder|shanoir):/[^\s\"]*")


def clip(text: str, length: int) -> str:
    """Cut a text to so many characters. What is cut ends with a digest of the whole: two texts stay two,
    and a path that was cut is the path of nothing else.
    """
    plain = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    if len(plain) <= length:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[: _MARK - 3]
    return (plain[: max(length - _MARK, 0)] + "..." + digest)[:length]


def storable(text: str, charset: str) -> str:
    """Write what a column's character set cannot hold as escapes."""
    codec = {"utf8mb4": "utf-8", "latin1": "cp1252", "ascii": "ascii"}.get(charset)
    if codec is None:  # utf8mb3, and whatever holds no more than that
        return "".join(c if c <= "\uffff" else f"\\U{ord(c):08x}" for c in text)
    return text.encode(codec, "backslashreplace").decode(codec)


def shown(value: str) -> str:
    """Write a value without what is secret in it."""
    cut = _TOKENS.sub(lambda match: match.group(1) + CUT, redact(value))
    return _OPAQUE.sub(lambda match: match.group().split("?")[0], cut)


def bounded(value: float, most: float) -> float:
    """Give a number from 0 to `most`: nodes may tell any, also none (NaN)."""
    return min(value, most) if value >= 0 else 0.0


def local_time(seconds: float) -> datetime:
    """Give a time as the portal reads it: that of this machine, without a zone."""
    whole = round(bounded(seconds, _LATEST + 1) * 1000) / 1000
    return datetime.fromtimestamp(whole).astimezone().replace(tzinfo=None)


def ascending(times: list[float | None], step: float = 0.0) -> list[float | None]:
    """Give times of stages with none before the one before it: clocks of nodes differ."""
    found: list[float | None] = []
    least = float("-inf")
    for one in times:
        if one is not None:
            one = max(bounded(one, _LATEST), least)
            least = one + step
        found.append(one)
    return found
