"""Finding what the tool wrote: every match, and nothing that lies outside the job directory.

What was there before the tool started matches a template without wildcards only, unless the tool changed it:
an input is no result because its name looks like one.
"""

import glob
import os
from typing import List, Mapping, NamedTuple, Tuple

from wrappers import wire
from wrappers.node import files
from wrappers.node.failure import AttemptFailed
from wrappers.node.names import inside, portable
from wrappers.node.staged import EarlierMatches, has_wildcard


class OutputMatch(NamedTuple):
    """A match of an output, in the job directory."""

    id: str
    name: str  # relative to the job directory, as Python knows it
    real: str  # resolved path, inside the job directory
    directory: bool


class Missing(NamedTuple):
    """A required output that the tool did not write."""

    id: str
    staged: List[str]  # what matches it and was there before

    def __str__(self) -> str:
        if not self.staged:
            return self.id
        return f"{self.id} ({self.staged[0]} was there before, and the tool did not change it)"


def staged(wanted: List[wire.Output], directory: str, sums: Mapping[str, str], script: str) -> EarlierMatches:
    """Note what matches templates with wildcards before the tool starts; the file `script` is no part of it.

    `sums` are the checksums that are known of files, by their names in the directory (a resolved path).
    """
    patterns = [output for output in wanted if has_wildcard(output.path)]
    names = {name for output in patterns for names in _readings(output, directory) for name in names}
    path = os.path.join(directory, script)
    os.utime(path)  # what time this file system has now
    return EarlierMatches(directory, names - {script}, sums, os.stat(path).st_ctime_ns)


def find(
    wanted: List[wire.Output], directory: str, before: EarlierMatches
) -> Tuple[List[OutputMatch], List[Missing]]:
    """Look for every output in a directory (a resolved path), where `before` was staged.

    A template that names an existing file is that file, also when it holds characters of a pattern:
    `scan[1].nii` is a fair name. Otherwise it is a glob, as in Boutiques, and every match counts.

    Raises:
        Failure: (tool) a match is a link that leaves the job directory, neither file nor directory, or has a
            name that is not UTF-8; (engine) a template leaves the job directory.
    """
    found: List[OutputMatch] = []
    missing: List[Missing] = []
    for output in wanted:
        readings = _readings(output, directory)
        written = [before.written(names) for names in readings] if has_wildcard(output.path) else readings
        names = next(filter(None, written), [])
        if not names and not output.optional:
            missing.append(Missing(output.id, [portable(name) for names in readings for name in names]))
        found.extend(_accept(output.id, name, directory) for name in names)
    return found, missing


def _readings(output: wire.Output, directory: str) -> List[List[str]]:
    """List what a template matches as a name, and as a pattern."""
    path = inside(directory, output.path, f"output {output.id}:")
    pattern = os.path.join(glob.escape(directory), os.path.relpath(path, directory))
    matches = [[path] if os.path.lexists(path) else [], sorted(glob.glob(pattern), key=os.fsencode)]
    return [[os.path.relpath(match, directory) for match in paths] for paths in matches]


def _accept(identifier: str, name: str, root: str) -> OutputMatch:
    path = os.path.join(root, name)
    real = os.path.realpath(path)
    shown = portable(name).encode("utf-8", "backslashreplace").decode("utf-8")
    if shown != portable(name):
        raise AttemptFailed(
            wire.TOOL, f"output {identifier}: {shown}: its name is not UTF-8, so no storage takes it"
        )
    if not files.is_within(real, root):
        raise AttemptFailed(
            wire.TOOL, f"output {identifier}: {shown} is a link that leaves the job directory"
        )
    if real == root:
        raise AttemptFailed(wire.TOOL, f"output {identifier}: {shown} is the job directory itself")
    if os.path.isdir(real):
        return OutputMatch(identifier, name, real, True)
    if os.path.isfile(real):
        return OutputMatch(identifier, name, real, False)
    if os.path.exists(real):
        raise AttemptFailed(wire.TOOL, f"output {identifier}: {shown} is neither a file nor a directory")
    raise AttemptFailed(wire.TOOL, f"output {identifier}: {shown} is a link that leads nowhere")
