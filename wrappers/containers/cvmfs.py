"""Where pre-deployed containers lie: the layout that `cvmfs_deploy` writes and the nodes read.

Below a directory of udocker containers (`/cvmfs/REPOSITORY/vip/udocker/containers`, or any directory):

    .store/sha256-HEX/{ROOT,container.json,imagerepo.name,manifest.json}   one per image digest, immutable
    .store/sha256-INDEX -> sha256-HEX                                      when it was chosen from an index
    .store/sha256-INDEX+linux+arm64 -> sha256-HEX                          the same index on other machines
    docker.io+library+busybox@1.0 -> .store/sha256-HEX                     a name for people and for udocker

No two images share a name: `+` stands for `/` and `@` for `:`, and neither occurs in an image name. Images
for another platform than linux/amd64 have it at the end: `docker.io+library+busybox@1.0+linux+arm64`.
"""

from pathlib import Path
from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Tuple

from wrappers.containers import timed
from wrappers.containers.platforms import USUAL_PLATFORM, platform, without_variant
from wrappers.containers.reference import Reference
from wrappers.containers.udocker_format import stands_for

STORE = ".store"


def directory_name(digest: str) -> str:
    """Write a digest as the name of a directory: CVMFS and proot take no colon."""
    return digest.replace(":", "-")


def path_for(containers: Path, digest: str) -> Path:
    """Return where the container of an image lies, or would lie."""
    return containers / STORE / directory_name(digest)


def index_name(index: str, made_for: str) -> str:
    """Return what stands in the store for an index, on machines of a platform: they do not know their
    variant.
    """
    return directory_name(index) + _suffix(without_variant(made_for))


def name_for(reference: Reference, made_for: str = USUAL_PLATFORM) -> str:
    """Return the readable name beside the store."""
    base = f"{reference.host}/{reference.repository}".replace("/", "+").replace(":", "@")
    return base + "@" + (reference.tag or directory_name(reference.digest)) + _suffix(made_for)


class Search(NamedTuple):
    """The result of a search for a pre-deployed container."""

    found: Optional[Path]
    troubles: List[str]  # what is wrong with directories that were asked before it was found
    asked: Any = None  # what was asked of it


def find(directories: Iterable[str], reference: Reference, digest: str) -> Search:
    """Look for the first pre-deployed container that was made from this very image.

    A directory that cannot be read, or does not answer in time, is passed over.
    """
    here = platform()
    names = [
        f"{STORE}/{directory_name(digest)}",
        f"{STORE}/{index_name(digest, here)}",
        name_for(reference),
        name_for(reference, here),
    ]
    return search(directories, list(dict.fromkeys(names)), lambda path: stands_for(path, digest))


def search(directories: Iterable[str], names: List[str], ask: Callable[[Path], Any]) -> Search:
    """Look for the first place of these names in these directories that has an answer.

    Each directory has its time for it, in a child (`timed`).
    """
    troubles: List[str] = []
    for directory in directories:
        try:
            name, asked = timed.at(directory, lambda alive: _first(Path(directory), names, ask))  # noqa: B023
        except OSError as error:
            troubles.append(timed.error_text(directory, error))
            continue
        if name:
            return Search(Path(directory, name), troubles, asked)
    return Search(None, troubles)


def _first(directory: Path, names: List[str], ask: Callable[[Path], Any]) -> Tuple[str, Any]:
    timed.touch(str(directory))
    answers = ((name, ask(directory / name)) for name in names)
    return next(((name, answer) for name, answer in answers if answer), ("", None))


def _suffix(made_for: str) -> str:
    return "" if made_for == USUAL_PLATFORM else "+" + made_for.replace("/", "+")
