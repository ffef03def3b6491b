"""Bringing a job's inputs into its directory: copied, since tools change their inputs, and verified."""

import os
from typing import Callable, Dict, List
from urllib.parse import unquote, urlsplit

from wrappers import wire
from wrappers.node import files
from wrappers.node.failure import Failure, from_os
from wrappers.node.names import inside, native


def stage(manifest: wire.Manifest, directory: str) -> List[wire.Staged]:
    """Fetch and verify every input of the manifest.

    Raises:
        Failure: (input) one cannot be had or is not what the manifest says; (node) the disk is full;
            (engine) two inputs have one name, or a name leaves the directory.
    """
    return [_stage_one(wanted, directory) for wanted in manifest.inputs]


def _stage_one(wanted: wire.Input, directory: str) -> wire.Staged:
    target = inside(directory, wanted.name, f"input {wanted.id}:")
    scheme = urlsplit(wanted.url).scheme
    fetch = FETCHERS.get(scheme)
    if fetch is None:
        known = ", ".join(sorted(FETCHERS))
        raise Failure(
            wire.INPUT, f"input {wanted.id}: this wrapper fetches {known} URLs, not {scheme or wanted.url}"
        )
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.lexists(target):
            raise Failure(wire.ENGINE, f"input {wanted.id}: the name {wanted.name} is already taken")
        staged = fetch(wanted, target)
    except OSError as error:
        raise from_os(error, wire.INPUT, f"fetching input {wanted.id} from {wanted.url}") from None
    _verify(wanted, staged)
    return staged


def _verify(wanted: wire.Input, staged: wire.Staged) -> None:
    if wanted.size is not None and wanted.size != staged.size:
        raise Failure(
            wire.INPUT,
            f"input {wanted.id}: {wanted.url} has {staged.size} bytes, but {wanted.size} were planned",
        )
    if wanted.sha256 is not None and wanted.sha256 != staged.sha256:
        raise Failure(
            wire.INPUT,
            f"input {wanted.id}: {wanted.url} has sha256 {staged.sha256}, but {wanted.sha256} was planned",
        )


def file_path(url: str) -> str:
    """The path that a `file:` URL names on this machine.

    Raises:
        ValueError: it names another machine, or no absolute path.
    """
    parts = urlsplit(url)
    # A bare "?" or "#" is part of a file's name, not of a query: only the path was percent-encoded.
    tail = url[len("file:") :]
    if tail.startswith("//"):
        tail = tail[2 + len(parts.netloc) :]
    if parts.netloc not in ("", "localhost") or not tail.startswith("/"):
        raise ValueError(f"{url} names no file of this machine (file:///path is needed)")
    return native(unquote(tail, "utf-8", "surrogateescape"))


def _fetch_file(wanted: wire.Input, target: str) -> wire.Staged:
    try:
        source = file_path(wanted.url)
    except ValueError as error:
        raise Failure(wire.INPUT, f"input {wanted.id}: {error}") from None
    if os.path.isdir(source):
        tree = files.walk(source)
        if tree.left_out:
            raise Failure(wire.INPUT, f"input {wanted.id}: {wanted.url} holds {tree.left_out[0]}")
        sha256, size = files.copy_tree(tree, target)
    elif os.path.exists(source) and not os.path.isfile(source):
        raise Failure(wire.INPUT, f"input {wanted.id}: {wanted.url} is neither a file nor a directory")
    else:
        sha256, size = files.copy(source, target)
    return wire.Staged(wanted.id, wanted.url, wanted.name, size, sha256)


FETCHERS: Dict[str, Callable[[wire.Input, str], wire.Staged]] = {"file": _fetch_file}
