"""What DIRAC calls systems: its services and who else works there, with their options and databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.legacy.database import Database

Section = Mapping[str, Any]

FIRST = "Configuration/Server"
SANDBOXES = "ProductionSandboxSE"
SERVICES = (
    "Framework/ProxyManager",
    "Accounting/DataStore",
    "RequestManagement/ReqManager",
    "ResourceStatus/ResourceStatus",
    "DataManagement/FileCatalog",
    "DataManagement/StorageElement",
    "WorkloadManagement/OptimizationMind",
    "WorkloadManagement/JobMonitoring",
    "WorkloadManagement/JobStateUpdate",
    "WorkloadManagement/SandboxStore",
    "WorkloadManagement/PilotManager",
    "WorkloadManagement/WMSAdministrator",
    "WorkloadManagement/Matcher",
)
LAST = "WorkloadManagement/JobManager"
"""It hands new jobs to OptimizationMind, for which it looks once a minute: so it starts after that."""
SECOND_STORAGE = "DataManagement/SecondStorageElement"
"""In a process of its own, so that it can be away."""
EVERY = (FIRST, *SERVICES, LAST, SECOND_STORAGE)
REQUESTS = "RequestManagement/RequestExecutingAgent"
PILOT = "WorkloadManagement/JobAgent"
_DATABASES = {
    "Accounting": ["AccountingDB"],
    "DataManagement": ["FileCatalogDB"],
    "Framework": ["ProxyDB"],
    "RequestManagement": ["ReqDB"],
    "ResourceStatus": ["ResourceStatusDB"],
    "WorkloadManagement": ["JobDB", "JobLoggingDB", "TaskQueueDB", "PilotAgentsDB", "SandboxMetadataDB"],
}
_CATALOGUE: Section = {
    "UserGroupManager": "UserAndGroupManagerDB",
    "SEManager": "SEManagerDB",
    "SecurityManager": "NoSecurityManager",
    "DirectoryManager": "DirectoryClosure",
    "FileManager": "FileManagerPs",
    "UniqueGUID": "False",
    "GlobalReadAccess": "True",
    "LFNPFNConvention": "Strong",
    "ResolvePFN": "True",
    "DefaultUmask": 509,
    "VisibleStatus": "AprioriGood",
}


@dataclass(frozen=True)
class Installation:
    """What every part of the configuration depends on."""

    generation: int
    """8 or 9."""
    directory: Path
    ports: Mapping[str, int]
    """Of each service, by its name."""
    host_subject: str
    user_subject: str
    diracx: str
    """URL of DiracX, where there is one."""
    exchange_key: str
    parameters: int
    """The port of what stands in for OpenSearch."""

    def url(self, service: str) -> str:
        """Where a service answers."""
        return f"dips://localhost:{self.ports[service]}/{service}"


def systems(it: Installation, database: Database) -> Section:
    """All of them: services, optimizers, agents, databases."""
    storage = {"BasePath": it.directory / "storage"}
    second = {
        "BasePath": it.directory / "storage2",
        "HandlerPath": "DIRAC/DataManagementSystem/Service/StorageElementHandler.py",
    }
    options: dict[str, Section] = {
        "DataManagement/FileCatalog": _CATALOGUE,
        "DataManagement/StorageElement": storage,
        SECOND_STORAGE: second,
        "WorkloadManagement/JobManager": {"MaxParametricJobs": 100},
        "WorkloadManagement/SandboxStore": {
            "LocalSE": SANDBOXES,
            "BasePath": it.directory / "sandboxes",
            "MaxSandboxSizeMiB": 10,
            **({"UseDiracXBackend": "True"} if it.diracx else {}),
        },
        "WorkloadManagement/OptimizationMind": {"LoadJobPeriod": 2},
    }
    found: dict[str, dict[str, dict[str, str | int | Section]]] = {}
    for name in EVERY:
        system, kind = name.split("/")
        parts = found.setdefault(system, {"Services": {}, "URLs": {}})
        parts["Services"][kind] = service(it, name, options.get(name, {}))
        parts["URLs"][kind] = it.url(name)
    for system, names in _DATABASES.items():
        found[system]["Databases"] = {name: {"DBName": name} for name in names}
    work = found["WorkloadManagement"]
    parameters = {"Host": "127.0.0.1", "Port": it.parameters, "SSL": "No"}
    work["Databases"]["JobParametersDB"] = parameters
    optimizers = ("JobPath", "JobSanity", "InputData", "JobScheduling")
    empty: dict[str, Section] = {name: {} for name in optimizers}
    found["RequestManagement"]["Agents"] = {REQUESTS.split("/")[1]: _executing_requests()}
    work["Executors"] = {"Optimizers": {"Load": ", ".join(optimizers)}, **empty}
    login = {"User": database.user, "Password": database.password, "Host": "127.0.0.1", "Port": database.port}
    nowhere = {**parameters, "User": "none", "Password": "none"}
    return {"Databases": login, "NoSQLDatabases": nowhere, **found}


def _executing_requests() -> Section:
    """As DIRAC's template has it, for few requests and with one process."""
    data = ("ReplicateAndRegister", "PutAndRegister", "RegisterReplica", "RemoveReplica", "RemoveFile")
    places = dict.fromkeys((*data, "RegisterFile"), "DataManagementSystem")
    places["ForwardDISET"] = "RequestManagementSystem"
    handlers = {
        name: {"Location": f"DIRAC/{system}/Agent/RequestOperations/{name}"}
        for name, system in places.items()
    }
    pool = {"MinProcess": 1, "MaxProcess": 1, "BulkRequest": 10, "RequestsPerCycle": 10}
    return {"PollingTime": 1, "MaxCycles": 0, **pool, "OperationHandlers": handlers}


def service(it: Installation, name: str, options: Section | None = None) -> Section:
    """The section of one service."""
    rules = {"Default": "authenticated"}
    if name == FIRST:
        rules["commitNewData"] = "CSAdministrator"
        options = {"HandlerPath": "DIRAC/ConfigurationSystem/Service/ConfigurationHandler.py"}
    return {"Port": it.ports[name], **(options or {}), "Authorization": rules}
