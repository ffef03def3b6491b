"""Machines that run jobs, and what a job may use there."""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from typing import Literal

from pydantic import Field

from engine import xdg
from engine.settings.section import RuntimeName, Section


class NodeSettings(Section):
    """The set-up of a machine that runs jobs."""

    runtimes: tuple[RuntimeName, ...] = ("userns", "udocker")
    """Container runtimes in order of preference; `none` is never a fallback and must be asked for."""
    scratch: str = ""
    """Where job directories are made; empty: beside the spool. It must allow programs to be executed."""
    cache: str = Field(default_factory=lambda: str(xdg.directory("XDG_CACHE_HOME", ".cache") / "images"))
    """The image cache of the node, shared by all jobs of one user."""
    cache_size: int | None = Field(default=None, gt=0)
    """Bytes that the image cache may take; the least recently used images that no job uses are removed."""
    cvmfs: tuple[str, ...] = ()
    """Directories of pre-deployed udocker containers, looked at in this order before anything is pulled."""
    mirrors: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Registry host -> base URLs that are tried in order before it."""
    credentials: str = ""
    """JSON file `{host: {"username": ..., "password": ...}}` for registries; only its owner may read it."""
    authorities: str = ""
    """Directory or file of certificate authorities of registries and storages, trusted besides the system's;
    empty: X509_CERT_DIR, else a usual place of grid nodes."""
    pull: bool = True
    """Whether images that are neither pre-deployed nor cached may be pulled."""
    proot: str = ""
    """A proot program for udocker; empty: the one in `tools`, else the one on PATH."""
    tools: str = ""
    """udocker's tools tarball: a path (also on CVMFS) or a URL."""
    tools_sha256: str = ""
    """The sha256 of that tarball; required for a URL."""
    udocker: str = ""
    """A directory or wheel with the udocker package; empty: the one that is built into the wrapper."""
    images: str = ""
    """Directory of images named `<name>-<tag>` for apptainer and singularity."""
    inputs: str = Field(default_factory=lambda: str(xdg.directory("XDG_CACHE_HOME", ".cache") / "inputs"))
    """The cache of fetched inputs, shared by all jobs of one user; empty: none."""
    inputs_size: int | None = Field(default=20 << 30, gt=0)
    """Bytes that the cache of inputs may take."""
    packages: tuple[str, ...] = ()
    """Directories with optional Python packages for runtimes (the docker SDK); empty: this installation's."""
    docker_host: str = Field(default_factory=lambda: os.environ.get("DOCKER_HOST", ""))
    """The address of the Docker engine, as the variable DOCKER_HOST names it; empty: the usual one."""
    network: Literal["own", "none", "machine"] | None = None
    """What tools can reach: `own`, other machines but nothing on this one (needs slirp4netns and user
    namespaces); `none`, nothing; `machine`, whatever the machine can. Not set: `own` for jobs of a portal
    that run beside it, else `machine`."""
    unreachable: tuple[IPv4Network, ...] = ()
    """Further networks (10.1.0.0/16) that a tool with a network of its own cannot reach."""
    file_system_timeout: float = Field(default=15.0, gt=0)
    """Seconds that a file system of the node (CVMFS, NFS) may take to answer, before it is done without."""
    site: str = ""
    """A name of yours for the site of this machine, for records; DIRAC's site names are in `engine sites`."""


class RemoteNodeSettings(NodeSettings):
    """The set-up of machines other than this one: paths are theirs."""

    cache: str = ""
    """The image cache of the node; empty: `~/.cache/boutiques-engine/images` there."""
    inputs: str = ""
    """The cache of fetched inputs; empty: none."""
    packages: tuple[str, ...] = ()
    """Directories with optional Python packages for runtimes."""
    docker_host: str = ""
    """The address of the Docker engine; empty: what DOCKER_HOST says there, else the usual one."""


class LimitSettings(Section):
    """The limits of a job whose descriptor does not say."""

    cores: int = Field(default=1, ge=1)
    """Processor cores."""
    memory: int | None = Field(default=None, gt=0)
    """Bytes of resident memory of all processes of a job together."""
    wall: float | None = Field(default=None, gt=0)
    """Seconds from the start of the tool."""
    disk: int | None = Field(default=None, gt=0)
    """Bytes that must be free before a job starts."""
    processes: int | None = Field(default=None, ge=1)
    """Processes and threads of a job at a time. Not set: 4096 for jobs of a portal that run beside it."""
    files: int | None = Field(default=None, ge=5)
    """Open files of each process of a job. Not set: 4096 for jobs of a portal that run beside it."""
    space: int | None = Field(default=None, gt=0)
    """Bytes of disk that a job may take beside its inputs. Not set: for jobs of a portal that run beside it,
    a share of what is free when it starts: one for each slot, and one for nobody."""
