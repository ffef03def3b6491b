"""Where CVMFS gets nested catalogs: one for each image, and more where a tree has too many entries for one.

A client loads a whole catalog to find one file of it. Without markers the entries of every image would be in
the catalog above, which every job then loads; a marker in each directory would make thousands of requests.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

MARKER = ".cvmfscatalog"
# Entries; a smaller catalog costs a request and saves little. CVMFS's own CVMFS_AUTOCATALOGS_MIN_WEIGHT.
_LEAST = 1000


def catalog_directories(directories: Iterable[bytes], others: Iterable[bytes], most: int) -> list[bytes]:
    """Choose the directories of a tree that get a catalog of their own, beside its top.

    From the deepest upwards: where a directory would have more than `most` entries, its heaviest
    subdirectories are split off until it has not, or none of them is worth a catalog.
    """
    weight: dict[bytes, int] = {b"": 0}
    children: dict[bytes, list[bytes]] = {b"": []}
    for path in directories:
        weight[path] = weight.get(path, 0)
        parent = posixpath.dirname(path)
        weight[parent] = weight.get(parent, 0) + 1
        children.setdefault(parent, []).append(path)
    for path in others:
        parent = posixpath.dirname(path)
        weight[parent] = weight.get(parent, 0) + 1
    chosen: list[bytes] = []
    for path in sorted(weight, key=lambda one: (one.count(b"/"), one != b""), reverse=True):
        below = sorted(children.get(path, ()), key=lambda child: weight[child])
        total = weight[path] + sum(weight[child] for child in below)
        while below and total > most and weight[below[-1]] >= _LEAST:
            child = below.pop()
            total -= weight[child]
            chosen.append(child)
        weight[path] = total
    return sorted(chosen)
