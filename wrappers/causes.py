"""The causes of failures: one table, which the wrapper, the engine and the documentation share.

A report names a cause; everything else follows from its row: the class (whose fault it is), how often the job
is tried again, whether it counts against the site, and what a person is told. The row that has the name of a
class is for what nobody has told apart yet. `tests/cli/test_causes.py` brings about each of them.
"""

import errno
from typing import Dict, NamedTuple

from wrappers import wire

NO, PERHAPS, YES = "no", "perhaps", "yes"  # whether a failure is the site's fault


class Cause(NamedTuple):
    """A row of the table of causes."""

    name: str  # as a report has it
    failure: str  # the class
    words: str  # what has happened, for a person
    remedy: str  # what to do about it
    again: int = 0  # how often the job is tried again after it
    delay: float = 0.0  # seconds before the first of these tries; doubled each time
    site: str = NO  # PERHAPS: it is when the same user's same image works elsewhere


def _node(name: str, words: str, remedy: str, site: str = YES) -> Cause:
    return Cause(name, wire.NODE, words, remedy, again=2, delay=1.0, site=site)


_TABLE = (
    # --- the application
    Cause(
        "tool",
        wire.TOOL,
        "the application ended with an exit code other than 0, or by a signal",
        "read `engine logs --stderr`; exit codes above 128 are 128 + the signal that ended the tool",
    ),
    Cause(
        "no-output",
        wire.TOOL,
        "the application ended well and did not write a required output",
        "compare `path-template` with what the tool wrote, or mark the output optional",
    ),
    Cause(
        "arguments-too-long",
        wire.TOOL,
        "the kernel takes no command line or environment of this length",
        "put long lists and texts into a file",
    ),
    # --- inputs
    Cause(
        "input",
        wire.INPUT,
        "an input could not be fetched, or cannot be what was asked for",
        "see the message; put the file back or name another, and retry",
    ),
    Cause(
        "input-changed",
        wire.INPUT,
        "an input has another size or checksum than when the request was planned",
        "submit again, or put the file back that was planned with",
    ),
    Cause(
        "input-transfer",
        wire.INPUT,
        "no storage that has the input delivered it",
        "see what was tried in `engine explain`, and retry when the storage works again",
        site=PERHAPS,
    ),
    # --- images
    Cause(
        "image",
        wire.IMAGE,
        "the image cannot be used",
        "see the message",
        again=2,
        delay=2.0,
    ),
    Cause(
        "image-missing",
        wire.IMAGE,
        "the registry answers, and has no such image for this platform",
        "correct the name in the descriptor, or push the image again",
    ),
    Cause(
        "image-denied",
        wire.IMAGE,
        "the registry refuses the credentials, or wants some",
        "give credentials by `docker login` or in the file of the setting `credentials`",
        again=2,
        delay=2.0,
    ),
    Cause(
        "registry-down",
        wire.IMAGE,
        "the registry does not answer, or allows no more requests now",
        "retry later, or have the image on CVMFS or behind a mirror (`mirrors`)",
        again=2,
        delay=30.0,
        site=PERHAPS,
    ),
    Cause(
        "registry-untrusted",
        wire.IMAGE,
        "the registry's certificate, or how it speaks TLS, is not accepted",
        "mend the registry, or name its authorities in `node.authorities`",
        again=2,
        delay=2.0,
        site=PERHAPS,
    ),
    Cause(
        "image-damaged",
        wire.IMAGE,
        "what came is not what its digest says, or is no image that can be unpacked",
        "push the image again; if it happens at one site only, its mirror or cache is at fault",
        again=2,
        delay=2.0,
    ),
    Cause(
        "image-platform",
        wire.IMAGE,
        "the program that the image starts is for another processor",
        "build the image for the processor of the nodes (`docker build --platform linux/amd64`)",
    ),
    Cause(
        "image-start",
        wire.IMAGE,
        "the image cannot start: its shell or entry point is missing, cannot be executed, wants a loader or "
        "interpreter that the image does not have, or has lines that end with CR LF",
        "mend the image; the message names the file",
    ),
    # --- nodes
    _node(
        "node",
        "something of the node does not work",
        "see the message; mend the machine and retry",
    ),
    _node(
        "no-runtime",
        "none of the container runtimes that are allowed works for this job on the node",
        "`engine doctor` says what is missing; `--runtime` names others",
    ),
    _node(
        "runtime-failed",
        "the container runtime did not start the tool",
        "see the message; another runtime may do (`--runtime`)",
    ),
    _node(
        "image-not-here",
        "the image is not on the node, and may not be fetched from a registry",
        "deploy it on CVMFS or in the directory of the setting `images`, or allow `pull`",
        site=PERHAPS,
    ),
    _node(
        "no-python",
        "the node has no Python from 3.6 on that can run the wrapper, not even without LD_LIBRARY_PATH",
        "install one, or name it in ENGINE_PYTHON",
    ),
    _node(
        "too-little-disk",
        "the node has less free space than the job needs",
        "make room, name another directory in `node.scratch`, or ask for less",
        site=PERHAPS,
    ),
    _node(
        "no-space",
        "the disk of the node is full, or its quota or its inodes are used up",
        "make room, or name another directory in `node.scratch` or `node.cache`",
    ),
    _node(
        "file-size",
        "a file became larger than the file system or the limit of the account allows",
        "raise the limit (`ulimit -f`), or use another file system for `node.scratch`",
        site=PERHAPS,
    ),
    _node(
        "cpu-time",
        "a process used the processor for longer than the limit of the account allows",
        "raise the limit (`ulimit -t`, or that of the batch system)",
        site=PERHAPS,
    ),
    _node(
        "names",
        "the file system does not take a name: too long, or with characters that it does not know",
        "name a directory of another file system in `node.cache` or `node.scratch`",
    ),
    _node(
        "read-only",
        "a directory that must be written is on a read-only file system",
        "name another directory in `node.scratch` or `node.cache`; a disk that became read-only is broken",
    ),
    _node(
        "forbidden",
        "the account may not do on this node what every job must do",
        "see the message for the file, and give the account permission",
    ),
    _node(
        "disk-error",
        "the disk or the network file system reports errors, or is not there any more",
        "have the machine looked at",
    ),
    _node(
        "mount",
        "the file system that has the image (CVMFS, NFS) does not answer or cannot be read, or the image is "
        "damaged there",
        "see the message for the file; mend the mount (its client, its cache, its server), or the image by "
        "`cvmfs-deploy add --again`. For an hour, jobs on this node pull the image instead",
    ),
    _node(
        "open-files",
        "too many files are open, in the process or on the node",
        "raise the limit (`ulimit -n`)",
    ),
    _node(
        "processes",
        "the node allows no further process or thread",
        "raise the limit (`ulimit -u`, or that of the batch system)",
    ),
    _node(
        "memory",
        "the node has no memory left for the wrapper, or its address space is limited",
        "raise the limit (`ulimit -v`, or that of the batch system)",
    ),
    _node(
        "no-network",
        "the node has no network, or its name service does not answer",
        "have the image on CVMFS or in the cache of the node, or mend its network",
    ),
    # --- limits, results, and the rest
    Cause(
        "limit",
        wire.LIMIT,
        "the wall time, memory, disk or number of processes that the job may have was exceeded",
        "give it more (`--memory`, `--wall`, or `suggested-resources` of the descriptor) in a new request; "
        "more disk and processes are in the settings `limits`",
    ),
    Cause(
        "output",
        wire.OUTPUT,
        "a result could not be delivered; it is kept on the node",
        "see the message; put `{job}` into `--results-name` when two jobs write the same name. What could "
        "not be delivered is still on the node, where the message says, until a person removes it",
        site=PERHAPS,
    ),
    Cause(
        "results-full",
        wire.OUTPUT,
        "the disk of the results is full, or its quota is used up: no node and no other try does better",
        "make room and retry. What could not be delivered is still on the node, where the message says",
    ),
    Cause(
        "cancelled",
        wire.CANCELLED,
        "somebody asked for the end",
        "`engine retry` brings it back",
    ),
    Cause(
        "engine",
        wire.ENGINE,
        "a defect of our own",
        "please report it, with what `engine explain` and `engine logs --debug` say",
    ),
    Cause(
        "lost",
        "lost",
        "the back-end no longer knows the job, or no valid report came back",
        "the machine or the wrapper died: look into `server.log` of the spool, and for what kills processes "
        "(memory); at DIRAC, see its own history at the end of `engine explain`",
        again=2,
        delay=1.0,
        site=PERHAPS,
    ),
    Cause(
        "rejected",
        "rejected",
        "the back-end did not take the job",
        "the message is the back-end's own",
    ),
    Cause(
        "stranded",
        "stranded",
        "the tool ran well; its results are on a storage that has not answered for `data.delivery_timeout` "
        "seconds",
        "`engine retry` commits them once it answers, without running the tool again. If the "
        "storage has lost them, that retry fails (`output`), and the next one runs the tool",
    ),
)

