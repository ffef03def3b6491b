import pytest
from table import TableStorage

from engine.testing.contracts.storage import StorageContract


class TestTable(StorageContract):
    @pytest.fixture
    def storage(self):
        return TableStorage()

    @pytest.fixture
    def base(self, tmp_path):
        return f"table://{tmp_path}/files.db?/base"
