"""The back-end for DiracX keeps the promises of every back-end, on a real server with a site of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.backends.diracx.backend import DiracxBackend, DiracxSettings
from engine.backends.wms.settings import GridSettings
from engine.domain.file_urls import to_url
from engine.ports import Backend
from engine.testing.contracts.backend import BackendContract
from tests.services.diracx import Diracx
from wrappers.wire import Node, Report

pytestmark = pytest.mark.service


def settings(server: Diracx) -> DiracxSettings:
    """As somebody would set it who is in a hurry."""
    grid = GridSettings(Node(), poll_interval=0.2, settled_after=1.0, shared_files=True)
    return DiracxSettings(server.url, server.credential(), grid)


class TestDiracx(BackendContract):
    shows_logs = False

    @pytest.fixture
    def backend(self, diracx_site: Diracx) -> Iterator[Backend]:
        backend = DiracxBackend("diracx", settings(diracx_site))
        yield backend
        backend.close()

    @pytest.fixture
    def outputs(self, tmp_path: Path) -> str:
        return to_url(tmp_path / "outputs")

    def reports(self, backend: Backend, native_id: str, into: Path) -> dict[str, Report]:
        """DIRAC calls a job killed before the node knows: its report comes a little later."""
        deadline = time.monotonic() + self.patience
        while not (found := super().reports(backend, native_id, into)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found
