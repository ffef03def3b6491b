"""The fastest way in: our own user, mount, PID and IPC namespaces around the tree of a udocker container.

Nothing is translated, so tools run at native speed; entering costs a few milliseconds and no other program.
The image's tree is the lower side of an overlay: writes are accepted, and forgotten with the job.
"""

import os
from pathlib import Path
from typing import Callable, List, NoReturn, Optional, Tuple

from wrappers import wire
from wrappers.runtimes import gpu, idmap, namespaces, networks, relay, world
from wrappers.runtimes.base import JobSpec, ToolStart, Unusable
from wrappers.runtimes.execute import offer_to_oom_killer, spawn
from wrappers.runtimes.image import ImageTree, JobImage, command, environment, used, workdir
from wrappers.runtimes.plan import make_plan
from wrappers.runtimes.probe import once
from wrappers.runtimes.seccomp import pretend_to_be_several
from wrappers.runtimes.start import no_execution
from wrappers.runtimes.world import World

# Docker's default set, by number: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
# net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
_CAPABILITIES = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]
_NET_RAW = 13  # in a network namespace of its own a tool could send packets past the routes that refuse


def prepare(job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    """Get ready to run the job in namespaces of its own.

    Raises:
        Unusable: this kernel, or this system's policy, does not allow it.
        ImageError: the image cannot be had, or cannot run the job.
    """
    way = _possible()
    tree = image.tree()
    driver = gpu.find() if job.manifest.gpu else None
    plan, chosen = _choose(job, tree, driver, way)
    started = str(job.private / "started")
    surroundings = environment(job, tree, writable_root=plan.mode != "readonly")
    if driver is not None:
        surroundings.update(driver.environment(surroundings))
    runtime = used(job, tree, "userns", plan.mode)
    runtime.warnings.extend(plan.warnings)
    if plan.mode == "overlay" and not _owns(tree, chosen):
        runtime.warnings.append(
            "files of the image can be replaced, not changed: its tree is another account's"
        )
    launch = ToolStart(
        argv=command(job, tree, surroundings),
        environment=surroundings,
        cwd=workdir(job),
        used=runtime._replace(version=os.uname().release, uid_map=chosen.kind),
        started=lambda: _has_started(started),
    )
    if job.manifest.network == wire.NETWORK_MACHINE:
        return launch._replace(enter=lambda: _run(plan, chosen, launch, started, None))
    manifest = job.manifest
    network = networks.of_execution(manifest.execution, manifest.network, chosen.namespace, node.unreachable)
    return launch._replace(
        enter=lambda: _run(plan, chosen, launch, started, network), beside=networks.connectors()
    )


def _possible() -> List[idmap.IdMap]:
    """List the maps of users that work here, best first."""
    found, reason = idmap.working()
    if not found:
        raise Unusable(f"user namespaces are not allowed: {reason}")
    return found


def _choose(
    job: JobSpec, tree: ImageTree, driver: Optional[gpu.Gpu], ways: List[idmap.IdMap]
) -> Tuple[World, idmap.IdMap]:
    reasons = []
    in_place = job.manifest.root == "readonly" and not tree.look(lambda alive: no_execution(tree.root))
    for mode in ("overlay", "readonly" if in_place else "copy"):
        plan = make_plan(job, tree, mode, driver)
        for chosen in ways:
            if mode == "overlay" and not _owns(tree, chosen):
                upper = Path(plan.private, "upper")
                tree.look(lambda alive: _make_skeleton(tree.root, upper))  # noqa: B023 - used at once
            question = (chosen.kind, mode, tree.look(lambda alive: _device(tree.root)), _device(job.private))
            reason = tree.tried(lambda: once(question, lambda: _try(plan, chosen)))  # noqa: B023 - used at once
            if not reason:
                return plan, chosen
            reasons.append(f"{mode}: {reason}")
    raise Unusable("; ".join(reasons))


def _run(
    plan: World, chosen: idmap.IdMap, launch: ToolStart, started: str, network: Optional[int]
) -> NoReturn:
    """In the child: run the tool in its world, and end as it ends."""
    mark = os.open(started, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def start() -> int:
        if chosen.kind == "single":
            pretend_to_be_several()
        else:  # a tool may become another user, who is to work here too
            for directory in plan.shared:
                os.chmod(directory, 0o777)  # noqa: S103 - nobody else reaches them
        namespaces.drop_capabilities([one for one in _CAPABILITIES if network is None or one != _NET_RAW])
        os.chdir(str(launch.cwd))
        tool = spawn(launch.argv, launch.environment)
        offer_to_oom_killer(tool)
        os.write(mark, b"1")
        return tool

    _enter(plan, chosen, start, _taking_back(plan, chosen), network)


def _try(plan: World, chosen: idmap.IdMap) -> NoReturn:
    """In a child: make the world, start nothing in it, and end well."""
    work = f"{plan.work}-{plan.mode}-{chosen.kind}"  # an overlay that is volatile wants one of its own
    os.mkdir(work)
    _enter(plan._replace(work=work), chosen, lambda: os._exit(0))


def _enter(
    plan: World,
    chosen: idmap.IdMap,
    start: Callable[[], int],
    at_end: Optional[Callable[[], None]] = None,
    network: Optional[int] = None,
) -> NoReturn:
    flags = namespaces.CLONE_NEWNS | namespaces.CLONE_NEWIPC
    relay.enter(chosen.namespace, flags, lambda: world.make(plan), start, at_end, network)


def _taking_back(plan: World, chosen: idmap.IdMap) -> Optional[Callable[[], None]]:
    """Among several users a tool may give files away; at the end they become the caller's again.

    Otherwise an ordinary caller could neither read nor remove them.
    """
    if chosen.kind == "single":
        return None
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptors = [os.open(directory, flags) for directory in plan.own]

    def take_back() -> None:
        for directory in descriptors:
            for _, directories, files, at in os.fwalk(".", dir_fd=directory):
                for name in directories + files:
                    about = os.stat(name, dir_fd=at, follow_symlinks=False)
                    if (about.st_uid, about.st_gid) != (0, 0):
                        os.chown(name, 0, 0, dir_fd=at, follow_symlinks=False)

    return take_back


def _has_started(started: str) -> bool:
    try:
        return os.stat(started).st_size > 0
    except OSError:
        return False


def _owns(tree: ImageTree, chosen: idmap.IdMap) -> bool:
    """Say whether the owner of the tree exists in the namespace: an overlay cannot copy up what nobody
    owns.
    """
    everybody = chosen.kind == "range" and os.geteuid() == 0
    return everybody or tree.look(lambda alive: os.stat(str(tree.root)).st_uid) == os.geteuid()


def _make_skeleton(root: Path, upper: Path, depth: int = 3) -> None:
    """Make the upper directories of an overlay as our own, so that files can be made and removed in them.

    Only `depth` levels: a tree on CVMFS is slow to list, and tools write near the top of an image.
    """
    try:
        entries = list(os.scandir(str(root)))
    except PermissionError:
        raise Unusable(f"the image {root} cannot be read by this account") from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            own = upper / entry.name
            own.mkdir(mode=0o755, exist_ok=True)
            if depth > 1 and os.access(entry.path, os.R_OK | os.X_OK):
                _make_skeleton(Path(entry.path), own, depth - 1)


def _device(path: Path) -> int:
    return os.stat(str(path)).st_dev
