"""Settings: one frozen tree from a YAML file, `ENGINE_*` variables and options. An unknown key is an error.

The file is `$ENGINE_CONFIG`, else `$XDG_CONFIG_HOME/grid-engine/engine.yaml`. Variables override it, with two
underscores between levels: `ENGINE_LOCAL__SLOTS=4`. The docstring under each attribute goes into the docs.
"""

from __future__ import annotations

import copy
import getpass
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import SettingsError

APPLICATION = "grid-engine"
NO_SETTINGS = frozenset({"ENGINE_CONFIG", "ENGINE_KEY", "ENGINE_PYTHON"})
"""Variables of that prefix with a meaning of their own."""
RuntimeName = Literal["userns", "udocker", "apptainer", "singularity", "podman", "docker", "none"]

GRID_NAME = r"^[A-Za-z0-9._-]*$"
"""Names at DIRAC, in job descriptions."""
GridName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


def xdg(variable: str, fallback: str) -> Path:
    """A directory of the XDG base directory specification, 0.8."""
    value = os.environ.get(variable, "")
    base = Path(value) if value.startswith("/") else Path(os.path.expanduser("~")) / fallback
    return base / APPLICATION


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSettings(_Section):
    """How a machine that runs jobs is set up."""

    runtimes: tuple[RuntimeName, ...] = ("userns", "udocker")
    """Container runtimes in order of preference; `none` is never a fallback and must be asked for."""
    scratch: str = ""
    """Where job directories are made; empty: beside the spool. It must allow programs to be executed."""
    cache: str = Field(default_factory=lambda: str(xdg("XDG_CACHE_HOME", ".cache") / "images"))
    """The image cache of the node, shared by all jobs of one user."""
    cache_size: int | None = Field(default=None, gt=0)
    """Bytes that the image cache may take; the least recently used images that no job uses are removed."""
    cvmfs: tuple[str, ...] = ()
    """Directories of pre-deployed udocker containers, looked at in this order before anything is pulled."""
    mirrors: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Registry host -> base URLs that are tried in order before it."""
    credentials: str = ""
    """JSON file `{host: {"username": ..., "password": ...}}` for registries; only its owner may read it."""
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
    inputs: str = Field(default_factory=lambda: str(xdg("XDG_CACHE_HOME", ".cache") / "inputs"))
    """The cache of fetched inputs, shared by all jobs of one user; empty: none."""
    inputs_size: int | None = Field(default=20 << 30, gt=0)
    """Bytes that the cache of inputs may take."""
    packages: tuple[str, ...] = ()
    """Directories with optional Python packages for runtimes (the docker SDK); empty: this installation's."""
    site: str = ""
    """The name of the site, for the records."""