CAUSES: Dict[str, Cause] = {cause.name: cause for cause in _TABLE}

LIMITS: Dict[int, str] = {
    errno.ENOSPC: "no-space",
    errno.EDQUOT: "no-space",
    errno.EFBIG: "file-size",
    errno.EMLINK: "node",
    errno.ENAMETOOLONG: "names",
    errno.EILSEQ: "names",
    errno.EROFS: "read-only",
    errno.EIO: "disk-error",
    errno.ESTALE: "disk-error",
    errno.ENOTCONN: "disk-error",
    errno.ENODEV: "disk-error",
    errno.ENXIO: "disk-error",
    errno.EUCLEAN: "disk-error",
    errno.EREMOTEIO: "disk-error",
    errno.EMFILE: "open-files",
    errno.ENFILE: "open-files",
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "memory",
    errno.ENETUNREACH: "no-network",
    errno.ENETDOWN: "no-network",
    -3: "no-network",  # socket.EAI_AGAIN: the name service does not answer
}
"""Limits of a node or its file systems, by what the system says. They are nobody else's fault, wherever they
are met."""


def of_limit(error: BaseException) -> str:
    """Return the cause when an exception is about a limit of the node; "" when it is about anything else."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, ImportError) and not (error.name or "").startswith("wrappers"):
        return "no-python"  # without a part of the standard library
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "processes"  # Python has no exception of its own for it
    return LIMITS.get(error.errno or 0, "") if isinstance(error, OSError) else ""
