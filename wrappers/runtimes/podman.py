"""Podman, which keeps its own images; ours is pulled by its digest."""

import os
import subprocess
from typing import Dict, List

from wrappers import wire
from wrappers.containers.programs import which
from wrappers.containers.reference import parse
from wrappers.runtimes.base import JobSpec, ToolStart, Unusable
from wrappers.runtimes.image import TEMPORARY, JobImage, below_shell, container_name, workdir
from wrappers.runtimes.probe import once

_HOST = ("PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "CONTAINERS_CONF", "TMPDIR")


def prepare(job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    """Get ready to run the job with podman.

    Raises:
        Unusable: it is missing or does not work here.
    """
    pinned = image.in_registry
    for path in (job.directory, job.tmp):
        if ":" in str(path):
            raise Unusable(f"podman takes no directory with a colon in its name: {path}")
    program = which("podman")
    if program is None:
        raise Unusable("podman is not installed")
    if job.manifest.entrypoint:
        raise Unusable("the image's own entry point is not supported with podman")
    reason = once(("podman", program), lambda: _try(program))
    if reason:
        raise Unusable(f"{program} does not work here: {reason}")
    reference = parse(pinned.reference)
    name = container_name(job)
    started = job.private / "podman.cid"
    arguments = [program, "run", "--name", name, "--cidfile", str(started)]
    return ToolStart(
        argv=[
            *arguments,
            *options(job, node.pull),
            f"{reference.host}/{reference.repository}@{pinned.digest}",
        ]
        + below_shell(job)[1:],
        environment={key: os.environ[key] for key in _HOST if key in os.environ},
        cwd=job.directory,
        used=wire.RuntimeUsed(
            "podman", image=pinned.reference, digest=pinned.digest, version=_version(program)
        ),
        kill=lambda: _quietly([program, "kill", "--signal", "KILL", name]),
        started=started.exists,
        cleanup=lambda: _quietly([program, "rm", "--force", "--ignore", name]),
    )


def options(job: JobSpec, pull: bool) -> List[str]:
    """List what docker and podman both understand, as podman's options."""
    words = ["--rm", "--network=host", "--pull=" + ("missing" if pull else "never"), "--log-driver=none"]
    words += ["--workdir", str(workdir(job)), "--entrypoint", job.manifest.shell, "--user=0:0"]
    words += [f"--volume={job.directory}:{job.directory}"]
    words += [f"--volume={job.tmp}:{target}" for target in TEMPORARY]
    if job.manifest.root == "readonly":
        words.append("--read-only")
    if job.manifest.gpu:
        words.append("--device=nvidia.com/gpu=all")
    surroundings: Dict[str, str] = {"HOME": str(job.directory), **job.manifest.environment}
    return words + [f"--env={key}={value}" for key, value in surroundings.items()]


def _try(program: str) -> None:
    result = subprocess.run(
        [program, "info", "--format", "{{.Host.OCIRuntime.Name}}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if result.returncode:
        said = result.stdout.decode("utf-8", "replace").strip().splitlines()
        raise OSError(said[-1] if said else f"it ended with {result.returncode}")


def _version(program: str) -> str:
    answer = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return answer.decode("utf-8", "replace").strip().rpartition(" ")[2]


def _quietly(argv: List[str]) -> None:
    subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
