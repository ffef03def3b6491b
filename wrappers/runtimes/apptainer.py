"""Apptainer or Singularity, on the unpacked image or on a file that the site keeps for it."""

import os
import subprocess
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from wrappers import wire
from wrappers.containers.programs import newest, which
from wrappers.runtimes import site
from wrappers.runtimes.base import ImageError, JobSpec, ToolStart, Unusable
from wrappers.runtimes.image import (
    DEFAULT_PATH,
    TEMPORARY,
    JobImage,
    command,
    environment,
    used,
    workdir,
)
from wrappers.runtimes.probe import once
from wrappers.runtimes.start import cause_in

# Beside PATH: where grid sites are known to have it. Sorted, the newest version comes last and is taken.
_DIRECTORIES = (
    "/cvmfs/oasis.opensciencegrid.org/mis/apptainer/bin/apptainer",
    "/cvmfs/oasis.opensciencegrid.org/mis/singularity/bin/singularity",
    "/cvmfs/dirac.egi.eu/dirac/*/Linux-x86_64/bin/apptainer",
    "/cvmfs/dirac.egi.eu/dirac/*/Linux-x86_64/bin/singularity",
)


class _ImageSource(NamedTuple):
    path: Path
    argv: List[str]
    environment: Dict[str, str]
    used: wire.RuntimeUsed


def prepare(job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    """Get ready to run the job with apptainer or singularity.

    Raises:
        Unusable: it is missing or does not work here.
        ImageError: the image cannot be had, or cannot run the job.
    """
    program = _find()
    source = _from_site(job, node, image) or _from_tree(job, image)
    overlay = job.private / "apptainer"
    overlay.mkdir(exist_ok=True)
    arguments = _arguments(job, program, source.path, overlay)
    shell = job.manifest.shell
    question = ("apptainer", program, str(source.path), shell)
    reason = once(question, lambda: _try(arguments, shell, source.environment))
    if reason:
        cause = cause_in(reason)
        if cause in ("image-platform", "image-start"):
            raise ImageError(f"image {source.path} cannot start: {reason}", cause)
        raise Unusable(f"{program} does not work here: {reason}", cause or "no-runtime")
    return ToolStart(
        argv=[*arguments, *source.argv],
        environment=_passed(source.environment),
        cwd=job.directory,
        used=source.used._replace(mode="overlay" if job.manifest.root != "readonly" else "readonly"),
    )


def _find() -> str:
    found = which("apptainer") or which("singularity") or newest(_DIRECTORIES)
    if not found:
        raise Unusable("neither apptainer nor singularity is installed")
    return found


def _from_site(job: JobSpec, node: wire.Node, image: JobImage) -> Optional[_ImageSource]:
    path = site.find(image.pinned, node)
    if path is None:
        return None
    warnings = [site.warning(path, image.pinned)]
    runtime = wire.RuntimeUsed("apptainer", image=str(path), origin="site", warnings=warnings)
    return _ImageSource(path, [job.manifest.shell, str(job.script)], dict(job.manifest.environment), runtime)


def _from_tree(job: JobSpec, image: JobImage) -> _ImageSource:
    tree = image.tree()
    surroundings = environment(job, tree)
    argv = command(job, tree, surroundings)
    return _ImageSource(tree.root, argv, surroundings, used(job, tree, "apptainer", ""))


def _arguments(job: JobSpec, program: str, image: Path, overlay: Path) -> List[str]:
    arguments = [program, "--silent", "exec", "--cleanenv", "--contain", "--ipc", "--pid"]
    arguments += ["--home", str(job.directory)]  # bound at its own path, and HOME
    for target in TEMPORARY:
        arguments += ["--bind", f"{job.tmp}:{target}"]
    if job.manifest.root != "readonly":
        arguments += ["--overlay", str(overlay)]
    if job.manifest.gpu:
        arguments.append("--nv")
    return [*arguments, "--pwd", str(workdir(job)), str(image)]


def _passed(inside: Dict[str, str]) -> Dict[str, str]:
    """Compute the variables by which apptainer, and singularity, set the tool's own; HOME is an option."""
    outside = {"PATH": os.environ.get("PATH", DEFAULT_PATH)}
    for prefix in ("APPTAINERENV_", "SINGULARITYENV_"):
        outside.update({prefix + name: value for name, value in inside.items() if name != "HOME"})
    return outside


def _try(arguments: List[str], shell: str, inside: Dict[str, str]) -> None:
    result = subprocess.run(
        [*arguments, shell, "-c", "exit 3"],
        env=_passed(inside),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if result.returncode != 3:
        said = result.stdout.decode("utf-8", "replace").strip().splitlines()
        raise OSError(said[-1] if said else f"it ended with {result.returncode}")
