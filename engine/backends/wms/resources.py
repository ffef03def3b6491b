"""What DIRAC is told that a job needs, from the limits of its attempts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wrappers.wire import Manifest

MEBIBYTE = 1 << 20
MARGIN_S = 600.0
"""Seconds beside the tool's own: fetching inputs and image, delivering results."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates by which an installation counts resources."""

    power: float = 10.0
    """HEP-SPEC06 of one core: DIRAC counts CPU time in seconds of a machine that has 1."""
    cpu_time: int = 86_400
    """CPUTime of jobs that have no wall time limit."""
    gpu_tag: str = "GPU"


def needs(manifests: Sequence[Manifest], rates: Rates) -> dict[str, int]:
    """JDL attributes of a submission: its attempts run one after the other, so times add up."""
    cores = max((m.limits.cores for m in manifests), default=1)
    walls = [m.limits.wall for m in manifests]
    memories = [m.limits.memory for m in manifests if m.limits.memory]
    found = {"CPUTime": rates.cpu_time * max(len(walls), 1)}
    if walls and all(wall is not None for wall in walls):
        seconds = MARGIN_S + sum(wall for wall in walls if wall is not None)
        found["CPUTime"] = math.ceil(seconds * cores * rates.power)
    if cores > 1:
        found["NumberOfProcessors"] = cores
    if memories:
        found["MaxRAM"] = math.ceil(max(memories) / MEBIBYTE)
    return found


def tags(manifests: Sequence[Manifest], rates: Rates) -> tuple[str, ...]:
    """Tags that a node must have."""
    return (rates.gpu_tag,) if rates.gpu_tag and any(m.gpu for m in manifests) else ()
