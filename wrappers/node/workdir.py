"""The directories of one attempt, and what we write there before the tool starts."""

import json
import os
from typing import NamedTuple

from wrappers import wire
from wrappers.containers.timed import responds
from wrappers.node import profile
from wrappers.node.failure import AttemptFailed, from_os
from wrappers.node.names import inside

SCRIPT = f"{wire.OWN}command"


class WorkDir(NamedTuple):
    """The directories of one attempt; only its owner can enter them."""

    top: str  # with the runtime's own files
    job: str
    tmp: str


def make(manifest: wire.Manifest, scratch: str) -> WorkDir:
    """Make the directories under `scratch`.

    Raises:
        Failure: (node) they cannot be made, or there is less room than the job needs.
    """
    if not responds(scratch):
        raise AttemptFailed(
            "disk-error", f"{scratch}, where job directories are made (`scratch`), does not answer"
        )
    try:
        os.makedirs(scratch, exist_ok=True)
        wanted = manifest.limits.disk
        room = free(scratch)
        if wanted is not None and room < wanted:
            raise AttemptFailed("too-little-disk", f"{scratch} has {room} bytes free; the job needs {wanted}")
        top = os.path.join(os.path.realpath(scratch), manifest.attempt)
        os.mkdir(top, 0o700)
        workdir = WorkDir(top, os.path.join(top, "job"), os.path.join(top, "tmp"))
        os.mkdir(workdir.job)
        os.mkdir(workdir.tmp)
    except OSError as error:
        raise from_os(error, wire.NODE, f"making the job directory under {scratch}") from None
    return workdir


def write_files(workdir: WorkDir, manifest: wire.Manifest) -> None:
    """Write the job's own files: configuration files, the invocation, the command as a script.

    Raises:
        Failure: (engine) a name leaves the job directory; (node) the disk is full.
    """
    try:
        for file in manifest.files:
            path = inside(workdir.job, file.path, "configuration file")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, file.text)
        invocation = os.path.join(workdir.job, "input_params.json")
        if not os.path.lexists(invocation):  # an input of this name is the user's own wish
            _write(invocation, json.dumps(manifest.invocation))
        _write(os.path.join(workdir.job, SCRIPT), script(manifest))
    except OSError as error:
        raise from_os(error, wire.NODE, "writing the job's own files") from None


def script(manifest: wire.Manifest) -> str:
    """Give the text that `manifest.shell` runs. On the bare node nobody asked for a login."""
    text = manifest.command + "\n"
    return text if manifest.image is None or manifest.shell != "/bin/sh" else profile.READ + text


def free(path: str) -> int:
    """Bytes that we may still write where `path` is."""
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
