"""What each runtime lets a hostile tool get hold of: the suite holds it, and the docs show it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile.tool import ATTACKS, STAYS

RUNTIMES: Mapping[str, str] = {
    "userns": "user namespaces",
    "docker": "Docker",
    "udocker": "udocker (proot)",
    "none": "no container",
}
ACCOUNTS: Mapping[str, str] = {"root": "root", "user": "an ordinary user"}
"""Who runs the daemon, and so its jobs."""

_PROOT, _BARE = ("udocker root", "udocker user"), ("none root", "none user")
_NOT_APART = (*_PROOT, *_BARE)
_OPEN: Mapping[str, tuple[str, ...]] = {
    "read the engine's key, settings, database, spool": _NOT_APART,
    "write the engine's key, settings, database, spool": _BARE,
    "read inputs, results, logs, reports of another user": _NOT_APART,
    "write inputs, results, logs, reports of another user": _BARE,
    "change the cache of images": _BARE,
    "read other files of the machine": _NOT_APART,
    "reach files through /proc of another process": _BARE,
    "open files by their handles": ("none root",),
    "see processes of others": _NOT_APART,
    "read the environment of the engine": ("none root",),
    "read the environment of another user's tool": _NOT_APART,
    "read the memory of the engine": ("none root",),
    "read the memory of another user's tool": ("udocker user", *_BARE),
    "use descriptors of the engine": ("udocker root", "none root"),
    "use descriptors of another user's tool": _NOT_APART,
    "send signals to a process of others": _NOT_APART,
    "change limits and priority of a process of others": _NOT_APART,
    "reach into the process that watches the tool": (*_PROOT, "none root"),
    "speak to servers on this machine's loopback": _NOT_APART,
    "reach this machine's own address": _NOT_APART,
    "speak through abstract sockets of this machine": _NOT_APART,
    "speak through sockets in this machine's directories": _BARE,
    "send and see raw packets": ("none root",),
    "read shared memory files of others (/dev/shm)": _NOT_APART,
    "attach System V memory of others": _NOT_APART,
    "open message queues of others (POSIX)": _NOT_APART,
    "read keys of others from the kernel's keyrings": _NOT_APART,
    "open devices of the machine": _NOT_APART,
    "make device files and open them": ("none root",),
    "change settings of the kernel (/proc/sys, /sys)": ("none root",),
    "change control groups": ("none root",),
    "mount file systems of the machine": ("none root",),
    "undo what is read-only by namespaces of its own": ("none root",),
    "read the kernel's log": ("none root",),
    "load programs into the kernel": ("none root",),
    STAYS: _PROOT,
}
"""What is not kept, and where. Whatever is not here is kept by all."""
DEPENDS = frozenset(
    {
        "reach this machine's own address",
        "open devices of the machine",
        "read keys of others from the kernel's keyrings",
        "open message queues of others (POSIX)",
        "load programs into the kernel",
        "mount file systems of the machine",
        "change control groups",
        "change settings of the kernel (/proc/sys, /sys)",
        "read the kernel's log",
    }
)
"""What is to be had on some machines only, where nothing keeps it."""


def allowed(runtime: str, account: str) -> frozenset[str]:
    """What a tool may get hold of with a runtime, when an account runs it."""
    return frozenset(words for words, where in _OPEN.items() if f"{runtime} {account}" in where)


def table() -> str:
    """The table of the docs: a row for each attack."""
    columns = [(runtime, account) for runtime in RUNTIMES for account in ACCOUNTS]
    heads = [f"{RUNTIMES[runtime]}, {account}" for runtime, account in columns]
    rows = [["a tool cannot", *heads], ["---"] * (len(columns) + 1)]
    rows += [
        [words, *("**can**" if words in allowed(*column) else "held" for column in columns)]
        for words in ATTACKS
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
