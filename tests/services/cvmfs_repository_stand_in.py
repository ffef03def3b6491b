"""The files and mounts of the stand-in for `cvmfs_server`, and how repositories differ: no CVMFS."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FRAMES = (
    "\n\nStacktrace:\n/lib/libcvmfs_publish.so(_ZN7publish8EPublish13GetStacktraceEv+0x4a) [0x7f3a1c0]\n"
    "/lib/libcvmfs_publish.so(_ZN7publish9Publisher15TransactionImplEv+0x5f1) [0x7f3a1c9]\n"
    "/usr/bin/cvmfs_publish(+0x1d2f4) [0x55d0]\n/lib/libc.so.6(__libc_start_main+0x85) [0x7f3a0d0]"
)
"""What the real program says after the reason, whenever it throws."""


class Switches(NamedTuple):
    """How this repository differs from a quiet one on local storage. Each was seen with the real program."""

    late_clone: float = 0.0
    """`transaction -T` ends with 0, and its clone is seen only so many seconds after the last reader left."""
    gateway: bool = False
    """Upstream is a gateway: leases, `-T` commits at once, the publisher's own mount lags, what lies outside
    of the lease is dropped."""
    key: str = ""
    """The gateway's key is good for this path only."""
    stack_traces: bool = False
    """Reasons come with the frames of the program that threw them."""
    auto_tags: bool = False
    """Each publication makes a tag `generic-TIME`."""
    auto_gc: str = ""
    """`ok` or `fails`: each publication collects garbage after its commit (`mkfs -z`)."""
    storage: int = 0
    """Bytes that the storage takes; 0 is any number."""
    dead_client: bool = False
    """The publisher's own FUSE client has died."""


class Failed(Exception):
    """The end with an exit code, and words on stdout or stderr."""

    def __init__(self, code: int, err: str = "", out: str = "") -> None:
        self.code, self.err, self.out = code, err, out


class Repository:
    """The files and mounts of one repository."""

    def __init__(self, top: Path, name: str) -> None:
        self.top, self.name = top, name
        self.mount = top / "cvmfs" / name
        self.spool = top / "var/spool/cvmfs" / name
        self.storage = top / "srv/cvmfs" / name
        self.rdonly = self.spool / "rdonly"
        self.upper = self.spool / "scratch/current"
        self.flag = self.spool / "in_transaction.lock"
        self.busy = self.spool / "is_publishing.lock"
        self.mounted = self.spool / "mounted"
        self.lease = top / "lease.json"
        self.tags = self.storage / "tags"
        self.overlay = os.geteuid() == 0

    @property
    def switches(self) -> Switches:
        file = self.top / "switches"
        return Switches(**json.loads(file.read_text())) if file.exists() else Switches()

    def leased(self) -> dict[str, str] | None:
        """The lease that somebody holds at the gateway."""
        return json.loads(self.lease.read_text()) if self.lease.exists() else None

    def revision(self) -> int:
        lines = (self.storage / ".cvmfspublished").read_text().splitlines()
        return next(int(line[1:]) for line in lines if line.startswith("S"))

    def tree(self, number: int) -> Path:
        return self.storage / "revisions" / str(number)

    def commit(self, number: int) -> None:
        with suppress(OSError):  # where this file system keeps none, a mount does not say its revision
            os.setxattr(self.tree(number), "user.revision", str(number).encode())
        new = self.storage / ".cvmfspublished.new"
        collected = "yes" if self.switches.auto_gc else "no"
        new.write_text(
            f"C{number:040x}\nB0\nRd41d\nD240\nS{number}\nG{collected}\nAno\nN{self.name}\nX{number:040x}\n"
            f"H{number:040x}\nT{int(time.time())}\nM{number:040x}\nY{number:040x}\n--\nsignature\n"
        )
        os.replace(new, self.storage / ".cvmfspublished")
        if self.switches.auto_tags:
            with open(self.tags, "a") as tags:
                tags.write(f"generic-{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {number}\n")

    def mount_all(self, lower: Path, writable: bool) -> None:
        """The read-only branch, and the union over it."""
        for place in (self.mount, self.upper, self.spool / "ofs_workdir"):
            place.mkdir(parents=True, exist_ok=True)
        self.mounted.write_text(lower.name)
        if not self.overlay:
            self.rdonly.unlink(missing_ok=True)
            self.rdonly.symlink_to(lower)
            # a clone is made of second names, which must not be one file here
            run("cp", "-a", "--no-preserve=links", f"{lower}/.", self.mount)
            return
        self.rdonly.mkdir(exist_ok=True)
        run("mount", "--bind", lower, self.rdonly)
        run("mount", "-o", "remount,bind,ro", self.rdonly)
        options = f"lowerdir={self.rdonly},upperdir={self.upper},workdir={self.spool / 'ofs_workdir'}"
        run("mount", "-t", "overlay", f"overlay_{self.name}", self.mount, "-o", options)
        self.remount("rw" if writable else "ro")

    def unmount_all(self) -> None:
        if self.overlay:
            for place in (self.mount, self.rdonly):
                for _ in range(mounted(place)):
                    run("umount", "-l", place)
        else:
            empty(self.mount)
        for place in (self.upper, self.spool / "ofs_workdir"):
            empty(place)

    def remount(self, mode: str) -> None:
        if self.overlay:
            run("mount", "-o", f"remount,{mode}", self.mount)

    def reset(self, number: int | None = None) -> None:
        """Closed, at the published revision or the one that is given."""
        self.unmount_all()
        self.mount_all(self.tree(number or self.revision()), writable=False)
        self.flag.unlink(missing_ok=True)
        self.busy.unlink(missing_ok=True)
        lease = self.leased()
        if lease and lease["by"] == "us":
            self.lease.unlink()

    def is_healthy(self) -> bool:
        """Whether what is mounted is there, and what is published."""
        there = not self.overlay or (mounted(self.rdonly) > 0 and mounted(self.mount) > 0)
        return there and not self.switches.dead_client and self.mounted.read_text() == str(self.revision())

    def held(self) -> bool:
        """Whether somebody is publishing: the lock counts, not its file."""
        try:
            with open(self.busy) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True


