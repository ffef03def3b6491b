"""udocker's own form of a container on disk, read and written: `udocker run` and we can use each other's.

As in udocker 1.3.17 (container/localrepo.py, container/structure.py): a directory with `ROOT` (the tree),
`container.json` (the image's configuration as the registry has it) and `imagerepo.name` (repository:tag).
We add `manifest.json`, the raw image manifest: its sha256 is the digest that the tree was made from. When it
was chosen from an index of several platforms, the raw index is there too, as `index.json`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from wrappers.containers import platforms
from wrappers.containers.errors import CorruptImage
from wrappers.containers.reference import DOCKER_HUB, Reference

ROOT = "ROOT"
_CONFIG = "container.json"
_NAME = "imagerepo.name"
_MANIFEST = "manifest.json"
_INDEX = "index.json"


class ImageConfig(NamedTuple):
    """The part of an image's configuration that says how to run it."""

    environment: Dict[str, str]
    entrypoint: List[str]
    workdir: str


def write(directory: Path, reference: Reference, config: bytes, manifest: bytes, index: bytes = b"") -> None:
    """Write the files beside ROOT."""
    document = _object(config)
    if not isinstance(document.get("config"), dict):  # udocker falls over without
        config = json.dumps(dict(document, config={})).encode("utf-8")
    (directory / _CONFIG).write_bytes(config)
    (directory / _NAME).write_text(_udocker_name(reference), encoding="utf-8")
    (directory / _MANIFEST).write_bytes(manifest)
    if index:
        (directory / _INDEX).write_bytes(index)


def settings(directory: Path) -> ImageConfig:
    """Read what a container directory says about how to run it.

    Raises:
        CorruptImage: it is no container directory, or what it says cannot be done.
    """
    try:
        document = _object((directory / _CONFIG).read_bytes())
    except OSError as error:
        raise CorruptImage(f"{directory} is no udocker container: {_CONFIG}: {error.strerror}") from None
    return settings_in(document)


def settings_in(document: Dict[str, Any]) -> ImageConfig:
    """Read what the configuration of an image says about how to run it.

    Raises:
        CorruptImage: no system could do so.
    """
    found = document.get("config") or document.get("container_config") or {}
    if not isinstance(found, dict):
        raise CorruptImage("its configuration is none of a container")
    entrypoint = found.get("Entrypoint")
    if isinstance(entrypoint, str):
        entrypoint = entrypoint.split()
    pairs = (entry.partition("=") for entry in _texts(found.get("Env"), "Env"))
    return ImageConfig(
        environment={name: value for name, _, value in pairs if name},
        entrypoint=_texts(entrypoint, "Entrypoint"),
        workdir=str(found.get("WorkingDir") or ""),
    )


def _texts(value: Any, name: str) -> List[str]:
    """Check a list of texts that a system can pass to a program."""
    texts = [] if value is None else value
    try:
        if isinstance(texts, list) and not any(
            b"\0" in text.encode("utf-8", "surrogateescape") for text in texts
        ):
            return texts
    except (AttributeError, UnicodeEncodeError):
        pass  # no text, or none that has bytes
    raise CorruptImage(f"{name} of its configuration is no list of texts that a program can be given")


def digest_of(directory: Path) -> str:
    """Read the digest of the image that a container directory of ours was made from; "" when it does not say.

    Raises:
        OSError: it is there, and cannot be read.
    """
    found = manifest(directory)
    return "sha256:" + hashlib.sha256(found).hexdigest() if found is not None else ""


def manifest(directory: Path) -> Optional[bytes]:
    """Read the manifest of the image that a container directory was made from; None when it does not say.

    Raises:
        OSError: it is there, and cannot be read.
    """
    return _read(directory / _MANIFEST)


def stands_for(directory: Path, digest: str) -> bool:
    """Say whether a container directory was made from this image, or chosen for this machine from this index.

    Raises:
        OSError: it is there, and cannot be read.
    """
    found = digest_of(directory)
    if found == digest or not found:
        return found == digest
    raw = _read(directory / _INDEX)
    if raw is None:
        return False
    if "sha256:" + hashlib.sha256(raw).hexdigest() != digest:
        return False
    listed = [entry for entry in _object(raw).get("manifests") or () if entry.get("digest") == found]
    here = platforms.read(platforms.platform())
    return any(
        platforms.order(platforms.described(entry.get("platform")), here) is not None for entry in listed
    )


def _read(path: Path) -> Optional[bytes]:
    """Read a file; None when it is not there."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _object(data: bytes) -> Dict[str, Any]:
    try:
        document = json.loads(data.decode("utf-8"))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CorruptImage("the image's configuration is no JSON object")
    return document


def _udocker_name(reference: Reference) -> str:
    host = "" if reference.host == DOCKER_HUB else reference.host + "/"
    return f"{host}{reference.repository}:{reference.tag or 'latest'}"
