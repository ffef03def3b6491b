"""Choosing a runtime (a placeholder that knows `none` only, until the real one lands)."""

from wrappers import wire
from wrappers.runtimes import none
from wrappers.runtimes.base import Job, Launch, Unusable


def prepare(job: Job, node: wire.Node) -> Launch:
    """The first runtime of the order that can run this job here.

    Raises:
        Unusable: none can; the text says why.
        ImageError: the image cannot be had.
    """
    order = job.manifest.runtimes or node.runtimes
    if order != ["none"]:
        raise Unusable(f"no runtime among {', '.join(order)} is known to this wrapper")
    return none.prepare(job, node)