def readers(repository: Repository) -> dict[str, bool]:
    """The processes that have something open below the mount; whether for writing."""
    found: dict[str, bool] = {}
    tops = (f"{repository.mount}/", f"{repository.rdonly}/")
    for entry in Path("/proc").glob("[0-9]*"):
        if entry.name == str(os.getpid()):
            continue
        with suppress(OSError):
            if f"{os.readlink(entry / 'cwd')}/".startswith(tops):
                found.setdefault(entry.name, False)
            for file in (entry / "fd").iterdir():
                with suppress(OSError):
                    if f"{os.readlink(file)}/".startswith(tops):
                        flags = (entry / "fdinfo" / file.name).read_text().split("flags:")[1].split()[0]
                        writes = int(flags, 8) & os.O_ACCMODE != os.O_RDONLY
                        found[entry.name] = found.get(entry.name, False) or writes
    return found


def fault(repository: Repository, command: str, at: str) -> bool:
    """Fail, sleep or die here, when that was asked for; True when the caller must do something about it."""
    file = repository.top / "fault"
    wanted = json.loads(file.read_text()) if file.exists() else {}
    if (wanted.get("command"), wanted.get("at")) != (command, at):
        return False
    if not wanted.get("again"):
        file.unlink()
    if "sleep" in wanted:
        time.sleep(wanted["sleep"])
        return False
    if wanted.get("die"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    if "code" in wanted:
        raise Failed(wanted["code"], wanted.get("err", ""), wanted.get("out", ""))
    return True


def run(*words: str | Path) -> None:
    done = subprocess.run([os.fspath(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise Failed(1, f"{words[0]}: {done.stderr}")


def mounted(place: Path) -> int:
    """How many mounts are there, one above the other; `os.path.ismount` does not see all."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return points.count(str(place))


def remove(tree: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)


def empty(directory: Path) -> None:
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            subprocess.run(["chmod", "-R", "u+rwX", entry.path], check=False)
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
