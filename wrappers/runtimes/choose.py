"""The first runtime, in the order of the manifest or the node, that works for a job here."""

import importlib
from typing import Any, List

from wrappers import wire
from wrappers.containers.timed import NoAnswer
from wrappers.runtimes.base import ImageError, JobSpec, ToolStart, UnreadableImage, Unusable
from wrappers.runtimes.image import JobImage

# Modules are imported when they are tried: a node needs one or two of them.
_MODULES = {
    "userns": "userns",
    "udocker": "udocker",
    "apptainer": "apptainer",  # untried
    "singularity": "apptainer",  # untried
    "podman": "podman",
    "docker": "docker",
    "none": "none",
}


def load_all() -> None:
    """Import every runtime now: for a process that forks, and may outlive the archive it came from."""
    for name in sorted(set(_MODULES.values())):
        importlib.import_module("wrappers.runtimes." + name)


def open_namespaces() -> None:
    """Have the user namespaces made that jobs will enter: for a process that knows no secret yet.

    While one is made, a copy of this process is open to others of its account (`wrappers.prctl`).
    """
    importlib.import_module("wrappers.runtimes.idmap").working()


def prepare(job: JobSpec, node: wire.Node) -> ToolStart:
    """Get ready to run a job: the image is there, and the runtime was seen to work.

    Raises:
        Unusable: no runtime of the order works on this node; the text says why for each.
        ImageError: the image cannot be had, or cannot run the job, whatever the runtime.
    """
    image = JobImage(job, node)
    try:
        return _first_usable(job, node, image)
    except BaseException:
        image.release()
        raise


def _first_usable(job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    passed: List[str] = []
    reasons: List[str] = []
    preferred = job.manifest.runtimes or node.runtimes
    for name in preferred:
        if name not in _MODULES:
            passed.append(f"{name}: no such runtime")
            continue
        refused = _refused(job.manifest, name)
        if refused:
            passed.append(f"{name}: {refused}")
            continue
        module = importlib.import_module("wrappers.runtimes." + _MODULES[name])
        try:
            launch = _prepare(module, job, node, image)
        except Unusable as error:
            passed.append(f"{name}: {error}")
            reasons.append(error.cause)
            continue
        except NoAnswer as error:
            passed.append(f"{name}: something that it needs gives {error.strerror}")
            reasons.append("mount")
            continue
        return _with_release(launch, image)._replace(used=launch.used._replace(why="; ".join(passed)))
    raise Unusable(
        "no container runtime can run this job here: " + ("; ".join(passed) or "none is configured"),
        next((cause for cause in reasons if cause != "no-runtime"), "no-runtime"),
    )


def _refused(manifest: wire.Manifest, name: str) -> str:
    """Say why a runtime may not run a job, whatever the node; empty when it may."""
    if manifest.isolated and name not in wire.ISOLATING:
        return "it would run the tool as the account that runs the engine, without keeping them apart"
    if manifest.network not in wire.NETWORKS.get(name, (wire.NETWORK_MACHINE,)):
        return f"it cannot give a tool the network {manifest.network!r}"
    return ""


def _prepare(module: Any, job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    """Have a runtime get ready; when the image's tree cannot be read where it lies, with another one.

    Raises:
        Unusable, ImageError: as `prepare`.
    """
    try:
        launch = _try(module, job, node, image)
    except UnreadableImage as error:
        if not image.give_up(str(error)):
            raise Unusable(str(error), "mount") from None
        try:
            launch = _try(module, job, node, image)
        except UnreadableImage as again:
            raise Unusable(str(again), "mount") from None
    mount = "" if "copy" in launch.used.mode else image.mount()
    return launch._replace(mount=mount, damage=image.damage, distrust=image.distrust)


def _try(module: Any, job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    try:
        launch: ToolStart = module.prepare(job, node, image)
    except ImageError:
        damage = image.damage(False)
        if damage:  # what it lacks may be missing from its tree only
            raise UnreadableImage(damage) from None
        raise
    return launch


def _with_release(launch: ToolStart, image: JobImage) -> ToolStart:
    inner = launch.cleanup

    def cleanup() -> None:
        if inner is not None:
            inner()
        image.release()

    return launch._replace(cleanup=cleanup)
