"""Where pre-deployed containers lie: the layout that `cvmfs_deploy` writes and the nodes read.

Below a directory of udocker containers (`/cvmfs/REPOSITORY/vip/udocker/containers`, or any directory):

    .store/sha256-HEX/{ROOT,container.json,imagerepo.name,manifest.json}   one per image digest, immutable
    .store/sha256-INDEX -> sha256-HEX                                      when it was chosen from an index
    docker.io+library+busybox@1.0 -> .store/sha256-HEX                     a name for people and for udocker

No two images share a name: `+` stands for `/` and `@` for `:`, and neither occurs in an image name. Images
for another platform than linux/amd64 have it at the end: `docker.io+library+busybox@1.0+linux+arm64`.
"""

from pathlib import Path
from typing import Iterable, Optional

from wrappers.containers.reference import Reference
from wrappers.containers.udocker_format import stands_for

STORE = ".store"
USUAL_PLATFORM = "linux/amd64"


def directory_name(digest: str) -> str:
    """A digest as the name of a directory: CVMFS and proot take no colon."""
    return digest.replace(":", "-")


def path_for(containers: Path, digest: str) -> Path:
    """Where the container of an image lies, or would lie."""
    return containers / STORE / directory_name(digest)


def name_for(reference: Reference, platform: str = USUAL_PLATFORM) -> str:
    """The readable name beside the store."""
    place = f"{reference.host}/{reference.repository}".replace("/", "+").replace(":", "@")
    variant = "" if platform == USUAL_PLATFORM else "+" + platform.replace("/", "+")
    return place + "@" + (reference.tag or directory_name(reference.digest)) + variant


def find(directories: Iterable[str], reference: Reference, digest: str) -> Optional[Path]:
    """The first pre-deployed container that was made from this very image."""
    for directory in map(Path, directories):
        for path in (path_for(directory, digest), directory / name_for(reference)):
            if stands_for(path, digest):
                return path
    return None
