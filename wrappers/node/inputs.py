"""Bringing a job's inputs into its directory: copied, since tools change their inputs, and verified."""

import os
from typing import Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from wrappers import wire
from wrappers.containers.timed import responds
from wrappers.node import files
from wrappers.node.earlier_results import MergedTree, apart, merge
from wrappers.node.failure import AttemptFailed, from_os
from wrappers.node.names import file_path, inside, native, portable, to_url

_MOST_REPORTED = 100  # lines about what was left out of a directory


class StageIn(NamedTuple):
    """The inputs in the job directory."""

    staged: List[wire.Staged]
    sums: Dict[str, str]  # the sha256 of every file, by its name in the job directory
    earlier: Optional[MergedTree] = None  # results of earlier jobs, where there are any


def stage(manifest: wire.Manifest, directory: str, node: wire.Node, claim: str, beside: str) -> StageIn:
    """Fetch and verify every input of the manifest; `claim` is what its exchange wants, and in the directory
    `beside` lies what travels with the manifest.

    Raises:
        Failure: (input) one cannot be had or is not what the manifest says; (node) the disk is full;
            (engine) two inputs have one name, or a name leaves the directory.
    """
    named = apart(manifest.inputs)
    _refuse_same_names(named)
    targets = {wanted.name: _target(wanted, directory) for wanted in named}
    inputs = [_located(wanted, beside) for wanted in named]
    far = [wanted for wanted in inputs if not _is_plain(wanted)]
    staged: Dict[str, wire.Staged] = {}
    sums: Dict[str, str] = {}
    for wanted in inputs:
        if _is_plain(wanted):
            _claim_name(wanted, targets[wanted.name])
            staged[wanted.name], here = _copy(wanted, targets[wanted.name])
            sums.update(here)
    if far:
        from wrappers.node import remote_inputs  # jobs whose files are all here need not load it

        for wanted in far:
            _claim_name(wanted, targets[wanted.name])
        found = remote_inputs.fetch(far, targets, os.path.dirname(directory), manifest, node, claim)
        for one, here in found:
            staged[one.name] = one
            sums.update(here)
    reported = [_as_reported(staged[own.name], wanted) for own, wanted in zip(named, manifest.inputs)]
    if not any(wanted.merged for wanted in manifest.inputs):
        return StageIn(reported, sums)
    earlier = merge(manifest.inputs, directory, sums)
    return StageIn(reported, {**sums, **earlier.sums}, earlier)


def _located(wanted: wire.Input, beside: str) -> wire.Input:
    """Return an input with the URL where it is on this machine, if it travelled."""
    name = wire.travelling(wanted)
    return wanted._replace(url=to_url(os.path.join(beside, os.path.basename(name)))) if name else wanted


def _as_reported(staged: wire.Staged, wanted: wire.Input) -> wire.Staged:
    """Describe an input for the report: of one that travelled, that it did."""
    staged = staged._replace(name=wanted.name)
    return staged._replace(url=wanted.url) if wire.travelling(wanted) else staged


def _refuse_same_names(inputs: List[wire.Input]) -> None:
    names = set()
    for wanted in inputs:
        if wanted.name in names:
            raise AttemptFailed(wire.ENGINE, f"input {wanted.id}: the name {wanted.name} is already taken")
        names.add(wanted.name)


def _is_plain(wanted: wire.Input) -> bool:
    """Say whether it is a file or directory of this machine, and nothing but that."""
    other_sums = wanted.sha256 is None and (wanted.adler32 or wanted.md5)
    return urlsplit(wanted.url).scheme == "file" and not (wanted.replicas or wanted.packed or other_sums)


def _target(wanted: wire.Input, directory: str) -> str:
    return inside(directory, wanted.name, f"input {wanted.id}:")


def _claim_name(wanted: wire.Input, target: str) -> None:
    """See that a name is free, and that its directory is there."""
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
    except OSError as error:
        raise from_os(error, wire.INPUT, f"making a directory for input {wanted.id}") from None
    if os.path.lexists(target):
        raise AttemptFailed(wire.ENGINE, f"input {wanted.id}: the name {wanted.name} is already taken")


def _copy(wanted: wire.Input, target: str) -> Tuple[wire.Staged, Dict[str, str]]:
    try:
        source = file_path(wanted.url)
    except ValueError as error:
        raise AttemptFailed(wire.INPUT, f"input {wanted.id}: {error}") from None
    left_out: List[str] = []
    if not responds(os.path.dirname(source)):
        raise AttemptFailed("disk-error", f"input {wanted.id}: the file system of {source} does not answer")
    try:
        if os.path.isdir(source):
            tree = files.walk(source, keep_links=True)
            left_out = tree.left_out[:_MOST_REPORTED]
            held = files.copy_tree(tree, target)
            sha256, size, sums = held.sha256(), held.size, held.below(native(wanted.name))
        elif os.path.exists(source) and not os.path.isfile(source):
            raise AttemptFailed(
                wire.INPUT, f"input {wanted.id}: {wanted.url} is neither a file nor a directory"
            )
        else:
            sha256, size = files.copy(source, target)
            sums = {native(wanted.name): sha256}
    except files.TooDeep as error:
        raise AttemptFailed(wire.INPUT, f"input {wanted.id}: {wanted.url} {error}") from None
    except OSError as error:
        doing = f"fetching input {wanted.id} from {wanted.url}"
        if isinstance(error.filename, str) and error.filename.startswith(source + "/"):
            doing += f", {portable(os.path.relpath(error.filename, source))}"
        raise from_os(error, wire.INPUT, doing) from None
    staged = wire.Staged(wanted.id, wanted.url, wanted.name, size, sha256, left_out=left_out)
    _verify(wanted, staged)
    return staged, sums


def _verify(wanted: wire.Input, staged: wire.Staged) -> None:
    if wanted.size is not None and wanted.size != staged.size:
        raise AttemptFailed(
            "input-changed",
            f"input {wanted.id}: {wanted.url} has {staged.size} bytes, but {wanted.size} were planned",
        )
    if wanted.sha256 is not None and wanted.sha256 != staged.sha256:
        raise AttemptFailed(
            "input-changed",
            f"input {wanted.id}: {wanted.url} has sha256 {staged.sha256}, but {wanted.sha256} was planned",
        )
