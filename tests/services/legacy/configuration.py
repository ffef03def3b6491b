"""What DIRAC's services, clients and pilots are told, as trees; and DIRAC's way to write such a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.legacy.database import Database

Section = Mapping[str, Any]

VO = "biomed"
SITE = "DIRAC.Local.xx"
ELEMENT = "SE-1"
SANDBOXES = "ProductionSandboxSE"
_COMPUTING = "localhost"
GROUPS: Mapping[str, list[str]] = {
    "biomed_user": ["NormalUser", "PrivateLimitedDelegation"],
    "biomed_pilot": ["GenericPilot", "LimitedDelegation"],
    "dirac_admin": [
        *(
            "AlarmsManagement",
            "CSAdministrator",
            "FileCatalogManagement",
            "FullDelegation",
            "JobAdministrator",
        ),
        *("NormalUser", "Operator", "ProxyManagement", "ServiceAdministrator", "SiteManager"),
    ],
}
"""Groups of the VO and their properties, the same for DIRAC and DiracX: where they differ, DiracX refuses."""

_HOST = "TrustedHost, CSAdministrator, JobAdministrator, FullDelegation, ProxyManagement, Operator"
FIRST = "Configuration/Server"
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

    directory: Path
    ports: Mapping[str, int]
    """Of each service, by its name."""
    host_subject: str
    user_subject: str
    diracx: str
    """URL of DiracX."""
    exchange_key: str
    parameters: int
    """The port of what stands in for OpenSearch."""

    def url(self, service: str) -> str:
        """Where a service answers."""
        return f"dips://localhost:{self.ports[service]}/{service}"


def render(section: Section, depth: int = 0) -> str:
    """A tree in DIRAC's syntax."""
    space, lines = "  " * depth, []
    for name, value in section.items():
        if isinstance(value, Mapping):
            lines += [f"{space}{name}", f"{space}{{", render(value, depth + 1) + f"{space}}}"]
        else:
            lines.append(f"{space}{name} = {value}")
    return "".join(f"{line}\n" for line in lines)


def master(it: Installation, database: Database) -> Section:
    """The configuration of the whole installation, which the configuration service gives to everybody."""
    return {
        "DIRAC": {
            "VirtualOrganization": VO,
            "Configuration": {
                "Name": "Production",
                "Version": "2026-11-20 00:00:00.000000",
                "MasterServer": it.url(FIRST),
            },
        },
        "Systems": _systems(it, database),
        "Registry": _registry(it),
        "Resources": _resources(it),
        "Operations": {"Defaults": _operations()},
        "DiracX": {"URL": it.diracx, "LegacyExchangeApiKey": f"diracx:legacy:{it.exchange_key}"},
    }


def host(it: Installation, security: Section) -> Section:
    """What services read before they ask the configuration service; the latter needs no more."""
    return {
        "DIRAC": {
            "VirtualOrganization": VO,
            "Configuration": {
                "Name": "Production",
                "Servers": it.url(FIRST),
                "MasterServer": it.url(FIRST),
                "Master": "yes",
            },
            "Hostname": "localhost",  # as in the certificate, whatever this machine is called
            "Security": security,
        },
        "LocalInstallation": {"Host": "localhost"},
        "Systems": {"Configuration": {"Services": {"Server": _service(it, FIRST)}}},
    }


def client(it: Installation) -> Section:
    """What users have: where the configuration service is."""
    return {
        "DIRAC": {
            "VirtualOrganization": VO,
            "Configuration": {"Servers": it.url(FIRST)},
            "Security": {"UseServerCertificate": "no"},
        }
    }


def pilot(it: Installation) -> Section:
    """What a pilot finds on its node."""
    agent = {
        "PollingTime": 1,
        "MaxCycles": 0,
        "StopAfterFailedMatches": 1_000_000_000,
        "StopAfterHostFailures": 1_000_000_000,
        "StopOnApplicationFailure": "False",
        "MinimumTimeLeft": 0,
        "CEType": "InProcess",
        "SubmissionDelay": 0,
    }
    node = {
        "Site": SITE,
        "GridCE": _COMPUTING,
        "CEQueue": "local",
        "CPUTimeLeft": 1_000_000_000,
        "CPUNormalizationFactor": 10,
        "LocalSE": ELEMENT,
    }
    return {
        **client(it),
        "LocalSite": node,
        "Systems": {
            "WorkloadManagement": {"Agents": {"JobAgent": agent}, "JobWrapper": {"PollingTime": 1}},
        },
    }