class LocalSection(_Section):
    """The back-end that runs jobs on this machine."""

    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Processor cores that jobs may use at a time on this machine, whatever the number of engines."""
    spool: Path = Field(default_factory=lambda: xdg("XDG_STATE_HOME", ".local/state") / "local")
    """Where engine and wrapper meet; on a local disk."""
    idle: float = Field(default=10.0, gt=0)
    """Seconds without work after which the serving wrapper ends."""
    elsewhere: bool = False
    """Whether its jobs are treated as if they ran on other machines: to try out how files are staged."""


class GridNodeSettings(NodeSettings):
    """How the worker nodes of a grid are set up: paths are theirs, not those of this machine."""

    cache: str = ""
    """The image cache of the node; empty: `~/.cache/grid-engine/images` there."""
    inputs: str = ""
    """The cache of fetched inputs; empty: none."""
    packages: tuple[str, ...] = ()
    """Directories with optional Python packages for runtimes."""
    heartbeat: float = Field(default=300.0, ge=0)
    """Seconds between two signs of life of a running job to DIRAC, which is also told what the job does; 0:
    neither."""
    sandbox: int = Field(default=10_000_000, gt=0)
    """Bytes that what comes home in one output sandbox may take: longer logs lose their middle."""


class GridSection(_Section):
    """What jobs are told of a grid, whichever way they go there."""

    sites: tuple[GridName, ...] = ()
    """Sites where jobs may run; empty: all."""
    banned_sites: tuple[GridName, ...] = ()
    """Sites where jobs must not run."""
    tags: tuple[GridName, ...] = ()
    """Tags that nodes must have."""
    gpu_tag: str = Field(default="GPU", pattern=GRID_NAME)
    """The tag that nodes must have for jobs that need a GPU."""
    priority: int = Field(default=1, ge=0, le=10)
    """Priority among the jobs of the same user and group."""
    job_type: str = Field(default="User", pattern=r"^[A-Za-z0-9._-]+$")
    """JobType: one that the installation allows."""
    power: float = Field(default=10.0, gt=0)
    """HEP-SPEC06 of one core: CPUTime is the wall time times the cores times this."""
    cpu_time: int = Field(default=86_400, gt=0)
    """CPUTime of jobs that have no wall time limit."""
    window: int = Field(default=10_000, ge=1)
    """Grid jobs in flight at a time."""
    settled_after: float = Field(default=60.0, ge=0)
    """Seconds after which the server is certainly done with a request that was given up."""
    shared_files: bool = False
    """Whether nodes find the files of this machine under the same paths (a trial site, a common file system):
    then nothing is staged."""
    node: GridNodeSettings = GridNodeSettings()
    """How worker nodes are set up: paths are theirs."""


class DiracxSection(GridSection):
    """The back-end that runs jobs on a grid through DiracX. It is there when `url` is set."""

    url: str = ""
    """The DiracX server, `https://...`."""
    vo: str = Field(default="", pattern=GRID_NAME)
    """The virtual organisation that the credential must be for; empty: whichever it is for."""
    group: str = Field(default="", pattern=GRID_NAME)
    """The DIRAC group that the credential must be for; empty: whichever it is for."""
    token: Path = Field(default_factory=lambda: Path(os.path.expanduser("~/.cache/diracx/credentials.json")))
    """The file with the tokens, where `engine login` and `dirac login` put them."""
    proxy: Path | None = None
    """A proxy that holds a DiracX token, in place of `token`: for robots, whose proxy something renews."""
    authorities: str = ""
    """File of certificate authorities of the server; empty: the system's."""
    at_once: int = Field(default=4, ge=1, le=16)
    """Submitting requests at a time, each of 20 jobs."""
    poll: float = Field(default=10.0, gt=0)
    """Seconds between two looks at the server."""


class DiracSection(GridSection):
    """The back-end that runs jobs on a grid through the services of DIRAC 8 or 9, by a DIRAC client that is
    installed beside the engine. It is there when `command` or `diracosrc` is set."""

    command: tuple[str, ...] = ()
    """DIRAC's own Python, with arguments; empty: `python`, in the environment of `diracosrc`."""
    diracosrc: Path | None = None
    """A file to source before, such as the `diracosrc` of a DIRAC client; none: the engine's environment."""
    proxy: Path | None = None
    """The proxy; none: where DIRAC finds it (`X509_USER_PROXY`, else `/tmp/x509up_u<uid>`)."""
    vo: str = Field(default="", pattern=GRID_NAME)
    """The virtual organisation that the proxy must be for; empty: whichever it is for."""
    group: str = Field(default="", pattern=GRID_NAME)
    """The DIRAC group that the proxy must be for; empty: whichever it is for."""
    parametric: bool = True
    """Whether jobs that are alike are submitted together, as many as the installation takes."""
    at_once: int = Field(default=4, ge=1, le=16)
    """Submitting requests at a time."""
    poll: float = Field(default=20.0, gt=0)
    """Seconds between two looks at the services."""
    storage_elements: tuple[GridName, ...] = ()
    """Storage elements for what is written to `lfn:`, in order; the first that takes a file has it."""
    failover: tuple[GridName, ...] = ()
    """Storage elements that take it when none of those does; DIRAC moves it from there by itself."""


class LimitSettings(_Section):
    """What a job may use when its descriptor does not say."""

    cores: int = Field(default=1, ge=1)
    """Processor cores."""
    memory: int | None = Field(default=None, gt=0)
    """Bytes of resident memory of all processes of a job together."""
    wall: float | None = Field(default=None, gt=0)
    """Seconds from the start of the tool."""
    disk: int | None = Field(default=None, gt=0)
    """Bytes that must be free before a job starts."""


