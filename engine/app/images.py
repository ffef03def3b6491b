"""From the image that a descriptor names to the digest that runs, settled when the execution is planned."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from engine.domain.file_urls import to_path, to_url
from engine.domain.tool import Tool
from engine.errors import BadRequest, CredentialExpired, EngineError, SettingsError, Unavailable
from engine.planning.vip_keys import IMAGE_PATH
from engine.settings.node import NodeSettings
from wrappers import wire
from wrappers.containers import (
    credentials,
    cvmfs,
    errors,
    manifests,
    platforms,
    reference,
    registry,
    udocker_format,
)
from wrappers.containers.reference import Reference
from wrappers.containers.transport import RetryBudget

REGISTRY_BUDGET = RetryBudget(tries=3, first_wait=0.5, timeout=10.0)
"""For a person who waits: a registry that is down is told after seconds, not after minutes."""
CVMFS_BUDGET = RetryBudget(tries=1, timeout=5.0)
"""For what need not be known."""

_sha256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})").fullmatch


@dataclass(frozen=True, slots=True)
class Pinned:
    """An image, and who said which one it is."""

    image: wire.Image
    by: str
    """What knew the digest, for people."""
    warnings: tuple[str, ...] = ()


def pin(tool: Tool, node: NodeSettings, source: str) -> Pinned | None:
    """Settle which image runs; `source` names the descriptor. None for a tool without an image.

    A digest in the name is taken as it is; else a pre-deployed container of that name; else the registry (its
    mirrors first) says what the name means today. What the registry tells is read: an image for another
    platform, or what is no container image, is refused. An image that sites keep by its name needs none of
    that: then nothing says which bytes it holds.

    Raises:
        BadRequest: the name is wrong, there is no such image, or a root file system cannot be verified.
        Unavailable: the registry does not answer.
        CredentialExpired: the registry wants other credentials.
    """
    if tool.image is None:
        return None
    if tool.image.type == "rootfs":
        return _root_file_system(tool.image.url, tool.image.hash or "", source)
    path = tool.custom.get(IMAGE_PATH, "")
    path = path if isinstance(path, str) else ""
    warnings = _unreachable(path, node)
    try:
        name = reference.parse(tool.image.image, index=tool.image.index or "")
    except errors.InvalidReference as error:
        raise BadRequest(f"{source}: container-image.image: {error}") from None
    if name.digest:
        deployed = cvmfs.find(node.cvmfs, name, name.digest)
        size = _look_at(name, node, source) if deployed.found is None else None
        image = wire.Image(name.text, name.digest, size, path=path)
        return Pinned(image, "the digest in its name", (*warnings, *_not_asked(deployed)))
    deployed = cvmfs.search(node.cvmfs, [cvmfs.name_for(name)], udocker_format.manifest)
    notes = (*warnings, *_not_asked(deployed))
    if deployed.found is not None:
        digest = "sha256:" + hashlib.sha256(deployed.asked).hexdigest()
        return Pinned(wire.Image(name.text, digest, path=path), str(deployed.found), notes)
    location = path if path and not warnings else _kept_here(name, node)
    try:
        asked = _ask_registry(name, node, path, CVMFS_BUDGET if location else REGISTRY_BUDGET)
        return replace(asked, warnings=(*notes, *asked.warnings))
    except (errors.ImageMissing, errors.NoImage, EngineError) as error:
        if location:  # whatever the registry answers, it is not needed
            return Pinned(
                wire.Image(name.text, "", path=location), f"nobody; jobs need it at {location}", notes
            )
        if deployed.troubles:  # the image may lie there, and nowhere else
            raise Unavailable(
                "; ".join([f"{source}: container-image.image: {error}", *deployed.troubles]),
                remedy="mend the mount, or see to the name and the registry",
            ) from None
        if isinstance(error, EngineError):
            raise
        raise BadRequest(f"{source}: container-image.image: {error}") from None


def _not_asked(search: cvmfs.Search) -> tuple[str, ...]:
    """Give a warning for each directory of pre-deployed containers that could not be asked."""
    return tuple(f"{trouble}; the image is pulled" for trouble in search.troubles)


def _unreachable(path: str, node: NodeSettings) -> tuple[str, ...]:
    """Warn when nodes set up like ours would not look at this path."""
    top = Path(node.images) if node.images else None
    wanted = Path(os.path.normpath((top or Path("/")) / path)) if path else None
    tops = [Path("/cvmfs"), *([top] if top else [])]
    if wanted is None or any(
        directory in wanted.parents for directory in tops if top or path.startswith("/")
    ):
        return ()
    text = f"custom {IMAGE_PATH} {path}: ignored; images lie below the setting node.images or /cvmfs"
    return (f"{text}, and this one is found by its name",)


def _look_at(name: Reference, node: NodeSettings, source: str) -> int | None:
    """See that an image named by its digest can run, where the registry tells; its size then.

    The digest says which image runs: a registry that does not answer, or not us, is no obstacle.
    """
    try:
        logins = credentials.load(node.credentials)
        client = registry.RegistryClient(node.mirrors, logins, CVMFS_BUDGET, authorities=node.authorities)
        return _runnable(client, name).size
    except (errors.WrongPlatform, errors.NoImage) as error:
        raise BadRequest(f"{source}: container-image.image: {error}") from None
    except errors.ContainerError:
        return None


def _runnable(client: registry.RegistryClient, name: Reference) -> manifests.Resolved:
    """Resolve the image of a name, whose manifest and configuration say that it runs here."""
    resolved = client.resolve(name)
    manifests.diff_ids_of(client.config(resolved), resolved, platforms.platform())
    return resolved


def _kept_here(name: Reference, node: NodeSettings) -> str:
    """Find what an image is called in the directory of this site's images; "" when it is not there."""
    directories = [node.images] if node.images else []
    found = cvmfs.search(directories, reference.site_names(name), os.path.exists).found
    return found.name if found is not None else ""


