"""A Docker engine of our own: Debian's docker.io on a private socket, with no network of its own.

Every account of this machine may use it, as the members of the group `docker` may use another.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker

from tests.services.debian import require


@contextmanager
def start_docker_engine(directory: Path) -> Iterator[str]:
    """Run dockerd with its data in `directory`; yields the value for DOCKER_HOST. Needs root."""
    if os.geteuid() != 0:
        raise RuntimeError("a Docker engine is started by root only")
    program = require("dockerd", "docker.io")
    run = Path(tempfile.mkdtemp(prefix="engine-docker-"))  # short: a socket's path has 108 bytes at most
    address = f"unix://{run}/docker.sock"
    command = [program, f"--host={address}", f"--data-root={directory}/data", f"--exec-root={run}/exec"]
    command += [f"--pidfile={run}/pid", "--iptables=false", "--bridge=none", "--storage-driver=vfs"]
    command += ["--containerd-namespace=engine-tests", "--containerd-plugins-namespace=engine-tests-plugins"]
    with open(directory / "docker.log", "wb") as log:
        environment = dict(os.environ, PATH=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin")
        engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        _wait_until_it_answers(address, engine, directory / "docker.log")
        run.chmod(0o711)
        (run / "docker.sock").chmod(0o666)
        yield address
    finally:
        engine.terminate()
        engine.wait()
        _unmount_below(run)
        shutil.rmtree(run, ignore_errors=True)


def containers(address: str) -> list[str]:
    """The names of all containers of an engine."""
    client = docker.DockerClient(base_url=address)
    try:
        return [found["Names"][0] for found in client.api.containers(all=True)]
    finally:
        client.close()


def remove_containers(address: str) -> None:
    """End and remove every container of an engine."""
    client = docker.DockerClient(base_url=address)
    try:
        for found in client.api.containers(all=True):
            with suppress(docker.errors.NotFound):  # it removes itself at its end
                client.api.remove_container(found["Id"], force=True)
    finally:
        client.close()


def _unmount_below(directory: Path) -> None:
    """dockerd leaves its network namespace mounted when it ends, and what is mounted cannot be removed."""
    mounts = [line.split(" ")[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in mounts:
        if Path(point).is_relative_to(directory):
            subprocess.run(["umount", "--lazy", point], check=True)


def _wait_until_it_answers(address: str, engine: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and engine.poll() is None:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(address.removeprefix("unix://"))
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                if b" 200 " in connection.recv(100):
                    return
            except OSError:
                time.sleep(0.05)
    raise RuntimeError(f"dockerd did not start: {log.read_text()[-800:]}")