class CredentialSection(_Section):
    """Something to show at the door of a storage. Secrets are in files, never in the settings."""

    kind: Literal["proxy", "token", "basic", "s3", "key"]
    """`proxy`: X.509 proxy or certificate with key (PEM); `token`: bearer token; `basic`: JSON
    `{"username", "password"}`; `s3`: JSON `{"access_key_id", "secret_access_key"}`; `key`: API key."""
    file: Path
    """Where it is; only its owner may read it. It is read anew whenever it changes."""


class StorageSection(_Section):
    """A place where files lie."""

    url: str
    """The URL that all of its files begin with; its scheme says how it is spoken to."""
    doors: tuple[str, ...] = ()
    """Further URLs under which the very same files are reached, like `https://` beside `root://`."""
    credential: str = ""
    """The name of a credential; empty: whatever the environment offers (a proxy, a token), or nothing."""
    api: str = ""
    """The REST interface of a Girder, CARMIN or S3 service, where the URL does not say it."""
    region: str = "us-east-1"
    """Of S3."""
    checksum: Literal["", "adler32", "md5", "sha256"] = ""
    """The checksum that the place computes itself; empty: what it is known for, or says."""
    rename: bool | None = None
    """Whether files can be renamed there; empty: what the scheme allows."""
    site: str = ""
    """Where it is: jobs prefer storages of their own site."""


class DataSection(_Section):
    """Where files go, and how."""

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
    """Times that all replicas, or all places, are tried."""
    stall: float = Field(default=60.0, gt=0)
    """Seconds without a byte after which a transfer has failed."""
    budget: float = Field(default=14400.0, gt=0)
    """Seconds for all inputs of a job together, and again for all its results."""
    patience: float = Field(default=86_400.0, ge=0)
    """Seconds for which delivered results wait for a storage that does not answer. Then their job has failed
    (`stranded`); they stay where they are, and `engine retry` takes them up."""
    authorities: str = ""
    """Directory or file of certificate authorities; empty: X509_CERT_DIR, else the system's."""


class ApiSection(_Section):
    """What `engine serve` offers over HTTP."""

    listen: str = "127.0.0.1:8420"
    """Address and port; port 0 is any that is free."""
    public_url: str = ""
    """Where worker nodes reach it. Without it there is no embedded storage, and no fresh credentials."""
    root: Path = Field(default_factory=lambda: xdg("XDG_DATA_HOME", ".local/share") / "storage")
    """Directory of the embedded storage."""
    quota: int | None = Field(default=None, gt=0)
    """Bytes that one execution may keep in the embedded storage."""
    stall: float = Field(default=60.0, gt=0)
    """Seconds in which a client must send the headers of a request, and then the next byte of its body."""
    claims: float = Field(default=30 * 86_400.0, gt=0)
    """Seconds for which an attempt may fetch fresh credentials, whether it waits or runs."""


class IssuerSection(_Section):
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


class PortalSection(_Section):
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
    retention: float | None = Field(default=None, gt=0)
    """Seconds for which an ended execution is kept before `engine purge` may remove it; none: for ever."""
    runtimes: tuple[RuntimeName, ...] = ()
    """Container runtimes of published pipelines; empty: those of the node. `none` is for tests."""
    shared: tuple[str, ...] = ()
    """Directories of this machine whose files another portal may name as `file:/...`, when it drives this
    engine as a service."""
    uploads: bool = True
    """Whether users may launch descriptors of their own."""
    registries: tuple[str, ...] = ("docker.io", "ghcr.io", "quay.io")
    """Registries from which descriptors of their own may take images."""
    zenodo: bool = True
    """Whether descriptors may be fetched from Zenodo by their DOI."""
    origins: tuple[str, ...] = ()
    """Web pages (`https://portal.example.org`) whose scripts may use the interface."""
    failures: int = Field(default=20, ge=1)
    """Wrong keys or passwords from one address in a minute, after which it must wait."""
    issuers: dict[str, IssuerSection] = Field(default_factory=dict)
    """OpenID Connect providers by name."""


