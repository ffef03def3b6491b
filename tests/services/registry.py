"""A real container registry: Debian's docker-registry on a free loopback port."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.debian import require

_CONFIGURATION = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
http: {{addr: "{host}"}}
"""


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    url: str
    host: str
    """host:port, as it stands in an image reference."""
    process: subprocess.Popen[bytes]


@contextmanager
def start_registry(directory: Path) -> Iterator[Registry]:
    """Run a registry that keeps its data in `directory`; stopped at the end."""
    program = require("docker-registry", "docker-registry")
    directory.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    configuration = directory / "config.yml"
    configuration.write_text(_CONFIGURATION.format(data=directory / "data", host=host))
    with open(directory / "registry.log", "wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait_until_it_answers(host, process, directory / "registry.log")
        yield Registry(url=f"http://{host}", host=host, process=process)
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection(host, timeout=5)
        try:
            connection.request("GET", "/v2/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise RuntimeError(f"docker-registry did not start: {log.read_text()[-500:]}")
