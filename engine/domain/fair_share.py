"""Fair shares: whose jobs start next, when several users wait for the same back-end."""

from __future__ import annotations

from collections.abc import Mapping


def fair_shares(running: Mapping[str, int], ready: Mapping[str, int], slots: int) -> dict[str, int]:
    """Return how many ready jobs of each owner may start, so that those who run least come first.

    Max-min fairness: whoever asks for less than an equal share gets all of it, the others share the rest
    equally; what runs already counts. Owners who get nothing are left out.
    """
    level = _level(running, ready, slots)
    shares = {owner: min(max(level - running.get(owner, 0), 0), count) for owner, count in ready.items()}
    left = slots - sum(shares.values())
    for owner in sorted(ready, key=lambda one: (running.get(one, 0) + shares[one], one)):
        if left > 0 and shares[owner] < ready[owner]:  # the remainder of the division, one each
            shares[owner] += 1
            left -= 1
    return {owner: share for owner, share in shares.items() if share}


def _level(running: Mapping[str, int], ready: Mapping[str, int], slots: int) -> int:
    """Compute the most jobs that every owner can be filled up to with so many slots."""
    low, high = 0, max((running.get(owner, 0) + count for owner, count in ready.items()), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        needed = sum(min(max(middle - running.get(owner, 0), 0), count) for owner, count in ready.items())
        low, high = (middle, high) if needed <= slots else (low, middle - 1)
    return low