def _ask_registry(name: Reference, node: NodeSettings, path: str, retry_budget: RetryBudget) -> Pinned:
    try:
        logins = credentials.load(node.credentials)
    except errors.UnsuitableNode as error:
        raise SettingsError(f"setting node.credentials: {error}") from None
    try:
        client = registry.RegistryClient(node.mirrors, logins, retry_budget, authorities=node.authorities)
        resolved = _runnable(client, name)
    except (errors.ImageMissing, errors.NoImage):
        raise
    except errors.AccessDenied as error:
        raise CredentialExpired(str(error), remedy="see the setting node.credentials") from None
    except errors.UnsuitableNode as error:
        raise SettingsError(str(error)) from None
    except errors.Distrusted as error:
        raise Unavailable(str(error), remedy="see the setting node.authorities") from None
    except errors.ContainerError as error:
        remedy = f"try later, name the image by its digest ({name.host}/{name.repository}@sha256:...), "
        raise Unavailable(str(error), remedy=remedy + "or set a mirror in node.mirrors") from None
    image = wire.Image(name.text, resolved.digest, resolved.size, path=path)
    return Pinned(image, f"registry {name.host}", _too_large(resolved.size, node))


def _too_large(size: int, node: NodeSettings) -> tuple[str, ...]:
    """Warn of an image for which the image cache has no room even when it is empty."""
    limit = node.cache_size
    if limit is None or size <= limit:
        return ()
    return (f"the image has {size / 1e6:.0f} MB, more than the {limit / 1e6:.0f} MB of node.cache_size",)


def _root_file_system(url: str, stated: str, source: str) -> Pinned:
    """Pin the tarball of a rootfs image; its sha256 is its digest."""
    where = f"{source}: container-image.url {url}"
    scheme = urlsplit(url).scheme if "://" in url or url.startswith("file:") else ""
    found = _sha256(stated.strip()) if stated else None
    if stated and not found:
        raise BadRequest(
            f"{source}: container-image.container-hash: {stated!r} is not a sha256",
            remedy="write the 64 hexadecimal digits that sha256sum prints",
        )
    if scheme in ("http", "https"):
        if not found:
            raise BadRequest(
                f"{where}: nothing says which bytes are meant",
                remedy="give the tarball's sha256 as container-image.container-hash",
            )
        return Pinned(wire.Image(url, f"sha256:{found[1].lower()}", url=url), "container-hash")
    if scheme not in ("", "file"):
        raise BadRequest(f"{where}: {scheme}: cannot be fetched", remedy="use file:, http: or https:")
    path = to_path(url) if scheme else Path(url).expanduser().absolute()
    try:
        with path.open("rb") as file:
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
    except OSError as error:
        raise BadRequest(f"{where}: {error.strerror}") from None
    if found and found[1].lower() != digest:
        raise BadRequest(f"{where} has sha256 {digest}, and container-hash says {found[1].lower()}")
    where_now = to_url(path)
    return Pinned(wire.Image(where_now, f"sha256:{digest}", size, url=where_now), str(path))
