"""What DIRAC's services, clients and pilots are told, as trees; and DIRAC's way to write such a tree."""

from __future__ import annotations

from collections.abc import Mapping

from tests.services.legacy.database import Database
from tests.services.legacy.systems import (
    FIRST,
    SANDBOXES,
    SECOND_STORAGE,
    Installation,
    Section,
    service,
    systems,
)

VO = "biomed"
SITE = "DIRAC.Local.xx"
ELEMENT = "SE-1"
SECOND = "SE-2"
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
    first = {
        "Name": "Production",
        "Version": "2026-11-20 00:00:00.000000",
        "MasterServer": it.url(FIRST),
    }
    diracx = {"URL": it.diracx, "LegacyExchangeApiKey": f"diracx:legacy:{it.exchange_key}"}
    return {
        "DIRAC": {**_top(it), "Configuration": first},
        "Systems": systems(it, database),
        "Registry": _registry(it),
        "Resources": _resources(it),
        "Operations": {"Defaults": _operations()},
        **({"DiracX": diracx} if it.diracx else {}),
    }


def host(it: Installation, security: Section) -> Section:
    """What services read before they ask the configuration service; the latter needs no more."""
    first = {"Name": "Production", "Servers": it.url(FIRST), "MasterServer": it.url(FIRST), "Master": "yes"}
    return {
        "DIRAC": {
            **_top(it),
            "Configuration": first,
            "Hostname": "localhost",  # as in the certificate, whatever this machine is called
            "Security": security,
        },
        "LocalInstallation": {"Host": "localhost"},
        "Systems": {"Configuration": {"Services": {"Server": service(it, FIRST)}}},
    }


def client(it: Installation) -> Section:
    """What users have: where the configuration service is."""
    return {
        "DIRAC": {
            **_top(it),
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
        "CPUTime" if it.generation == 8 else "CPUTimeLeft": 1_000_000_000,
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


def _top(it: Installation) -> Section:
    """DIRAC 8 wants the name of a setup, but no longer a description of each."""
    setup = {"Setup": "tests", "NoSetup": "True", "Setups": {"tests": {}}}
    return {"VirtualOrganization": VO, **(setup if it.generation == 8 else {})}


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
            SECOND: storage(SECOND_STORAGE, Plugin="DIP"),
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
        "ResourceStatus": {"Config": {"State": "Active"}},  # or DIRAC 8 asks elsewhere
    }
