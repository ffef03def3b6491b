"""Names of container images, read by Docker's rules.

The grammar is that of https://github.com/distribution/reference: `[host[:port]/]path[:tag][@digest]`. A first
part without a dot, colon or capital that is not `localhost` belongs to the path, and the host is docker.io.
"""

import re
from typing import List, NamedTuple, Tuple

from wrappers.containers.errors import InvalidReference

DOCKER_HUB = "docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_REPOSITORY = re.compile(f"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+-]*)://")
_LONGEST_NAME = 255  # of host and repository together
# What Boutiques descriptors write before a name that a registry serves; others (shub, library, oras) need
# another kind of service.
_REGISTRY_SCHEMES = ("docker", "http", "https")


class Reference(NamedTuple):
    """The name of an image in a registry."""

    host: str  # with its port, if it has one
    repository: str
    tag: str = ""  # "" only beside a digest
    digest: str = ""  # sha256:...; wins over the tag

    @property
    def text(self) -> str:
        """The normalised name, the same for every spelling."""
        tag = ":" + self.tag if self.tag else ""
        digest = "@" + self.digest if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"


def parse(text: str, index: str = "") -> Reference:
    """Read an image name.

    `index` is the Boutiques field of that name: a registry (`quay.io`, `docker://quay.io/team`), or just
    `docker://`. It counts only for names that do not begin with a host themselves.

    Raises:
        InvalidReference: it is not the name of an image in a registry.
    """
    name = _without_scheme(text.strip(), text)
    prefix = _without_scheme(index.strip(), index).strip("/")
    if prefix and not _begins_with_host(name):
        name = f"{prefix}/{name}"
    name, _, digest = name.partition("@")
    if digest and not is_digest(digest):
        raise _invalid(text, "a digest is sha256: and 64 small hexadecimal digits")
    name, tag = _split_tag(name)
    if tag and not _TAG.fullmatch(tag):
        raise _invalid(text, "a tag is up to 128 letters, digits, '_', '.' or '-'")
    if not tag and not digest:
        tag = "latest"
    host, repository = _split_host(name)
    if not _HOST.fullmatch(host):
        raise _invalid(text, f"{host!r} is no host")
    if not _REPOSITORY.fullmatch(repository):
        raise _invalid(text, "its parts are small letters and digits, joined by '.', '_' or '-'")
    if len(host) + 1 + len(repository) > _LONGEST_NAME:
        raise _invalid(text[:40] + "...", f"it is longer than {_LONGEST_NAME} characters")
    return Reference(host, repository, tag, digest)


def is_digest(text: str) -> bool:
    """Say whether `text` is a digest that we can verify."""
    return bool(_DIGEST.fullmatch(text))


def _without_scheme(name: str, text: str) -> str:
    found = _SCHEME.match(name)
    if not found:
        return name
    if found.group(1).lower() not in _REGISTRY_SCHEMES:
        raise _invalid(text, f"images of {found.group(1)}:// are not served by a container registry")
    return name[found.end() :].lstrip("/")


def _begins_with_host(name: str) -> bool:
    first, slash, _ = name.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost" or first.lower() != first)


def _split_host(name: str) -> Tuple[str, str]:
    if not _begins_with_host(name):
        return DOCKER_HUB, name if "/" in name else "library/" + name
    host, _, repository = name.partition("/")
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in repository:
        repository = "library/" + repository
    return host, repository


def _split_tag(name: str) -> Tuple[str, str]:
    path, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not tag:
        return name, ""  # `name:` is caught by the grammar
    return path + slash + last, tag


def _invalid(text: str, why: str) -> InvalidReference:
    return InvalidReference(f"image name {text!r} is not valid: {why}")


def site_names(reference: Reference) -> List[str]:
    """List what a site may call the image in its directory of images: VIP's <name>-<tag>, also as a SIF
    file.
    """
    name = f"{reference.repository.rpartition('/')[2]}-{reference.tag or 'latest'}"
    return [name, name + ".sif"]
