"""Accounts of worker nodes, and pinned images."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.runtimes.worker import Worker, worker
from tests.services.images import push_busybox
from tests.services.registry import Registry
from wrappers import wire
from wrappers.containers.reference import parse
from wrappers.containers.registry import RegistryClient

USERS = ["root", "nobody"] if os.geteuid() == 0 else ["nobody"]


def pinned(reference: str) -> wire.Image:
    """The image as the engine writes it into a manifest."""
    resolved = RegistryClient().resolve(parse(reference))
    return wire.Image(parse(reference).text, resolved.digest, resolved.size)


@pytest.fixture(scope="session")
def busybox(busybox_image: str) -> wire.Image:
    return pinned(busybox_image)


@pytest.fixture(scope="session")
def groupless(registry: Registry) -> wire.Image:
    """An image without /etc/group."""
    return pinned(push_busybox(registry, "vip/groupless:1.0", group=False))


@pytest.fixture(scope="session")
def dcm2niix(dcm2niix_image: str) -> wire.Image:
    return pinned(dcm2niix_image)


@pytest.fixture(scope="session")
def workers() -> Iterator[dict[str, Worker]]:
    """One account of each kind, each with its own cache."""
    with worker("root") as root, worker("nobody") as nobody:
        yield {"root": root, "nobody": nobody}


@pytest.fixture(params=USERS)
def account(request: pytest.FixtureRequest, workers: dict[str, Worker]) -> Worker:
    """Each account in turn."""
    return workers[request.param]
