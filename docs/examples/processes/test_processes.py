import pytest
from processes import Processes

from engine.testing.contracts.backend import BackendContract


class TestProcesses(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return Processes("processes", tmp_path / "processes")

    @pytest.fixture
    def outputs(self, tmp_path):
        return (tmp_path / "outputs").as_uri()
