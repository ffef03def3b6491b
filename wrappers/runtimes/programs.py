"""Programs of the node, found without waiting for directories of PATH that do not answer."""

import glob
import os
import shutil
from typing import Iterable

from wrappers.containers.timed import answers, at
from wrappers.runtimes.base import Unusable


def which(name: str) -> str:
    """Look for a program on PATH; "" when it is not there."""
    try:
        return at("PATH", lambda alive: shutil.which(name)) or ""
    except OSError:  # some directory does not answer
        places = [place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if answers(place)]
        return shutil.which(name, path=os.pathsep.join(places)) or ""


def newest(patterns: Iterable[str]) -> str:
    """Look for the first of these patterns that something fits; of several files the last one by name."""
    for pattern in patterns:
        try:
            found = at(pattern, lambda alive: sorted(glob.glob(pattern))[-1:])  # noqa: B023 - used at once
        except OSError:
            continue
        if found:
            return str(found[0])
    return ""


def check(place: str, setting: str) -> None:
    """See that a file or directory of the settings answers.

    Raises:
        Unusable: it does not.
    """
    if place and "://" not in place and not answers(place):
        raise Unusable(f"{place}, named in the setting `{setting}`, does not answer", "mount")
