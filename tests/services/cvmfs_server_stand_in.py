"""A STAND-IN for the program `cvmfs_server`: no CVMFS, only its commands, states, exit codes and messages.

It models `transaction`, `publish` and `abort` of version 2.11.5, each row of it seen with the real program
(docs/ducc.md says what that leaves unproved). Where root runs it, the transaction is a real overlay mount, as
with the real program; elsewhere it is a plain directory that is copied. Revisions are plain directories too:
there are no catalogs, no hashes, no signatures and no clients here.

    cvmfs_server_stand_in.py TOP transaction [-t SECONDS] [-T /FROM=/TO] REPOSITORY
    cvmfs_server_stand_in.py TOP publish|abort [-f] REPOSITORY

`TOP/fault` may hold a JSON object that makes a command fail: {"command": ..., "at": ..., "code": ...}.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


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
        self.overlay = os.geteuid() == 0

    def revision(self) -> int:
        lines = (self.storage / ".cvmfspublished").read_text().splitlines()
        return next(int(line[1:]) for line in lines if line.startswith("S"))

    def tree(self, number: int) -> Path:
        return self.storage / "revisions" / str(number)

    def commit(self, number: int) -> None:
        new = self.storage / ".cvmfspublished.new"
        new.write_text(
            f"C{number:040x}\nB0\nRd41d\nD240\nS{number}\nN{self.name}\nT{int(time.time())}\n--\nsignature\n"
        )
        os.replace(new, self.storage / ".cvmfspublished")

    def mount_all(self, lower: Path, writable: bool) -> None:
        """The read-only branch, and the union over it."""
        for place in (self.mount, self.rdonly, self.upper, self.spool / "ofs_workdir"):
            place.mkdir(parents=True, exist_ok=True)
        if not self.overlay:
            # a clone is made of second names, which must not be one file here
            run("cp", "-a", "--no-preserve=links", f"{lower}/.", self.mount)
            return
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

    def reset(self) -> None:
        """Closed, at the published revision."""
        self.unmount_all()
        self.mount_all(self.tree(self.revision()), writable=False)
        self.flag.unlink(missing_ok=True)
        self.busy.unlink(missing_ok=True)

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


def transaction(repository: Repository, words: list[str]) -> None:
    if repository.busy.exists() or (repository.flag.exists() and repository.held()):
        raise Failed(
            1,
            f"Repository {repository.name} is in a transaction and cannot be repaired.\n"
            "(unexpected termination) cannot establish writable mountpoint",
        )
    if repository.flag.exists():
        raise Failed(17, "CernVM-FS transaction error: another transaction is already open")
    fault(repository, "transaction", "start")
    template = words[words.index("-T") + 1] if "-T" in words else ""
    lower = clone(repository, template) if template else None
    repository.flag.touch()
    fault(repository, "transaction", "flag")
    if lower:
        repository.unmount_all()
        repository.mount_all(lower, writable=True)
    repository.remount("rw")
    fault(repository, "transaction", "end")


def clone(repository: Repository, template: str) -> Path:
    """What a template transaction does in the catalogs, by second names of files; local until publish."""
    source, target = (word.strip("/") for word in template.split("="))
    tree = repository.tree(repository.revision())
    if not (tree / source).is_dir():
        raise Failed(22, f"cannot clone directory tree. path '{source}' cannot be found, aborting")
    if (tree / target).exists():
        raise Failed(22, f"cannot clone directory tree. destination '{target}' exists, aborting")
    if not (tree / target).parent.is_dir():
        raise Failed(22, f"cannot clone directory tree. destination '{target}' not on a known path, aborting")
    local = repository.storage / "revisions/local"
    remove(local)
    run("cp", "-al", tree, local)
    run("cp", "-al", local / source, local / target)
    print(f"CernVM-FS: cloning template {source} --> {target} ... [done]")
    return local


def publish(repository: Repository, words: list[str]) -> None:
    if not repository.flag.exists():
        raise Failed(1, out=f"Repository {repository.name} is not in a transaction")
    if repository.busy.exists() and not repository.held():
        raise Failed(1, f"Repository {repository.name} is in a transaction and cannot be repaired")
    with open(repository.busy, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(1, f"Another publish process is active for {repository.name}") from None
        try:
            check_users(repository)
        except Failed:
            repository.busy.unlink()
            raise
        print("Processing changes...", flush=True)
        try:
            number = process(repository)
        except Failed:
            repository.remount("rw")
            repository.busy.unlink()
            raise
        print("Signing new manifest\nRemounting newly created repository revision", flush=True)
        if fault(repository, "publish", "remount"):
            repository.busy.unlink()
            raise Failed(32, "mount: mount point is busy")
        repository.reset()
    assert repository.revision() == number


def process(repository: Repository) -> int:
    """Make and commit the next revision."""
    repository.remount("ro")
    check_content(repository)
    fault(repository, "publish", "start")
    number = repository.revision() + 1
    new = repository.tree(number)
    remove(new)
    dropped = fault(repository, "publish", "drop")
    run("cp", "-a", repository.tree(number - 1) if dropped else repository.mount, new)
    fault(repository, "publish", "copied")
    repository.commit(number)
    fault(repository, "publish", "committed")
    return number


def check_users(repository: Repository) -> None:
    """Nobody may have anything open below the mount."""
    inside = f"{repository.mount}/"
    if f"{os.getcwd()}/".startswith(inside):
        raise Failed(
            1, out=f"Current working directory is in {repository.mount}.  Please release, e.g. by 'cd $HOME'."
        )
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            places = [os.readlink(entry / "cwd"), *(os.readlink(file) for file in (entry / "fd").iterdir())]
        except OSError:
            continue
        if entry.name != str(os.getpid()) and any(f"{place}/".startswith(inside) for place in places):
            raise Failed(1, out="WARNING! There are open read-only file descriptors on " + repository.name)


def check_content(repository: Repository) -> None:
    """What the real program cannot take."""
    limits = repository.top / "limits.json"
    most = json.loads(limits.read_text()) if limits.exists() else {}
    for directory, names, files in os.walk(repository.mount):
        for name in (*names, *files):
            path = Path(directory, name)
            if name == ".cvmfscatalog" and (path.is_symlink() or not path.is_file()):
                raise Failed(1, f"PANIC: '{path}' is not a regular file.\nSynchronization failed")
            if name.startswith(".cvmfsgraft-"):
                raise Failed(1, "Synchronization failed", "Invalid line in graft file")
            size = most.get("file")
            if size and path.is_file() and not path.is_symlink() and path.stat().st_size > size:
                raise Failed(1, f"FATAL: file at /{path.name} is larger than {size} bytes.")


def abort(repository: Repository, words: list[str]) -> None:
    if not repository.flag.exists():
        raise Failed(22, f"Repository {repository.name} is not in a transaction")
    if repository.held():
        raise Failed(22, f"Could not acquire lock {repository.busy}")
    if f"{os.getcwd()}/".startswith(f"{repository.mount}/"):
        raise Failed(1, f"Current working directory is in {repository.mount}.")
    if "-f" not in words:  # at the end of the input, the real program takes silence for yes
        print("You are about to DISCARD ALL CHANGES ... (y/N)?", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", ""):
            return
    fault(repository, "abort", "start")
    repository.reset()


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


COMMANDS = {"transaction": transaction, "publish": publish, "abort": abort}


def main(top: str, command: str, *words: str) -> int:
    name = words[-1]
    try:
        if not (Path(top) / "etc/cvmfs/repositories.d" / name / "server.conf").exists():
            raise Failed(1, f"The repository {name} does not exist.")
        COMMANDS[command](Repository(Path(top), name), list(words[:-1]))
    except Failed as end:
        print(end.out, flush=True)
        print(end.err, file=sys.stderr, flush=True)
        return end.code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
