"""Amounts as people write them in settings: `20G` bytes, `30d` of time."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from engine.units import bytes_of

_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def seconds_of(value: Any) -> float:
    """Seconds from `30d`, `12h`, `90` (seconds).

    Raises:
        ValueError: it is no such time.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", str(value).strip().lower())
    if not found:
        raise ValueError("a time such as 30d, 12h or 90s is needed")
    return float(found[1]) * _TIMES[found[2]]


Size = Annotated[int, BeforeValidator(bytes_of)]
Duration = Annotated[float, BeforeValidator(seconds_of)]
