"""What is in order on this machine, and how to mend what is not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from engine.app.health import access as doctor_access
from engine.app.health import isolation
from engine.app.health.findings import FAILURE, OK, WARNING, CheckFinding
from engine.errors import EngineError
from engine.ports import Storage
from engine.settings.tree import Settings
from engine.store.database import Database, file_system
from wrappers.containers.credentials import load as load_credentials
from wrappers.containers.errors import AccessDenied, ContainerError, ImageMissing
from wrappers.containers.programs import which
from wrappers.containers.reference import parse
from wrappers.containers.registry import RegistryClient
from wrappers.containers.timed import responds, why_unreadable
from wrappers.node.probe import probe
from wrappers.wire import Node

_ENOUGH_DISK = 2 * 10**9
_PROOT = (
    "user namespaces do without it; otherwise fetch udocker's own tools tarball (udockertools, static proot, "
    "GPL-2.0) once from the release page of udocker 1.3.17, note its sha256, and set node.tools and "
    "node.tools_sha256 to it. Debian's proot is for tests only: it lets `stat` see the host's files"
)


def examine(
    settings: Settings,
    node: Node,
    spool: Path,
    credentials_left: Mapping[str, Callable[[], float]],
    storage: Callable[[str], Storage],
    *,
    local: bool,
) -> Iterator[CheckFinding]:
    """Every check in turn; none of them changes anything but the database's schema.

    `credentials_left` tells, by the name of a credential, for how many seconds it is good;
    `local` whether jobs run on this machine when nothing else is asked for.
    """
    facts = probe(node._replace(scratch=node.scratch or _existing(spool)))
    checks: list[Callable[[], CheckFinding]] = [
        _python,
        lambda: _database(settings),
        _udocker,
        lambda: _proot(node, isolation.allows_user_namespaces(facts["missing"])),
        lambda: _programs(facts["programs"]),
        lambda: _space("scratch", facts["scratch"]["path"], "node.scratch"),
        lambda: _space("image cache", node.cache, "node.cache"),
        *([lambda: _space("input cache", node.inputs, "node.inputs")] if node.inputs else []),
        lambda: _spool(spool, node.slots),
        lambda: _credentials(settings),
        lambda: _registries(settings),
        lambda: _cvmfs(facts["cvmfs"]),
    ]
    for check in checks:
        yield check()
    yield from isolation.findings(facts["missing"])
    if find_spec("uvicorn"):  # without the extra `portal` nobody is served, so no user is to be kept apart
        yield isolation.policy(settings, facts["missing"], local=local)
    yield from doctor_access.credentials(credentials_left)
    yield doctor_access.public_url(settings.api)
    yield doctor_access.tree(settings, storage)
    if found := doctor_access.groups(settings):
        yield found


def _python() -> CheckFinding:
    version = ".".join(map(str, sys.version_info[:3]))
    return CheckFinding("Python", OK, f"{version} at {sys.executable}")


def _database(settings: Settings) -> CheckFinding:
    try:
        db = Database(settings.database)
    except EngineError as error:
        return CheckFinding("database", FAILURE, error.message, error.remedy)
    where = db.url.render_as_string(hide_password=True)
    db.close()
    return CheckFinding("database", OK, f"{where} can be used")


def _udocker() -> CheckFinding:
    try:
        version = metadata.version("udocker")
    except metadata.PackageNotFoundError:
        return CheckFinding("udocker", FAILURE, "not installed", "install this package with its dependencies")
    verdict = OK if version == "1.3.17" else WARNING
    return CheckFinding(
        "udocker", verdict, f"{version} travels with the wrapper", "" if verdict == OK else "use 1.3.17"
    )


def _proot(node: Node, namespaces: bool) -> CheckFinding:
    found = node.proot or node.tools or which("proot")
    if found and found == which("proot"):
        return CheckFinding("proot", WARNING, f"{found}, the system's: good for tests only", _PROOT)
    if found:
        wrong = "" if "://" in found else why_unreadable(found)
        return CheckFinding("proot", FAILURE if wrong else OK, wrong or found, "")
    return CheckFinding("proot", OK if namespaces else FAILURE, "none", _PROOT)


def _programs(programs: dict[str, str]) -> CheckFinding:
    words = ", ".join(sorted(programs)) or "none"
    return CheckFinding("other runtimes", OK, f"on PATH: {words} (used only when asked for)")


def _space(what: str, directory: str, setting: str) -> CheckFinding:
    if not responds(directory):
        remedy = f"mend its mount, or set {setting} to another place"
        return CheckFinding(f"disk: {what}", FAILURE, f"{directory} does not answer", remedy)
    path = _existing(Path(directory))
    free = shutil.disk_usage(path).free
    verdict = OK if free > _ENOUGH_DISK and os.access(path, os.W_OK) else FAILURE
    words = f"{path}: {free / 1e9:.1f} GB free"
    if not os.access(path, os.W_OK):
        words = f"{path} cannot be written"
    return CheckFinding(
        f"disk: {what}", verdict, words, "" if verdict == OK else f"set {setting} to another place"
    )


def _spool(spool: Path, slots: int) -> CheckFinding:
    where = _existing(spool)
    kind = file_system(Path(where).resolve())
    bad = kind.startswith(("nfs", "cifs", "smb", "afs", "fuse.sshfs"))
    return CheckFinding(
        "spool",
        FAILURE if bad else OK,
        f"{spool} ({kind or 'unknown file system'}), {slots} slots",
        "set backends.local.spool (ENGINE_BACKENDS__LOCAL__SPOOL) to a local disk" if bad else "",
    )


def _credentials(settings: Settings) -> CheckFinding:
    try:
        logins = load_credentials(settings.node.credentials)
    except ContainerError as error:
        return CheckFinding("credentials", FAILURE, str(error), "see the setting node.credentials")
    return CheckFinding("credentials", OK, f"for registries: {', '.join(logins.names()) or 'none'}")


def _registries(settings: Settings) -> CheckFinding:
    if not settings.node.mirrors:
        return CheckFinding("registries", OK, "no mirror is set; each image's own registry is asked")
    unreachable = []
    for host, urls in settings.node.mirrors.items():
        client = RegistryClient({host: urls}, authorities=settings.node.authorities)
        try:
            client.resolve(parse(f"{host}/library/hello-world:latest"))
        except (ImageMissing, AccessDenied):
            pass  # it answers
        except ContainerError as error:
            unreachable.append(f"{host}: {error}")
    if unreachable:
        return CheckFinding("registries", WARNING, "; ".join(unreachable), "see the setting node.mirrors")
    return CheckFinding("registries", OK, f"mirrors answer for {', '.join(settings.node.mirrors)}")


def _cvmfs(directories: dict[str, str]) -> CheckFinding:
    if not directories:
        return CheckFinding("CVMFS", OK, "no directory of pre-deployed containers is set (node.cvmfs)")
    wrong = [trouble for trouble in directories.values() if trouble]
    if wrong:
        remedy = "mount it, mend its client, or correct node.cvmfs; until then jobs pull their images"
        return CheckFinding("CVMFS", WARNING, "; ".join(wrong), remedy)
    return CheckFinding("CVMFS", OK, ", ".join(sorted(directories)))


def _existing(path: Path) -> str:
    """Return the path, or the nearest directory above it that is there."""
    path = path.absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return str(path)
