"""The Docker engine, through its SDK where that is installed. The engine runs the tool; our child waits.

Exit codes are those that the engine gives: the death of the tool by a signal is told as 128 + its number.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any, Dict, Optional

from wrappers import wire
from wrappers.containers import credentials
from wrappers.containers.errors import UnsuitableNode
from wrappers.containers.reference import parse
from wrappers.runtimes.base import ImageError, JobSpec, ToolStart, Unusable
from wrappers.runtimes.image import TEMPORARY, JobImage, below_shell, container_name, workdir
from wrappers.runtimes.relay import ignore_signals, on_death_of_parent

_LEAST_MEMORY = 6 << 20  # bytes; the engine refuses less
_TIMEOUT_S = 600  # seconds for one answer of the engine; following the output has no limit


def prepare(job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    """Get ready to run the job with the Docker engine: it has the image when this returns.

    Raises:
        Unusable: the SDK is not installed, or no engine answers.
        ImageError: the engine cannot get the image.
    """
    pinned = image.in_registry
    sys.path.extend(path for path in node.packages if path not in sys.path)
    client, sdk = _connect(node.docker_host)
    try:
        origin = _ensure(client, sdk, pinned, node)
        version = str(client.version()["Version"])
    finally:
        client.close()
    _make_mount_point(job)
    name = container_name(job)
    started = job.private / "docker.started"
    excess = job.private / "docker.excess"
    return ToolStart(
        argv=[],  # `enter` does not return
        environment={},
        cwd=job.directory,
        used=wire.RuntimeUsed(
            name="docker",
            version=version,
            image=pinned.reference,
            digest=pinned.digest,
            origin=origin,
        ),
        enter=lambda: _run(job, node.docker_host, name, pinned, started, excess),
        kill=lambda: _remove(node.docker_host, name),
        started=started.exists,
        excess=lambda: excess.read_text() if excess.exists() else "",
        cleanup=lambda: _remove(node.docker_host, name),
    )


def _make_mount_point(job: JobSpec) -> None:
    """Return where the job's directory is mounted below /tmp, in the directory that is shown there: what
    the engine makes is root's, and an ordinary user could not remove it.
    """
    for target in TEMPORARY:
        if Path(target) in job.directory.parents:
            (job.tmp / job.directory.relative_to(target)).mkdir(parents=True, exist_ok=True)


def _connect(host: str) -> Any:
    try:
        sdk = importlib.import_module("docker")
    except ImportError:
        raise Unusable("no Docker SDK for Python in `node.packages`") from None
    try:
        environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
        client = sdk.from_env(timeout=_TIMEOUT_S, environment=environment)  # asks the engine for its version
    except Exception as error:  # the SDK lets errors of requests, urllib3 and its own through
        raise Unusable(f"no Docker engine answers: {_first_line(error)}") from None
    return client, sdk


def _ensure(client: Any, sdk: Any, pinned: wire.Image, node: wire.Node) -> str:
    reference = parse(pinned.reference)
    repository = f"{reference.host}/{reference.repository}"
    try:
        client.images.get(f"{repository}@{pinned.digest}")
        return "cache"
    except sdk.errors.ImageNotFound:
        pass
    if not node.pull:
        raise Unusable(f"the Docker engine lacks image {pinned.reference}, and `pull` forbids to fetch it")
    try:
        login = credentials.load(node.credentials).find(reference.host, reference.repository)
        auth = _auth(login) if login else None
        client.images.pull(repository, tag=pinned.digest, auth_config=auth)
    except UnsuitableNode as error:
        raise Unusable(str(error)) from None
    except sdk.errors.APIError as error:
        raise ImageError(
            f"the Docker engine cannot get image {pinned.reference}: {_first_line(error)}"
        ) from None
    return "pulled"


def _auth(login: credentials.Login) -> Dict[str, str]:
    """Render a login as the engine's interface has it."""
    known = {
        "username": login.username,
        "password": login.password,
        "identitytoken": login.identity_token,
        "registrytoken": login.registry_token,
    }
    return {name: value for name, value in known.items() if value}


def _run(job: JobSpec, host: str, name: str, pinned: wire.Image, started: Path, excess: Path) -> None:
    """In the child: start the container, pass on what it writes, end with its exit code."""
    ignore_signals()
    on_death_of_parent(lambda: _remove(host, name))
    client, _ = _connect(host)
    try:
        container = client.api.create_container(**_request(job, client, pinned), name=name)["Id"]
        output = client.api.attach(container, stdout=True, stderr=True, stream=True, demux=True)
        client.api.start(container)
    except Exception as error:
        os.write(2, f"docker could not start the tool: {_first_line(error)}\n".encode("utf-8", "replace"))
        os._exit(125)
    started.touch()
    for out, err in output:
        _write(1, out)
        _write(2, err)
    code = int(client.api.wait(container, timeout=None)["StatusCode"])
    if client.api.inspect_container(container)["State"].get("OOMKilled"):
        excess.write_text(f"the tool needed more than its {job.manifest.limits.memory} bytes of memory")
    os._exit(code & 0xFF)


def _request(job: JobSpec, client: Any, pinned: wire.Image) -> Dict[str, Any]:
    reference = parse(pinned.reference)
    image = f"{reference.host}/{reference.repository}@{pinned.digest}"
    shell = below_shell(job)
    entrypoint = (
        client.images.get(image).attrs["Config"].get("Entrypoint") if job.manifest.entrypoint else None
    )
    host: Dict[str, Any] = {
        "network_mode": "none" if job.manifest.network == wire.NETWORK_NONE else "host",
        "cap_drop": ["NET_RAW"],  # on the machine's network a tool would hear what others say
        "security_opt": ["no-new-privileges"],  # or a setuid program of the image would be root here too
        "read_only": job.manifest.root == "readonly",
        "log_config": {"Type": "none"},  # we follow the output; the engine need not keep it
    }
    memory = job.manifest.limits.memory
    if memory is not None:  # we see only ourselves waiting: the engine must watch, and gives no swap on top
        host["mem_limit"] = host["memswap_limit"] = max(memory, _LEAST_MEMORY)
    bounded = job.manifest.limits
    if bounded.processes is not None:
        host["pids_limit"] = bounded.processes
    if bounded.files is not None:
        host["ulimits"] = [{"Name": "nofile", "Soft": bounded.files, "Hard": bounded.files}]
    binds = [(job.directory, str(job.directory)), *((job.tmp, target) for target in TEMPORARY)]
    mounts = [{"Type": "bind", "Source": str(source), "Target": target} for source, target in binds]
    if job.manifest.gpu:
        host["device_requests"] = [{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}]
    return {
        "image": image,
        "entrypoint": entrypoint or shell[:1],
        "command": shell if entrypoint else shell[1:],
        "environment": {"HOME": str(job.directory), **job.manifest.environment},
        "working_dir": str(workdir(job)),
        "user": f"{os.geteuid()}:{os.getegid()}",
        "labels": {"boutiques-engine.attempt": job.manifest.attempt},
        "host_config": client.api.create_host_config(mounts=mounts, **host),
    }


def _remove(host: str, name: str) -> None:
    try:
        client, _ = _connect(host)
        try:
            client.api.remove_container(name, force=True)
        finally:
            client.close()
    except Exception:
        return  # gone already, or the engine is: nothing is left to do


def _write(descriptor: int, data: Optional[bytes]) -> None:
    view = memoryview(data or b"")
    while len(view):
        view = view[os.write(descriptor, view) :]


def _first_line(error: BaseException) -> str:
    return (str(getattr(error, "explanation", None) or error).splitlines() or ["?"])[0]
