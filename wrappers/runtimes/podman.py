"""Podman, which keeps its own images; ours is pulled by its digest.

    our child     becomes `podman run`, and dies with the wrapper
      guard       ends the container when that died before it: `conmon` would go on
    conmon        comes to the wrapper as an orphan, and so does the tool: ended by it, as its descendants

Exit codes are those that podman gives: the death of the tool by a signal is told as 128 + its number.
"""

import os
import signal
import subprocess
from typing import Callable, List

from wrappers import wire
from wrappers.containers.programs import which
from wrappers.containers.reference import parse
from wrappers.runtimes import namespaces
from wrappers.runtimes.base import JobSpec, ToolStart, Unusable
from wrappers.runtimes.image import TEMPORARY, JobImage, below_shell, container_name, workdir
from wrappers.runtimes.probe import once
from wrappers.runtimes.relay import ignore_signals, on_death_of_parent

_HOST = (
    *("PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "REGISTRY_AUTH_FILE"),
    *("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF"),
)
_ADDED = ("container", "TERM")
"""Variables that podman sets of itself and can leave out; `HOSTNAME` it cannot."""


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
    reason = once(("podman", program), lambda: _try(program))
    if reason:
        raise Unusable(f"{program} does not work here: {reason}")
    reference = parse(pinned.reference)
    name = container_name(job)
    started = job.private / "podman.pid"  # written when the tool has been started
    # What podman says of itself would stand in the tool's stderr; what ends it is said at every level.
    argv = [program, "--log-level=fatal", "run", "--quiet", f"--name={name}", f"--pidfile={started}"]
    argv += [*options(job, node.pull), f"{reference.host}/{reference.repository}@{pinned.digest}"]

    def remove() -> None:
        _quietly([program, "rm", "--force", "--ignore", "--time=0", name])

    return ToolStart(
        argv=[*argv, *(_shell(job) if job.manifest.entrypoint else _shell(job)[1:])],
        environment={key: os.environ[key] for key in _HOST if key in os.environ},
        cwd=job.directory,
        used=wire.RuntimeUsed(
            "podman", image=pinned.reference, digest=pinned.digest, version=_version(program)
        ),
        enter=lambda: _guard(remove),
        started=started.exists,
        cleanup=remove,
    )


def options(job: JobSpec, pull: bool) -> List[str]:
    """List podman's options for a job, those of `podman run` before the image."""
    given = job.manifest
    # Not --rm: once conmon has removed the container, podman looks for its exit code in its events, for
    # 20 seconds. `cleanup` removes it.
    words = ["--pull=" + ("missing" if pull else "never"), "--log-driver=none", "--user=0:0"]
    words.append("--network=" + ("none" if given.network == wire.NETWORK_NONE else "host"))
    words += ["--cap-drop=NET_RAW", "--security-opt=no-new-privileges"]  # as with the Docker engine
    words.append("--oom-score-adj=500")
    if given.limits.files is not None:
        words.append(f"--ulimit=nofile={given.limits.files}:{given.limits.files}")
    if not given.workdir:  # podman makes none
        words.append(f"--workdir={job.directory}")
    if not given.entrypoint:
        words.append(f"--entrypoint={given.shell}")
    words += [f"--volume={job.directory}:{job.directory}"]
    words += [f"--volume={job.tmp}:{target}" for target in TEMPORARY]
    if given.root == "readonly":
        words.append("--read-only")
    if given.gpu:
        words.append("--device=nvidia.com/gpu=all")
    words += [f"--unsetenv={name}" for name in _ADDED]
    surroundings = {"HOME": str(job.directory), **given.environment}
    return words + [f"--env={key}={value}" for key, value in surroundings.items()]


def _shell(job: JobSpec) -> List[str]:
    """Give what runs in the container, in a directory that the image need not have."""
    given = below_shell(job)
    if not job.manifest.workdir:
        return given
    there = str(workdir(job))
    return [job.manifest.shell, "-c", 'mkdir -p "$0" && cd "$0" || exit 125; "$@"; exit $?', there, *given]


def _guard(remove: Callable[[], None]) -> None:
    """Let this child, which becomes podman, die with the wrapper, and leave a process that ends the container
    then. While the wrapper lives it does that itself: orphans come to it.
    """
    wrapper = os.getppid()
    namespaces.die_with_parent(signal.SIGKILL)
    if os.getppid() != wrapper:
        os._exit(125)
    if os.fork():
        return
    os.setsid()
    ignore_signals()
    on_death_of_parent(lambda: None if os.getppid() == wrapper else remove())
    while True:
        signal.pause()


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
