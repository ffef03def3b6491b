"""A STAND-IN for the program `cvmfs_server`: no CVMFS, only its commands, states, exit codes and messages.

It models `transaction`, `publish` and `abort` of versions 2.11.5 and 2.12.0, each row of it seen with the
real program (docs/ducc.md says what that leaves unproved). Where root runs it, the transaction is a real
overlay mount, as with the real program; elsewhere it is a plain directory that is copied. Revisions are plain
directories too: there are no catalogs, no hashes, no signatures and no clients here.

    STAND_IN TOP transaction [-t SECONDS] [-T /FROM=/TO] REPOSITORY[/LEASE]
    STAND_IN TOP publish|abort [-f] REPOSITORY[/LEASE]
    STAND_IN TOP list|mount|gc|tag|check|resign ... REPOSITORY

`TOP/fault` may hold a JSON object that makes a command fail: {"command": ..., "at": ..., "code": ...}.
`TOP/switches` may hold a JSON object of the ways in which repositories differ (see `Switches`).
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.services.cvmfs_repository_stand_in import (
    FRAMES,
    Failed,
    Repository,
    fault,
    readers,
    remove,
    run,
)


def transaction(repository: Repository, words: list[str], path: str) -> None:
    if "-t" in words:
        deadline = time.monotonic() + float(words[words.index("-t") + 1])
        while (repository.flag.exists() or is_leased(repository, path)) and time.monotonic() < deadline:
            print("repository busy, retrying", flush=True)
            time.sleep(0.5)
    if repository.busy.exists() or (repository.flag.exists() and repository.held()):
        raise Failed(
            1,
            f"Repository {repository.name} is in a transaction and cannot be repaired.\n"
            "(unexpected termination) cannot establish writable mountpoint",
        )
    if repository.flag.exists():
        raise Failed(17, "CernVM-FS transaction error: another transaction is already open")
    fault(repository, "transaction", "start")
    if not repository.is_healthy() and not repository.switches.dead_client:
        print("Repository is unhealthy: remounting", flush=True)
        repository.reset()
    if repository.switches.gateway:
        acquire(repository, path)
    template = words[words.index("-T") + 1] if "-T" in words else ""
    lower = clone(repository, template) if template else None
    repository.flag.touch(0o600)
    fault(repository, "transaction", "flag")
    if lower:
        repository.unmount_all()
        repository.mount_all(lower, writable=True)
    repository.remount("rw")
    if template and repository.switches.late_clone:
        appear_later(repository, template)
    fault(repository, "transaction", "end")


def is_leased(repository: Repository, path: str) -> bool:
    """Whether somebody holds a lease that has a part of this path, or the whole of it."""
    lease = repository.leased()
    if lease is None:
        return False
    one, other = (f"/{place}/".replace("//", "/") for place in (lease["path"], path))
    return one.startswith(other) or other.startswith(one)


def acquire(repository: Repository, path: str) -> None:
    """Take the lease of a path at the gateway."""
    key = repository.switches.key
    if key and not f"{path}/".startswith(f"{key}/"):
        raise Failed(1, "(unexpected termination) cannot acquire lease: invalid_key" + FRAMES)
    if is_leased(repository, path):
        said = "CernVM-FS transaction error: lease path busy"
        raise Failed(16, said, "Path busy. Time remaining = 1h59m59s")
    parent = os.path.dirname(path)
    if not (repository.tree(repository.revision()) / parent).is_dir():
        raise Failed(
            2, f"CernVM-FS transaction error: cannot open transaction on non-existing path /{parent}"
        )
    repository.lease.write_text(json.dumps({"path": path, "by": "us"}))


def clone(repository: Repository, template: str) -> Path:
    """What a template transaction does in the catalogs, by second names of files.

    Local until `publish`; through a gateway it is committed at once, and the lease is used up.
    """
    source, target = (word.strip("/") for word in template.split("="))
    tree = repository.tree(repository.revision())
    trouble = ""
    if source == target:
        trouble = "cannot clone tree into itself"
    elif not (tree / source).is_dir():
        trouble = f"path '{source}' cannot be found, aborting"
    elif (tree / target).exists():
        trouble = f"destination '{target}' exists, aborting"
    elif not (tree / target).parent.is_dir():
        trouble = f"destination '{target}' not on a known path, aborting"
    if trouble:
        release(repository)
        raise Failed(22, f"cannot clone directory tree. {trouble}" + frames(repository))
    local = repository.storage / "revisions/local"
    pending = repository.storage / "revisions/pending"
    remove(local)
    remove(pending)
    run("cp", "-al", tree, local)
    late = bool(repository.switches.late_clone)
    run("cp", "-al", local / source, pending if late else local / target)
    print(f"CernVM-FS: cloning template {source} --> {target} ... [done]")
    if repository.switches.gateway:
        number = repository.revision() + 1
        remove(repository.tree(number))
        run("cp", "-al", local, repository.tree(number))
        repository.commit(number)
        release(repository)
    return local


def appear_later(repository: Repository, template: str) -> None:
    """Let the clone be seen when nobody reads there any more."""
    command = [sys.executable, "-m", __spec__.name, str(repository.top), "appear", template, repository.name]
    subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def appear(repository: Repository, words: list[str], path: str) -> None:
    target = words[0].split("=")[1].strip("/")
    while readers(repository):
        time.sleep(0.1)
    time.sleep(repository.switches.late_clone)
    revisions = repository.storage / "revisions"
    if repository.flag.exists() and repository.mounted.read_text() == "local":
        if not repository.overlay:
            run("cp", "-a", "--no-preserve=links", revisions / "pending", repository.mount / target)
        os.rename(revisions / "pending", revisions / "local" / target)


def release(repository: Repository) -> None:
    lease = repository.leased()
    if lease and lease["by"] == "us":
        repository.lease.unlink()


def frames(repository: Repository) -> str:
    return FRAMES if repository.switches.stack_traces else ""


def publish(repository: Repository, words: list[str], path: str) -> None:
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
            check_users(repository, "-f" in words)
            if repository.switches.dead_client:
                raise Failed(1, "parameter -w missing\nFailed to apply .cvmfsdirtab")
            if repository.switches.gateway and (repository.leased() or {"by": ""})["by"] != "us":
                raise Failed(1, "(unexpected termination) lease is not valid any more" + FRAMES)
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
        # through a gateway, the publisher's own mount comes to the new revision at the next transaction
        repository.reset(number - 1 if repository.switches.gateway else None)
    assert repository.revision() == number
    if repository.switches.auto_gc == "fails":
        raise Failed(1, "Garbage collection failed", "Running automatic garbage collection")


def process(repository: Repository) -> int:
    """Make and commit the next revision."""
    repository.remount("ro")
    check_content(repository)
    fault(repository, "publish", "start")
    number = repository.revision() + 1
    new = repository.tree(number)
    remove(new)
    dropped = fault(repository, "publish", "drop")
    lease = repository.leased() if repository.switches.gateway else None
    part = lease["path"] if lease else ""
    check_storage(repository)
    run("cp", "-a", repository.tree(number - 1) if dropped or part else repository.mount, new)
    if part and not dropped:  # what lies outside of the lease is dropped, without a word
        remove(new / part)
        run("cp", "-a", repository.mount / part, new / part)
        print("Changes submitted to repository gateway", flush=True)
    fault(repository, "publish", "copied")
    repository.commit(number)
    fault(repository, "publish", "committed")
    return number


def check_users(repository: Repository, force: bool) -> None:
    """Nobody may have anything open below the mount; readers may, with -f or a yes on a terminal."""
    if f"{os.getcwd()}/".startswith(f"{repository.mount}/"):
        raise Failed(
            1, out=f"Current working directory is in {repository.mount}.  Please release, e.g. by 'cd $HOME'."
        )
    found = readers(repository)
    if any(found.values()):
        raise Failed(1, out=f"Open writable file descriptors on {repository.name}")
    if found and force:
        print("WARNING: Open file descriptors (possible race!)", flush=True)
    elif found:
        listed = "\n".join(f"program {process} root  3r  REG  {repository.mount}" for process in found)
        said = f"WARNING! There are open read-only file descriptors on {repository.name}\n"
        print(f"{said}  --> This is potentially harmful\n{listed}", file=sys.stderr, flush=True)
        if not sys.stdin.isatty() or input("Do you want to proceed anyway? (y/N) ").lower() != "y":
            raise Failed(1)


def check_storage(repository: Repository) -> None:
    """Fail as the real program does on a full storage."""
    most = repository.switches.storage
    added = sum(path.lstat().st_size for path in repository.mount.rglob("*") if not path.is_dir())
    if most and added > most:
        raise Failed(
            1,
            "PANIC: upload_local.cc : 224\nblock upload failed (code: 28)\nSynchronization failed\n"
            "Executed Command:\ncvmfs_swissknife sync -u /cvmfs -s /spool/scratch -c /rdonly -t /tmp",
        )


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


def abort(repository: Repository, words: list[str], path: str) -> None:
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


def list_(repository: Repository, words: list[str], path: str) -> None:
    about = "stratum0 / " + ("gw" if repository.switches.gateway else "local")
    about += " - in transaction" if repository.flag.exists() else ""
    about += "" if repository.is_healthy() or repository.flag.exists() else " - unhealthy"
    print(f"{repository.name} ({about})")


def mount(repository: Repository, words: list[str], path: str) -> None:
    if not repository.flag.exists():
        repository.reset()


def collect(repository: Repository, words: list[str], path: str) -> None:
    if repository.flag.exists():
        raise Failed(1, "Cannot run garbage collection while in a transaction")
    if not repository.switches.auto_gc:
        raise Failed(1, f"Garbage Collection is not enabled for {repository.name}")


def tag(repository: Repository, words: list[str], path: str) -> None:
    print(repository.tags.read_text() if repository.tags.exists() else "", end="")


def check(repository: Repository, words: list[str], path: str) -> None:
    if not repository.tree(repository.revision()).is_dir():
        raise Failed(1, "CATALOG PROBLEMS OR OTHER ERRORS FOUND")


def resign(repository: Repository, words: list[str], path: str) -> None:
    print("Signing 30 day whitelist... done", flush=True)


COMMANDS: dict[str, Any] = {
    "transaction": transaction,
    "publish": publish,
    "abort": abort,
    "appear": appear,
    "list": list_,
    "mount": mount,
    "gc": collect,
    "tag": tag,
    "check": check,
    "resign": resign,
}


def main(top: str, command: str, *words: str) -> int:
    name, _, path = words[-1].partition("/")
    try:
        if not (Path(top) / "etc/cvmfs/repositories.d" / name / "server.conf").exists():
            raise Failed(1, f"The repository {name} does not exist.")
        COMMANDS[command](Repository(Path(top), name), list(words[:-1]), path)
    except Failed as end:
        print(end.out, flush=True)
        print(end.err, file=sys.stderr, flush=True)
        return end.code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
