"""A Debian 13 with its Python and little else, where the engine is installed from the bundle of the tests.

`make services` makes it, as root; tests run programs in it, and change nothing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services import bundled
from tests.services.debian import require
from tests.services.packages import run_installer
from tests.services.unprivileged import NOBODY

PLACE = bundled.PLACE.parent / "debian-13"
ENGINE = "/opt/boutiques-engine/bin/engine"
_RELEASE, _PACKAGES = "trixie", ("bash", "coreutils", "dash", "python3", "sed")
_PREFIX = "opt/boutiques-engine"
_STAMP = PLACE / "stamp"
_ENTER = """
set -e
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/tmp"
cd "$1"
shift
exec chroot "$@"
"""


def extract() -> None:
    """Unpack the packages of Debian, unless it was done; installs nothing when we are not root."""
    require("mmdebstrap")
    listed = PLACE / "packages"
    wanted = f"{_RELEASE} {','.join(_PACKAGES)}"
    if os.geteuid() != 0 or (listed.exists() and listed.read_text() == wanted):
        return
    shutil.rmtree(PLACE, ignore_errors=True)
    part = PLACE.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    # no script of a package runs: what they do is not needed, and takes as long again
    command = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(_PACKAGES)}"]
    run_installer([*command, _RELEASE, str(part), _archive()])
    accounts = ("root:x:0:0::/root:/bin/sh\n", f"nobody:x:{NOBODY}:{NOBODY}::/nonexistent:/bin/sh\n")
    (part / "etc" / "passwd").write_text("".join(accounts))
    (part / "packages").write_text(wanted)
    part.rename(PLACE)


def _archive() -> str:
    """The archive of packages that this machine's apt is set to use."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    for update in (True, False):
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if found := [line.split()[1] for line in listed.splitlines() if line.startswith("Debian ")]:
            return found[0]
        if update:  # a new machine has no lists of packages
            subprocess.run(["apt-get", "update", "-q"], capture_output=True)
    raise RuntimeError("apt has no archive of Debian in its sources")


def install() -> None:
    """Install the engine in it, unless this bundle was: once as a site does, then what is new of it."""
    if os.geteuid() != 0:
        return
    with open(PLACE.with_suffix(".lock"), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        archive = bundled.archive()
        before, wanted = (_STAMP.read_text() if _STAMP.exists() else ""), _stamp(archive)
        if before == wanted:
            return
        tree = PLACE / "var" / "tmp" / "bundle"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", tree, "--strip-components=1"], check=True)
        if before.partition(" ")[0] == wanted.partition(" ")[0]:
            [pip], [own] = tree.glob("wheels/pip-*.whl"), tree.glob("wheels/boutiques_engine-*.whl")
            words = [f"/{_PREFIX}/bin/python", f"/{pip.relative_to(PLACE)}/pip", "--quiet", "install"]
            words += ["--no-index", "--no-deps", "--force-reinstall", f"/{own.relative_to(PLACE)}"]
        else:
            shutil.rmtree(PLACE / _PREFIX, ignore_errors=True)
            words = ["sh", "/var/tmp/bundle/install.sh", "--unsigned", f"/{_PREFIX}"]
        empty = {"PATH": "/usr/bin:/usr/sbin"}
        subprocess.run(["chroot", PLACE, *words], check=True, env=empty, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)
        _STAMP.write_text(wanted)


def _stamp(archive: Path) -> str:
    """What tells one bundle from another: the part of the lock in it, and all of it."""
    return f"{bundled.sum_of_dependencies()} {archive.stat().st_mtime_ns}"


def within(command: Sequence[str]) -> list[str]:
    """Give the command that runs `command` there, as an ordinary user with an empty environment; what it
    leaves running is ended with it, and no file remains.

    Raises:
        RuntimeError: it is not there, or older than the sources.
    """
    if not _STAMP.exists() or _STAMP.read_text() != _stamp(bundled.archive()):
        raise RuntimeError("the Debian 13 is not made, or older than the sources; type: make services")
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh"]
    become = [f"--userspec={NOBODY}:{NOBODY}", "--groups=", "."]
    return [*alone, str(PLACE), *become, "env", "--ignore-environment", *command]
