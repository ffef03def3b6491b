"""Delivering results: each whole or not at all, verified, and never lost while any destination takes them."""

import os
from typing import List, NamedTuple, Optional
from urllib.parse import urlsplit

from wrappers import wire
from wrappers.node import files, local_results
from wrappers.node.failure import AttemptFailed
from wrappers.node.names import file_path
from wrappers.node.outputs import OutputMatch


class Delivered(NamedTuple):
    """The results of a delivery: what went where."""

    products: List[wire.DeliveredOutput]
    left_out: List[str]  # sentences for everything inside directories that was left out


def deliver(
    found: List[OutputMatch], directory: str, manifest: wire.Manifest, node: wire.Node, into: str, claim: str
) -> Delivered:
    """Bring all that was found in a directory (a resolved path) to where it belongs: to `outputs_to`, and
    what that does not take to the first of `outputs_also` that does. What two outputs name goes once.

    Results that only fit beside the report are put `into` its directory; `claim` is what the manifest's
    exchange wants.

    Raises:
        Failure: (output) no destination takes them; (tool) a result has too many levels.
    """
    if not found:
        return Delivered([], [])
    trouble: Optional[AttemptFailed] = None
    if urlsplit(manifest.outputs_to).scheme == "file":
        try:
            return Delivered(*local_results.move_all(found, directory, manifest.outputs_to))
        except AttemptFailed as error:
            if not manifest.outputs_also:
                raise
            trouble = error
            found = _where_they_are(found, manifest.outputs_to)
    from wrappers.node import remote_results  # jobs whose results stay here need not load it

    return Delivered(
        *remote_results.deliver(
            [(one, _tree(one, directory)) for one in found], manifest, node, into, claim, trouble
        )
    )


def _where_they_are(found: List[OutputMatch], outputs_to: str) -> List[OutputMatch]:
    """Find where the files are: some were moved before the storage failed."""
    try:
        target = file_path(outputs_to)
    except ValueError:
        return found
    moved = [(one, os.path.join(target, one.name)) for one in found]
    return [one if os.path.lexists(one.real) else one._replace(real=there) for one, there in moved]


def _tree(one: OutputMatch, directory: str) -> Optional[files.ListedTree]:
    return local_results.tree_of(one, directory if files.is_within(one.real, directory) else None)
