"""Storages, what opens them, and how files travel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from engine.ports import CredentialKind
from engine.settings.section import Section


class CredentialSection(Section):
    """A credential for a storage. Secrets are in files, never in the settings."""

    kind: CredentialKind
    """`proxy`: X.509 proxy or certificate with key (PEM); `token`: bearer token; `basic`: JSON
    `{"username", "password"}`; `s3`: JSON `{"access_key_id", "secret_access_key"}`; `key`: API key."""
    file: Path
    """Where it is; only its owner may read it. It is read anew whenever it changes."""


class StorageSection(Section):
    """A storage where files lie."""

    url: str
    """The URL that all of its files begin with; its scheme says how it is spoken to."""
    aliases: tuple[str, ...] = ()
    """Further URLs under which the very same files are reached, like `https://` beside `root://`."""
    credential: str = ""
    """The name of a credential; empty: whatever the environment offers (a proxy, a token), or nothing."""
    api: str = ""
    """The REST interface of a Girder, CARMIN or S3 service, where the URL does not say it."""
    refresh: str = ""
    """The token end point of Shanoir's identity provider, at which the engine keeps sessions of its users."""
    region: str = "us-east-1"
    """Of S3."""
    checksum: Literal["", "adler32", "md5", "sha256"] = ""
    """The checksum that the storage computes itself; empty: what it is known for, or says."""
    rename: bool | None = None
    """Whether files can be renamed there; empty: what the scheme allows."""
    site: str = ""
    """Where it is: jobs prefer storages of their own site."""


class DataSection(Section):
    """The destinations of files, and how they are moved."""

    results: tuple[str, ...] = ()
    """Storages for the results of jobs that run elsewhere, in order; the first that takes them has them."""
    staging: str = ""
    """The storage to which files of this machine are brought for jobs that run elsewhere."""
    catalogue: str = ""
    """URL of a catalogue beside the engine's own, which is told of results and asked for `lfn:` inputs, like
    `replica-map:///shared/map.json`, or `dfc:`, the DIRAC File Catalog."""
    replicas: int = Field(default=1, ge=1)
    """Copies of each result, each on another storage of `results`; made when the job has ended."""
    sandbox: int = Field(default=10 << 20, ge=0)
    """Bytes of results that may travel back with a job, where no storage takes them."""
    travelling: int = Field(default=1 << 20, ge=0)
    """Bytes of files of this machine that travel with jobs which run elsewhere, all of an execution together.
    If these have more (each counts 512 bytes more than it has), they are brought to `staging`; 0: always."""
    read_back: int = Field(default=256 << 20, ge=0)
    """Bytes of a file that is read back where a storage tells no checksum; a larger one is compared by its
    size."""
    parallel: int = Field(default=8, ge=1, le=64)
    """Connections at a time."""
    rounds: int = Field(default=3, ge=1)
    """Times that all replicas, or all destinations, are tried."""
    stall: float = Field(default=60.0, gt=0)
    """Seconds without a byte after which a transfer has failed."""
    budget: float = Field(default=14400.0, gt=0)
    """Seconds for all inputs of a job together, and again for all its results."""
    delivery_timeout: float = Field(default=86_400.0, ge=0)
    """Seconds for which delivered results wait for a storage that does not answer. Then their job has failed
    (`stranded`); they stay where they are, and `engine retry` takes them up."""
    authorities: str = ""
    """Directory or file of certificate authorities; empty: X509_CERT_DIR, else the system's."""
