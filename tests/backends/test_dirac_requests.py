"""What could not be done at once is done later by DIRAC: requests for failover, and who executes them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable

import pytest

from engine.dirac.settings import CatalogueSettings, DiracClientSettings
from engine.storages.lfn import LfnStorage
from engine.storages.sections import StorageSettings
from tests.services.legacy.processes import running
from tests.services.legacy.server import Dirac

pytestmark = [pytest.mark.service, pytest.mark.dirac_grid, pytest.mark.timeout(1800)]

PATIENCE = 600.0
"""Seconds. A request that failed once rests for some minutes."""

_REQUESTS = """
import json, sys
from DIRAC import initialize
initialize()
from DIRAC.RequestManagementSystem.Client.ReqClient import ReqClient
client = ReqClient()
found, states = [], ["Waiting", "Assigned", "Scheduled", "Done", "Failed", "Canceled"]
for number, *_ in client.getRequestIDsList(states, 1000)["Value"]:
    request = client.peekRequest(int(number))["Value"]
    if any(file.LFN == sys.argv[1] for operation in request for file in operation):
        found.append([request.Status, [operation.Type for operation in request]])
print("ANSWER" + json.dumps(found))
"""


@pytest.fixture
def storage(dirac: Dirac) -> LfnStorage:
    """Files go to the second storage element, and to the first one when that is away."""
    grid = CatalogueSettings(
        DiracClientSettings((), dirac.rc, dirac.proxy), (dirac.second_element,), (dirac.element,)
    )
    return LfnStorage(StorageSettings(dirac=grid))


@pytest.fixture
def base(dirac: Dirac) -> str:
    """A directory that no other test has; it goes with the installation."""
    return f"lfn:{dirac.home}/{uuid.uuid4().hex}"


def test_a_file_reaches_its_storage_element_when_that_is_back(
    dirac: Dirac, storage: LfnStorage, base: str
) -> None:
    name = f"{base.removeprefix('lfn:')}/late"
    with dirac.without("second element"):
        storage.put(b"content", f"{base}/late")
        assert storage.read(f"{base}/late") == b"content"
    assert requests(dirac, name) == [["Waiting", ["ReplicateAndRegister", "RemoveReplica"]]]
    assert replicas(dirac, name) == [dirac.element]
    with running(dirac.processes["requests"]):
        wait_for(lambda: replicas(dirac, name) == [dirac.second_element])
        wait_for(lambda: [status for status, _ in requests(dirac, name)] == ["Done"])
    assert storage.read(f"{base}/late") == b"content"


def requests(dirac: Dirac, name: str) -> list[list[object]]:
    """State and operations of the requests that are about a file."""
    said = dirac.run("python", "-c", _REQUESTS, name)
    return list(json.loads(said.rpartition("ANSWER")[2]))


def replicas(dirac: Dirac, name: str) -> list[str]:
    """The storage elements at which the catalogue knows a file."""
    said = dirac.run("dirac-dms-lfn-replicas", name)
    return [element for element in (dirac.element, dirac.second_element) if element in said]


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "DIRAC has not done it"
        time.sleep(1)
