"""Programs and packages that the settings of a node name."""

from wrappers.containers.timed import responds
from wrappers.runtimes.base import Unusable


def check(place: str, setting: str) -> None:
    """See that a file or directory of the settings answers.

    Raises:
        Unusable: it does not.
    """
    if place and "://" not in place and not responds(place):
        raise Unusable(f"{place}, named in the setting `{setting}`, does not answer", "mount")
