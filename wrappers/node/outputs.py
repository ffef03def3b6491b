"""Finding what the tool wrote: every match, and nothing that lies outside the job directory."""

import glob
import os
from typing import List, NamedTuple, Tuple

from wrappers import wire
from wrappers.node import files
from wrappers.node.failure import Failure
from wrappers.node.names import inside, portable


class Found(NamedTuple):
    """One match of an output, in the job directory."""

    id: str
    name: str  # relative to the job directory, as Python knows it
    real: str  # resolved path, inside the job directory
    directory: bool


def find(wanted: List[wire.Output], directory: str) -> Tuple[List[Found], List[str]]:
    """Look for every output in a directory (a resolved path).

    Gives what is there, and the ids of required outputs that are not.


    A template that names an existing file is that file, also when it holds characters of a pattern:
    `scan[1].nii` is a fair name. Otherwise it is a glob, as in Boutiques, and every match counts.

    Raises:
        Failure: (tool) a match is a link that leaves the job directory, or neither file nor directory;
            (engine) a template leaves the job directory.
    """
    found: List[Found] = []
    missing: List[str] = []
    for output in wanted:
        names = _matches(output, directory)
        if not names and not output.optional:
            missing.append(output.id)
        found.extend(_accept(output.id, name, directory) for name in names)
    return found, missing


def _matches(output: wire.Output, directory: str) -> List[str]:
    path = inside(directory, output.path, f"output {output.id}:")
    if os.path.lexists(path):
        paths = [path]
    else:
        pattern = os.path.join(glob.escape(directory), os.path.relpath(path, directory))
        paths = sorted(glob.glob(pattern), key=os.fsencode)
    return [os.path.relpath(match, directory) for match in paths]


def _accept(identifier: str, name: str, root: str) -> Found:
    path = os.path.join(root, name)
    real = os.path.realpath(path)
    shown = portable(name)
    if not files.is_within(real, root):
        raise Failure(wire.TOOL, f"output {identifier}: {shown} is a link that leaves the job directory")
    if real == root:
        raise Failure(wire.TOOL, f"output {identifier}: {shown} is the job directory itself")
    if os.path.isdir(real):
        return Found(identifier, name, real, True)
    if os.path.isfile(real):
        return Found(identifier, name, real, False)
    if os.path.exists(real):
        raise Failure(wire.TOOL, f"output {identifier}: {shown} is neither a file nor a directory")
    raise Failure(wire.TOOL, f"output {identifier}: {shown} is a link that leads nowhere")