def _systems(it: Installation, database: Database) -> Section:
    options: dict[str, Section] = {
        "DataManagement/FileCatalog": _CATALOGUE,
        "DataManagement/StorageElement": {"BasePath": it.directory / "storage"},
        "WorkloadManagement/JobManager": {"MaxParametricJobs": 100},
        "WorkloadManagement/SandboxStore": {
            "LocalSE": SANDBOXES,
            "BasePath": it.directory / "sandboxes",
            "MaxSandboxSizeMiB": 10,
            "UseDiracXBackend": "True",
        },
        "WorkloadManagement/OptimizationMind": {"LoadJobPeriod": 2},
    }
    systems: dict[str, dict[str, dict[str, str | int | Section]]] = {}
    for name in (FIRST, *SERVICES, LAST):
        system, service = name.split("/")
        parts = systems.setdefault(system, {"Services": {}, "URLs": {}})
        parts["Services"][service] = _service(it, name, options.get(name, {}))
        parts["URLs"][service] = it.url(name)
    for system, names in _DATABASES.items():
        systems[system]["Databases"] = {name: {"DBName": name} for name in names}
    work = systems["WorkloadManagement"]
    parameters = {"Host": "127.0.0.1", "Port": it.parameters, "SSL": "No"}
    work["Databases"]["JobParametersDB"] = parameters
    optimizers = ("JobPath", "JobSanity", "InputData", "JobScheduling")
    empty: dict[str, Section] = {name: {} for name in optimizers}
    work["Executors"] = {"Optimizers": {"Load": ", ".join(optimizers)}, **empty}
    login = {"User": database.user, "Password": database.password, "Host": "127.0.0.1", "Port": database.port}
    nowhere = {**parameters, "User": "none", "Password": "none"}
    return {"Databases": login, "NoSQLDatabases": nowhere, **systems}


def _service(it: Installation, name: str, options: Section | None = None) -> Section:
    rules = {"Default": "authenticated"}
    if name == FIRST:
        rules["commitNewData"] = "CSAdministrator"
        options = {"HandlerPath": "DIRAC/ConfigurationSystem/Service/ConfigurationHandler.py"}
    return {"Port": it.ports[name], **(options or {}), "Authorization": rules}


def _registry(it: Installation) -> Section:
    groups: dict[str, Section] = {
        name: {"Users": "alice", "Properties": ", ".join(properties), "VO": VO, "AutoUploadProxy": "False"}
        for name, properties in GROUPS.items()
    }
    return {
        "DefaultGroup": "biomed_user",
        "Users": {"alice": {"DN": it.user_subject, "Email": "alice@example.org"}},
        "Groups": {**groups, "hosts": {"Properties": _HOST}},
        "Hosts": {"localhost": {"DN": it.host_subject, "Properties": _HOST}},
        "VO": {VO: {"VOAdmin": "alice", "DefaultGroup": "biomed_user"}},
    }


def _resources(it: Installation) -> Section:
    def storage(service: str, **more: str) -> Section:
        place = {"Host": "localhost", "Port": it.ports[service], "Protocol": "dips", "Path": f"/{service}"}
        return {"BackendType": "DISET", "DIP": {**place, "Access": "remote", **more}}

    queue = {"maxCPUTime": 200_000, "SI00": 2400}
    computing = {"CEType": "InProcess", "Queues": {"local": queue}}
    site = {"Name": "Local", "SE": ELEMENT, "CEs": {_COMPUTING: computing}}
    return {
        "FileCatalogs": {"FileCatalog": {"AccessType": "Read-Write", "Status": "Active", "Master": "True"}},
        "StorageElements": {
            SANDBOXES: storage("WorkloadManagement/SandboxStore", ProtocolName="DIP", WSUrl=""),
            ELEMENT: storage("DataManagement/StorageElement", Plugin="DIP"),
        },
        "Sites": {"DIRAC": {SITE: site}},
    }


def _operations() -> Section:
    client_modules = "DIRAC.WorkloadManagementSystem.Client"
    ways = ("AccessProtocols", "WriteProtocols", "RegistrationProtocols", "ThirdPartyProtocols")
    return {
        "EMail": {"Production": "noreply@example.org"},
        "Services": {"Catalogs": {"CatalogList": "FileCatalog"}},
        "JobDescription": {"AllowedJobTypes": "User, Test, Hospital"},
        "InputDataPolicy": {
            "Default": f"{client_modules}.DownloadInputData",
            "Download": f"{client_modules}.DownloadInputData",
            "Protocol": f"{client_modules}.InputDataByProtocol",
        },
        "JobScheduling": {"CheckSiteMask": "False", "RescheduleDelays": "1, 1, 1"},
        "DataManagement": dict.fromkeys(ways, "dips"),
    }
