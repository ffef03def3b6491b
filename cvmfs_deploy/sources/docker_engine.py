"""Images of a local Docker engine: built here, or pulled with it, and in no registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cvmfs_deploy.sources.archive import ArchiveSource
from wrappers.containers.errors import ImageMissing, UnsuitableNode
from wrappers.containers.reference import Reference


@contextmanager
def from_docker(reference: Reference, work: Path) -> Iterator[ArchiveSource]:
    """Have the engine save the image into a file that is removed after the block.

    Raises:
        ImageMissing: the engine has no such image.
        UnsuitableNode: there is no engine that we may talk to, or no space.
    """
    import docker  # slow to load, and only asked for by name
    from docker import errors

    try:
        client = docker.from_env()
        try:
            image = client.images.get(_familiar(reference))
            with TemporaryDirectory(prefix="docker-", dir=work) as directory:
                path = Path(directory, "image.tar")
                with open(path, "wb") as file:
                    for chunk in image.save(named=_familiar(reference)):
                        file.write(chunk)
                source = ArchiveSource(path, "docker")
                try:
                    yield source
                finally:
                    source.close()
        finally:
            client.close()
    except errors.ImageNotFound:
        raise ImageMissing(f"the Docker engine has no image {_familiar(reference)}") from None
    except errors.DockerException as error:
        raise UnsuitableNode(f"the Docker engine cannot be used: {error}") from None


def _familiar(reference: Reference) -> str:
    """Return the name as the engine lists it: without docker.io and library."""
    host = "" if reference.host == "docker.io" else reference.host + "/"
    repository = reference.repository.removeprefix("library/") if not host else reference.repository
    return f"{host}{repository}:{reference.tag}"
