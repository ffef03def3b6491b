"""The proot program for udocker: where it is, whether it works here, what it says.

Production wants the one from udocker's tools tarball (static, with its patches). Debian's 5.1.0 lets `stat`
see the host and fails on what udocker asks of it (`-k`), so the probe passes it over.
"""

import hashlib
import os
import re
import subprocess
import tarfile
import urllib.parse
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Union

from wrappers import wire
from wrappers.containers.cache import directory
from wrappers.containers.directory_cache import DirectoryCache
from wrappers.containers.errors import ContainerError
from wrappers.containers.members import opened, pieces_of
from wrappers.containers.programs import which
from wrappers.runtimes import programs
from wrappers.runtimes.base import Unusable
from wrappers.runtimes.probe import once
from wrappers.transfer.trust import Trust

VERBOSE = ["-v", "1"]
"""Options with which proot tells how each process ended."""

_END = re.compile(r"\bv?pid (\d+): (exited with status|terminated with signal) (\d+)")
_LARGEST_TARBALL = 200 << 20  # bytes


def find(node: wire.Node, scratch: Path) -> str:
    """Find a proot that works: the setting `proot`, else from `tools`, else on PATH.

    Raises:
        Unusable: there is none.
    """
    programs.check(node.proot, "proot")
    if node.proot:
        program = node.proot
    elif node.tools:
        program = _from_tools(node, scratch)
    else:
        program = which("proot")
    if not program:
        raise Unusable("proot is missing: name it in the setting `proot` or udocker's tarball in `tools`")
    reason = once(("proot", program, os.stat(str(scratch)).st_dev), lambda: _try(program, scratch))
    if reason:
        raise Unusable(f"{program} does not work here: {reason}")
    return program


class ProotExit(NamedTuple):
    """The end of a process under proot."""

    pid: str  # "1" is the first, for a proot that counts them (since 5.1.107)
    code: int
    signal: Optional[int]


def end_in(line: str) -> Optional[ProotExit]:
    """Parse the end that a line of proot is about.

    The exit code of proot itself is that of the process that ended last, of those that no signal ended.
    """
    found = _END.search(line)
    if found is None:
        return None
    pid, how, number = found.groups()
    return (
        ProotExit(pid, 0, int(number)) if how.startswith("terminated") else ProotExit(pid, int(number), None)
    )


def _try(program: str, scratch: Path) -> None:
    # with -k, as udocker asks, on a program of the host that is linked dynamically
    arguments = [program, "-0", "-k", os.uname().release, "-r", "/", "/bin/sh", "-c", "exit 3"]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PROOT_TMP_DIR": str(scratch)}
    result = subprocess.run(
        arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode != 3:
        said = result.stdout.decode("utf-8", "replace").strip().splitlines()
        raise OSError(said[-1] if said else f"it ended with {result.returncode}")


def _from_tools(node: wire.Node, scratch: Path) -> str:
    programs.check(node.tools, "tools")
    if os.path.isdir(node.tools):
        return _pick(Path(node.tools))
    if "://" in node.tools and not node.tools_sha256:
        raise Unusable("the setting `tools` is a URL and needs `tools_sha256`")
    name = node.tools_sha256 or _fingerprint(node.tools)
    try:
        try:
            taken = DirectoryCache(directory(node) / "tools").take(name, lambda into: _unpack(node, into))
        except OSError:  # without a cache, each job has its own
            own = scratch / "tools"
            _unpack(node, own)
            return _pick(own)
    except (OSError, tarfile.TarError, ContainerError) as error:
        raise Unusable(f"udocker's tools cannot be had from {node.tools}: {error}") from None
    taken.release()  # tools are never removed
    return _pick(taken.path)


def _fingerprint(path: str) -> str:
    try:
        about = os.stat(path)
    except OSError as error:
        raise Unusable(f"udocker's tools cannot be had from {path}: {error.strerror}") from None
    return hashlib.sha256(f"{path} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()


def _unpack(node: wire.Node, into: Path) -> None:
    into.mkdir()
    archive = into / "tools.tar.gz"
    digest = hashlib.sha256()
    with open(str(archive), "wb") as file:
        for piece in _pieces(node):
            digest.update(piece)
            file.write(piece)
            if file.tell() > _LARGEST_TARBALL:
                raise OSError("it is larger than any tools tarball")
    if node.tools_sha256 and digest.hexdigest() != node.tools_sha256.lower():
        raise OSError("it is not what `tools_sha256` says")
    (into / "bin").mkdir()
    with opened(str(archive)) as tar:
        for member in tar:
            name = os.path.basename(member.name)
            if member.isfile() and name.startswith("proot"):
                with open(str(into / "bin" / name), "wb") as program:
                    program.writelines(pieces_of(tar, member))
                os.chmod(str(into / "bin" / name), 0o755)  # noqa: S103 - a program
    archive.unlink()


def _pieces(node: wire.Node) -> Iterator[Union[bytes, memoryview]]:
    """Read the tarball of udocker's tools."""
    parts = urllib.parse.urlsplit(node.tools)
    is_url = "://" in node.tools
    if not is_url or parts.scheme == "file":
        with open(urllib.parse.unquote(parts.path) if is_url else node.tools, "rb") as file:
            yield from iter(lambda: file.read(1 << 18), b"")
        return
    if parts.scheme not in ("http", "https"):
        raise OSError(f"{parts.scheme}: cannot be fetched")
    from wrappers.containers.transport import Transport  # slow to load, and needed once on a node
    from wrappers.transfer.errors import TransferError

    base = f"{parts.scheme}://{parts.netloc}"
    transport = Transport(base, trust=Trust(node.authorities), kind="server")
    answer = transport.get(parts.path + ("?" + parts.query if parts.query else ""), "")
    with answer:
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        try:
            yield from answer.pieces()
        except TransferError as error:
            raise OSError(str(error)) from None


def _pick(top: Path) -> str:
    machine = os.uname().machine
    for name in (f"proot-{machine}-4_8_0", f"proot-{machine}", "proot"):
        for folder in (top / "bin", top):
            if os.access(str(folder / name), os.X_OK):
                return str(folder / name)
    raise Unusable(f"udocker's tools in {top} have no proot for {machine}")
