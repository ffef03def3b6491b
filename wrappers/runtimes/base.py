"""What the node code asks of a container runtime."""

from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from wrappers import wire


class Unusable(Exception):
    """A runtime that cannot run this job here; the text says why. The next in the order is tried."""

    def __init__(self, message: str, cause: str = "no-runtime") -> None:
        super().__init__(message)
        self.cause = cause  # in wrappers.causes


class ImageError(Exception):
    """The image cannot be had, is another one, or cannot start. No runtime would do better."""

    def __init__(self, message: str, cause: str = "image") -> None:
        super().__init__(message)
        self.cause = cause  # in wrappers.causes


class UnreadableImage(Exception):
    """The image's tree, which is not the node's own, cannot be read: the image must come from elsewhere."""


class JobSpec(NamedTuple):
    """The facts of a job that a runtime must know to start it."""

    manifest: wire.Manifest
    directory: Path  # writable, holds the inputs; the tool's current directory, same path inside
    tmp: Path  # becomes /tmp and /var/tmp inside
    private: Path  # for the runtime's own files (overlay, copies); removed with the job
    script: Path  # the command line as a file inside `directory`, to be run by manifest.shell


class ToolStart(NamedTuple):
    """The way to start the tool: the caller forks, calls `enter` in the child, then executes `argv`.

    `enter` may itself fork (a process that relays the exit status stays behind). The exit status of
    the child is exactly the tool's: its code, or death by the signal that ended it.
    """

    argv: List[str]
    environment: Dict[str, str]
    cwd: Path
    used: wire.RuntimeUsed
    enter: Optional[Callable[[], None]] = None
    kill: Optional[Callable[[], None]] = None  # extra step to end the tool (docker: by the engine)
    started: Optional[Callable[[], bool]] = None  # after the end: did the tool itself ever start?
    excess: Optional[Callable[[], str]] = None  # after the end: words when its memory limit ended the tool
    cleanup: Optional[Callable[[], None]] = None
    beside: Sequence[int] = ()  # processes that we have for more than this tool: children of the caller
    mount: str = ""  # a network file system that the tool runs from
    damage: Optional[Callable[[bool], str]] = None  # after a failure: what is wrong with the tree there
    distrust: Optional[Callable[[str], None]] = (
        None  # note that it did not answer: the next job takes another
    )
