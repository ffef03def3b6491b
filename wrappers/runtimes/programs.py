"""Programs and packages that the settings of a node name."""

from wrappers.containers.timed import responds
from wrappers.runtimes.base import Unusable


def check(path: str, setting: str) -> None:
    """See that a file or directory of the settings answers.

    Raises:
        Unusable: it does not.
    """
    if path and "://" not in path and not responds(path):
        raise Unusable(f"{path}, named in the setting `{setting}`, does not answer", "mount")
