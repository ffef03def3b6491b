"""Debian's podman for an account of a worker node: images as directories, the registry of the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.runtimes.worker import Worker
from tests.services.debian import require
from tests.services.registry import Registry


@contextmanager
def podman_for(account: Worker, registry: Registry) -> Iterator[None]:
    """Let podman, run by this account, keep its images in the account's directory and trust the registry."""
    program = require("podman")
    settings = account.directory / ".config" / "containers"
    settings.mkdir(parents=True, exist_ok=True)
    place = account.directory / "podman"
    # Podman's own clean-up takes no runroot of more than 50 characters; without it, each run waits 20 seconds
    # for an exit code that nobody writes.
    runroot = account.directory / "run"
    (settings / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{place}"\nrunroot = "{runroot}"\n'
    )
    (settings / "registries.conf").write_text(
        f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
    )
    account.give(account.directory / ".config")
    try:
        yield
    finally:  # ends the process that keeps the account's user namespace for the next call
        command = [
            "env",
            "-i",
            f"PATH={os.defpath}",
            f"HOME={account.directory}",
            program,
            "system",
            "migrate",
        ]
        subprocess.run(account.command(command), cwd="/", check=True)