class Settings(_Section):
    """Everything that can be set."""

    database: str = Field(
        default_factory=lambda: f"sqlite:///{xdg('XDG_DATA_HOME', '.local/share') / 'engine.db'}"
    )
    """`sqlite:///PATH` on a local disk, or `postgresql+psycopg://...`."""
    owner: str = Field(default_factory=lambda: _user())
    """Whose executions these are."""
    results: Path = Path("results")
    """Where results go, each execution in a directory of its own; relative to the current directory."""
    results_name: str = ""
    """Names of results below `outputs`, a template as for `--results-name`; empty: `{path}` for one job,
    `{job}/{path}` for more."""
    backend: str = "local"
    """The back-end of a submit that names none."""
    zenodo: str = "https://zenodo.org"
    """Where descriptors called `zenodo.N` are fetched, when `--network` allows it."""
    server: str = ""
    """URL of a daemon that does the work; as the option `--server`."""
    local: LocalSection = LocalSection()
    node: NodeSettings = NodeSettings()
    diracx: DiracxSection = DiracxSection()
    dirac: DiracSection = DiracSection()
    limits: LimitSettings = LimitSettings()
    storages: dict[str, StorageSection] = Field(default_factory=dict)
    """Storages by name."""
    credentials: dict[str, CredentialSection] = Field(default_factory=dict)
    """Credentials by name."""
    data: DataSection = DataSection()
    api: ApiSection = ApiSection()
    portal: PortalSection = PortalSection()


def load(path: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: the file is missing or not YAML, a key is unknown, or a value is wrong; every
            problem is named with its place.
    """
    given = path or (Path(value) if (value := os.environ.get("ENGINE_CONFIG")) else None)
    file = given or xdg("XDG_CONFIG_HOME", ".config") / "engine.yaml"
    data = _read(file, required=given is not None)
    try:
        return Settings(**_with_variables(data))
    except ValidationError as error:
        problems = [_problem(file, data, dict(item)) for item in error.errors()]
        raise SettingsError(problems[0], problems=problems) from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for this uid
        return f"uid-{os.getuid()}"


def _read(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = file.read_text()
    except FileNotFoundError:
        if required:
            raise SettingsError(f"{file}: no such file", remedy="see ENGINE_CONFIG and --config") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from None
    import yaml  # 10 ms that a command without a settings file need not pay

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{file}{where}: not YAML: {getattr(error, 'problem', error)}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(f"{file}: a mapping of settings is needed, not {type(data).__name__}")
    return {str(key): value for key, value in data.items()}


def _with_variables(data: Mapping[str, Any]) -> dict[str, Any]:
    """The file's values with those of `ENGINE_*` variables over them; lists and mappings are JSON there.

    Raises:
        SettingsError: a variable names no setting; a misspelt one would be ignored in silence otherwise.
    """
    merged = copy.deepcopy(dict(data))
    for name, text in os.environ.items():
        if not name.startswith("ENGINE_") or name in NO_SETTINGS:
            continue
        *sections, key = name.removeprefix("ENGINE_").lower().split("__")
        if [*sections, key][0] not in Settings.model_fields:
            raise SettingsError(
                f"variable {name}: no such setting", remedy="engine settings shows those there are"
            )
        level = merged
        for section in sections:
            if not isinstance(level.get(section), dict):
                level[section] = {}
            level = level[section]
        level[key] = _value(text)
    return merged


def _value(text: str) -> Any:
    if text[:1] in ("[", "{"):
        with suppress(ValueError):  # else its type is told to be wrong, with the variable's name
            return json.loads(text)
    return text


def _problem(file: Path, data: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    place = [str(part) for part in item["loc"]]
    variable = "ENGINE_" + "__".join(place).upper()
    in_file = bool(place) and place[0] in data and variable not in os.environ
    where = f"{file}: {'.'.join(place)}" if in_file else f"variable {variable}"
    if item["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    return f"{where}: {item['msg'][0].lower()}{item['msg'][1:]}"
