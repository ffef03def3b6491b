"""What `engine serve` offers: HTTP for nodes, and the portal's interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.networks import IPvAnyNetwork

from engine import xdg
from engine.settings.section import RuntimeName, Section

GroupName = Annotated[str, Field(min_length=1, max_length=100)]


class ApiSection(Section):
    """The HTTP interfaces of `engine serve`."""

    listen: str = "127.0.0.1:8420"
    """Address and port; port 0 is any that is free."""
    public_url: str = ""
    """Where worker nodes reach it. Without it there is no embedded storage, and no fresh credentials."""
    root: Path = Field(default_factory=lambda: xdg.directory("XDG_DATA_HOME", ".local/share") / "storage")
    """Directory of the embedded storage."""
    quota: int | None = Field(default=None, gt=0)
    """Bytes that one execution may keep in the embedded storage."""
    stall: float = Field(default=60.0, gt=0)
    """Seconds in which a client must send the headers of a request, and then the next byte of its body, or
    take the next byte of an answer."""
    least_rate: int = Field(default=1000, ge=0)
    """Bytes a second that a client must send of a body, or take of an answer, on average over any `stall`
    seconds for which it is waited for; 0: any."""
    connections: int = Field(default=1000, ge=1)
    """Connections of clients at a time. Beyond them, those that have asked nothing for the longest time are
    closed."""
    behind_proxy: bool = False
    """Whether a reverse proxy stands before it, speaks https and bounds requests. Without one, `listen` is an
    address of loopback."""
    proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses and networks of reverse proxies, whose `X-Forwarded-For` and `X-Forwarded-Proto` are
    believed."""
    claims: float = Field(default=30 * 86_400.0, gt=0)
    """Seconds for which an attempt may fetch fresh credentials, whether it waits or runs."""


class IssuerGroupsSection(Section):
    """Groups whose members an identity provider names."""

    claim: Literal["entitlements", "eduperson_entitlement", "groups", "wlcg.groups"] = "entitlements"
    """The claim of tokens that says in which groups somebody is."""
    map: dict[str, GroupName] = Field(default_factory=dict)
    """What the provider says, and the group of the portal that stands for it: an entitlement of AARC-G069
    (`urn:mace:egi.eu:group:biomed:role=member`), or any other text."""


class IssuerSection(Section):
    """An OpenID Connect provider whose tokens open the portal (EGI Check-in, Keycloak)."""

    url: str = Field(pattern=r"^https?://[^\s?#]+$")
    """The issuer, as tokens name it; its keys are found below it."""
    audience: str
    """What tokens must be for."""
    name: str = "preferred_username"
    """The claim that an account made on the first visit is named by."""
    create: bool = True
    """Whether somebody who comes for the first time gets an account."""
    authorities: str = ""
    """File of certificate authorities of the provider; empty: the system's."""
    groups: IssuerGroupsSection = Field(default_factory=IssuerGroupsSection)
    """Groups whose members it names."""


class PortalSection(Section):
    """The portal's interface (CARMIN), served by `engine serve` beside the rest of HTTP."""

    name: str = "Grid engine"
    """What the platform calls itself."""
    description: str = "Boutiques pipelines on this machine and on the grid"
    """What it says of itself."""
    email: str = ""
    """Whom users may write to."""
    running: int = Field(default=10, ge=1)
    """Executions of one user that run at a time; further ones wait for their turn."""
    waiting: int = Field(default=100, ge=0)
    """Executions of one user that may wait; further ones are refused."""
    jobs: int = Field(default=100_000, ge=1)
    """Jobs of one execution."""
    bytes: int | None = Field(default=None, gt=0)
    """Bytes of files that one user may keep."""
    tree: str = ""
    """The storage that holds the files of users, a URL or `STORAGE:PATH`; empty: the directory `api.root`."""
    retention: float | None = Field(default=None, gt=0)
    """Seconds for which an ended execution is kept before `engine purge` may remove it; none: for ever."""
    runtimes: tuple[RuntimeName, ...] = ()
    """Container runtimes of published pipelines; empty: those of the node. `none` is for tests."""
    isolation: Literal["required", "off"] = "required"
    """`required`: jobs that run beside the daemon run only where the tool is kept apart from it (by user
    namespaces or Docker), but for pipelines that `engine pipeline trust` names. `off`: every user is trusted
    with the account of the engine."""
    shared: tuple[str, ...] = ()
    """Directories of this machine whose files another portal may name as `file:/...`, when it drives this
    engine as a service."""
    executor_configs: Path | None = None
    """Directory with a directory for each `executorConfig` that VIP's portal names: its `settings.conf` goes
    over the settings of the submission."""
    uploads: bool = True
    """Whether users may launch descriptors of their own."""
    registries: tuple[str, ...] = ("docker.io", "ghcr.io", "quay.io")
    """Registries from which descriptors of their own may take images."""
    zenodo: bool = True
    """Whether descriptors may be fetched from Zenodo by their DOI."""
    origins: tuple[str, ...] = ()
    """Web pages (`https://portal.example.org`) whose scripts may use the interface."""
    failures: int = Field(default=20, ge=1)
    """Wrong keys from one address, or passwords for one name from there, in a minute, after which further
    wrong ones are answered with 429. Right ones are let in."""
    audit_heads: tuple[str, ...] = ("file", "syslog")
    """Where the signed end of the audit trail is written after each change, beside the database: `file`
    (`audit-heads.jsonl` in the state directory), `syslog`, or absolute paths of files."""
    issuers: dict[str, IssuerSection] = Field(default_factory=dict)
    """OpenID Connect providers by name."""
