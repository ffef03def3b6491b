"""The only words that engine and wrapper exchange: manifests and reports.

A manifest travels together with the wrapper that reads it, so the two may change together. Reports outlive
versions: they change additively only, unknown keys are ignored, and one golden report of every released
version must parse for ever (tests/golden). Everything is plain JSON; nothing secret is ever in it.

Runs on Python 3.6: NamedTuple, not dataclass; Optional[X], not X | None.
"""

import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Optional, Type, TypeVar, Union

MANIFEST_VERSION = 1
OWN = ".grid-engine-"  # names in a job's directory that begin so are the wrapper's own
REPORT_VERSION = 1

# Failure classes: whose fault it is. What is retried is decided by the cause (`wrappers.causes`).
TOOL = "tool"  # the application failed, or did not write a required output
INPUT = "input"  # an input could not be fetched, or was not what the manifest says
IMAGE = "image"  # the image could not be had or is not the one asked for
NODE = "node"  # no runtime, no disk, no permission: another node may do
LIMIT = "limit"  # wall time or memory exceeded
OUTPUT = "output"  # a result could not be delivered; it is kept on the node
CANCELLED = "cancelled"  # somebody asked for the end
ENGINE = "engine"  # a defect of our own
FAILURES = (TOOL, INPUT, IMAGE, NODE, LIMIT, OUTPUT, CANCELLED, ENGINE)

SUCCEEDED = "succeeded"
FAILED = "failed"

NETWORK_OWN = "own"  # a namespace with its own loopback, from which this machine cannot be reached
NETWORK_NONE = "none"  # a loopback and nothing else
NETWORK_MACHINE = "machine"  # the network of the machine itself
NETWORKS = {
    "userns": (NETWORK_OWN, NETWORK_NONE, NETWORK_MACHINE),
    "docker": (NETWORK_NONE, NETWORK_MACHINE),
    "podman": (NETWORK_NONE, NETWORK_MACHINE),
}
"""What runtimes can give; those without an entry give that of the machine."""
ISOLATING = ("userns", "docker")  # runtimes in which a tool reaches nothing of the account that runs it

SANDBOX = "sandbox:"  # URLs of what travels with the manifest, or with the report


class WireError(ValueError):
    """A document is not a manifest or report that this version understands."""


class Input(NamedTuple):
    """A file to fetch before the tool starts."""

    id: str  # the Boutiques input it belongs to
    url: str  # where it is; `file:///...` on this machine, `sandbox:SHA256` beside this manifest
    name: str  # where the tool finds it, relative to the job directory
    size: Optional[int] = None  # bytes; checked when given
    sha256: Optional[str] = None  # checked when given
    adler32: Optional[str] = None  # eight hexadecimal digits; checked when given
    md5: Optional[str] = None  # checked when given
    replicas: List[str] = []  # further URLs of the same content, in order of preference
    packed: bool = False  # the content is a tar: it is unpacked into the directory `name`
    merged: int = 0  # a result of an earlier job, of this step (from 1): `name` may hold results of several


def travelling(wanted: Input) -> str:
    """Return the name of the file beside the manifests that holds an input; "" when it comes from a
    storage.
    """
    return wanted.url[len(SANDBOX) :] + ".input" if wanted.url.startswith(SANDBOX) else ""


class TextFile(NamedTuple):
    """A small file to write before the tool starts (a Boutiques configuration file)."""

    path: str  # relative to the job directory
    text: str  # written as UTF-8


class Output(NamedTuple):
    """A result to look for when the tool has ended."""

    id: str  # the Boutiques output it belongs to
    path: str  # relative to the job directory; may hold wildcards (glob)
    optional: bool = False  # its absence is no failure
    list: bool = False  # the descriptor expects several matches


class Image(NamedTuple):
    """A container image, pinned."""

    reference: str  # as the descriptor names it, normalised: host/repository[:tag]
    digest: str  # sha256:... of the platform's image manifest, or of the tarball at `url`: this is what runs
    size: Optional[int] = None  # bytes of its compressed layers
    url: str = ""  # tarball of a root file system, instead of an image in a registry; file, http or https
    path: str = ""  # where a site may keep it: below `images`, or an absolute path below `images` or /cvmfs


class Transfers(NamedTuple):
    """The way in which files are moved. The budget bounds the time, not timeouts of single steps."""

    parallel: int = 8  # connections at a time
    rounds: int = 3  # times that all replicas, or all destinations, are tried
    stall: float = 60.0  # seconds without a byte after which a transfer has failed
    budget: float = 14400.0  # seconds for all inputs together; again for all results together
    sandbox: int = 10485760  # bytes of results that may go beside the report, where no storage takes them
    read_back: int = 268435456  # bytes of a result that is read back where a storage tells no checksum
    elements: List[str] = []  # storage elements of DIRAC for what is written to lfn:, in order
    failover: List[str] = []  # those that take it when none of `elements` does, until DIRAC moves it


class Limits(NamedTuple):
    """The limits of a job; None is no limit."""

    cores: int = 1  # slots of the machine that it takes
    memory: Optional[int] = None  # bytes of resident memory of the whole process group
    wall: Optional[float] = None  # seconds from the start of the tool
    disk: Optional[int] = None  # bytes that must be free in the scratch directory at the start
    processes: Optional[int] = None  # processes and threads at a time
    files: Optional[int] = None  # open files of each process
    space: Optional[int] = None  # bytes of disk that its directories, overlay and logs may take


class Manifest(NamedTuple):
    """The instructions for a node to run one attempt."""

    attempt: str  # the attempt's id; names its report and logs
    job: str  # EXECUTION:NUMBER, for people
    execution: str  # the execution's id
    command: str  # text for `shell`, rendered by the engine; never built on the node
    outputs_to: str  # URL under which this attempt alone writes its results
    version: int = MANIFEST_VERSION  # a wrapper refuses manifests that are newer than it
    shell: str = "/bin/sh"  # the program that runs `command`, inside the image
    environment: Dict[str, str] = {}  # set for the tool, over what the image sets
    invocation: Dict[str, Any] = {}  # written as input_params.json
    inputs: List[Input] = []  # files to fetch
    files: List[TextFile] = []  # small files to write
    outputs: List[Output] = []  # results to look for
    image: Optional[Image] = None  # None: only with runtimes == ["none"] and not `inside`
    runtimes: List[str] = []  # pinned by descriptor or user, in order; empty: the node's own order
    root: str = ""  # "" writable and thrown away; "readonly" is enough for this tool
    workdir: str = ""  # Boutiques container-image working-directory; "" is the job directory
    gpu: bool = False  # the tool needs an NVIDIA device
    entrypoint: bool = False  # run the image's own entry point before the command
    limits: Limits = Limits()  # what the job may use
    outputs_also: List[str] = []  # tried in order after `outputs_to`; `sandbox:` is beside the report
    exchange: str = ""  # the engine's node end point, where the attempt's claim is exchanged for grants
    transfers: Transfers = Transfers()  # how files are moved
    network: str = NETWORK_MACHINE  # what the tool can reach: NETWORK_OWN, NETWORK_NONE or NETWORK_MACHINE
    isolated: bool = False  # only a runtime that keeps the tool apart from the account that runs it
    inside: bool = False  # the back-end has started the wrapper in the image; with runtimes == ["none"]


class Phase(NamedTuple):
    """A step of an attempt."""

    name: str  # probe, inputs, image, run, outputs, deliver
    start: float  # seconds since 1970-01-01 UTC
    seconds: float  # how long it took


class Tried(NamedTuple):
    """A try to move a file, as it went."""

    url: str  # without anything secret
    seconds: float  # how long it took
    size: int = 0  # bytes that came over
    error: str = ""  # what went wrong, one line; empty: it went well


class Staged(NamedTuple):
    """An input as it was fetched."""

    id: str  # the Boutiques input it belongs to
    url: str  # where it came from
    name: str  # where the tool found it, relative to the job directory
    size: int  # bytes; of a directory, the sum
    sha256: str  # of a directory, that of its sorted listing
    cached: bool = False  # taken from a cache of the node
    fetched: int = 0  # bytes that came over the network for it
    tried: List[Tried] = []  # how it came here; empty for a plain copy of a file of this machine
    left_out: List[str] = []  # of a directory: what is neither file nor directory, or a link to nowhere


class DeliveredOutput(NamedTuple):
    """An output as it was delivered."""

    id: str  # the Boutiques output it belongs to
    path: str  # relative to the job directory, and to `outputs_to`
    url: str  # where it was delivered
    size: int  # bytes
    sha256: str  # of what was delivered
    directory: bool = False  # a directory: size is the sum, sha256 that of its sorted listing
    packed: bool = False  # delivered as a tar of that directory: size and sha256 are the tar's
    adler32: str = ""  # of what was delivered; empty when nobody needed it
    verified: str = ""  # how the storage was seen to hold it: the checksum's name, "read" (back), "size"
    tried: List[Tried] = []  # how it went there; empty for a move on this machine


class RuntimeUsed(NamedTuple):
    """The runtime that ran the tool, and how."""

    name: str  # userns, udocker, apptainer, singularity, podman, docker, none
    mode: str = ""  # e.g. "overlay", "P1 copy", "P1 readonly"
    version: str = ""  # of the runtime; of the kernel with userns
    image: str = ""  # where the image was taken from: a path, or a registry reference
    digest: str = ""  # the digest of the image that ran
    origin: str = ""  # cvmfs, cache, pulled
    received: int = 0  # bytes of the image that came over the network
    uid_map: str = ""  # "single" or "range" with user namespaces
    why: str = ""  # why earlier runtimes in the order were not taken
    warnings: List[str] = []  # what may surprise, one sentence each


class Report(NamedTuple):
    """The report of the wrapper on an attempt. Only a verified report ends a job."""

    attempt: str  # the attempt's id
    manifest_sha256: str  # of the manifest's canonical JSON: which manifest was carried out
    outcome: str  # "succeeded" or "failed"
    version: int = REPORT_VERSION  # of the form of this document
    failure: str = ""  # the failure class when the outcome is "failed"
    message: str = ""  # one line for a person
    exit_code: Optional[int] = None  # of the tool; None when it never started
    signal: Optional[int] = None  # that ended the tool, if one did
    started: float = 0.0  # seconds since 1970-01-01 UTC
    ended: float = 0.0  # seconds since 1970-01-01 UTC
    phases: List[Phase] = []  # the steps that were begun, in order
    inputs: List[Staged] = []  # what was fetched
    products: List[DeliveredOutput] = []  # what was delivered
    missing: List[str] = []  # ids of required outputs that were not found
    kept: str = ""  # directory on the node that still holds undelivered results
    runtime: Optional[RuntimeUsed] = None  # how the tool was run; None when it did not come to that
    host: Dict[str, str] = {}  # name, kernel, system, cpu, python, site
    cpu_seconds: float = 0.0  # of the tool and its children
    peak_memory: int = 0  # bytes of resident memory of the process group
    wrapper_sha256: str = ""  # of the archive that wrote this; empty when it was not built
    tried: List[Tried] = []  # tries for the file over which the attempt failed
    run: str = ""  # directory below the attempt's destinations that this run alone wrote to; "" is none
    cause: str = ""  # the row of wrappers.causes when the outcome is "failed"; "" from before there were any


class Node(NamedTuple):
    """The set-up of a node: the same for all jobs that are sent there. Holds paths, never secrets."""

    slots: int = 1  # attempts at a time (serving mode)
    runtimes: List[str] = ["userns", "udocker"]  # in order of preference
    scratch: str = ""  # where job directories are made; "" is next to the reports
    cache: str = ""  # per-node image cache; "" is ~/.cache/boutiques-engine/images
    cache_size: Optional[int] = None  # bytes it should not exceed: the least recently used images go
    cvmfs: List[str] = []  # directories of pre-deployed udocker containers, in order
    mirrors: Dict[str, List[str]] = {}  # registry host -> base URLs to try in order before it
    credentials: str = ""  # JSON file {host: {username, password}}, mode 0600
    pull: bool = True  # False: only pre-deployed and cached images
    proot: str = ""  # a proot executable; "" looks in `tools`, then on PATH
    tools: str = ""  # udocker tools tarball: path or URL
    tools_sha256: str = ""  # of that tarball; a URL needs it
    udocker: str = ""  # directory or wheel with the udocker package; "" is the one in the wrapper
    packages: List[str] = []  # directories where optional Python packages are found (the docker SDK)
    docker_host: str = ""  # address of the Docker engine; "" is DOCKER_HOST of the node's environment
    images: str = ""  # directory with <name>-<tag> images for apptainer (VIP's containersImagesBasePath)
    site: str = ""  # the name of the site, for reports
    idle: float = 10.0  # seconds without work after which a serving wrapper ends
    inputs: str = ""  # cache of inputs, shared by the jobs of the node; "" is none
    inputs_size: Optional[int] = None  # bytes it should not exceed
    authorities: str = ""  # certificate authorities, a directory or file; "" is the system's
    heartbeat: float = 0.0  # seconds between signs of life to DIRAC; 0: it is told nothing
    diracx: str = ""  # URL of its DiracX server, where the node's environment does not name one
    sandbox: Optional[int] = None  # bytes that logs and results beside the reports of one grid job may take
    unreachable: List[str] = []  # IPv4 networks that a tool in a network of its own cannot reach
    patience: float = 15.0  # seconds that a file system may take to answer, before it is done without
    second_report: bool = False  # whether a copy of each report goes to the destination of the results


class Want(NamedTuple):
    """A node's wish to do something with a URL."""

    url: str  # as the manifest names it
    method: str  # GET or PUT (which stands for all that writing needs)


class Wants(NamedTuple):
    """The body of an exchange: `POST <exchange>` with `Authorization: Bearer <claim>`."""

    wants: List[Want]


class Grant(NamedTuple):
    """Leave to do one thing with one URL for a while. Secret: never in a manifest, report or log."""

    url: str  # as it was wanted
    method: str
    use: str = ""  # the URL to use in its place (presigned, or a REST interface); "" is the same
    headers: Dict[str, str] = {}  # to send with each request
    expires: float = 0.0  # seconds since 1970-01-01 UTC; 0.0 is never


class Grants(NamedTuple):
    """The answer to an exchange."""

    grants: List[Grant]
    refused: Dict[str, str] = {}  # URL -> why, one line


_T = TypeVar("_T")


def to_json(value: Any) -> Any:
    """Turn a document of this module into plain JSON values; fields at their default are left out."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        defaults = _defaults(type(value))
        return {
            name: to_json(item)
            for name, item in zip(value._fields, value)
            if not (name in defaults and item == defaults[name]) or (name == "version" and item)
        }
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def dumps(value: Any) -> str:
    """Render the canonical JSON of a document: sorted keys, no spaces. Hashes are taken of this text."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """Compute the sha256 of a document's canonical JSON."""
    return hashlib.sha256(dumps(value).encode("ascii")).hexdigest()


def loads(kind: Type[_T], text: Union[str, bytes]) -> _T:
    """Read a document.

    Raises:
        WireError: the text is not JSON, or not such a document.
    """
    try:
        data = json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except ValueError as error:
        raise WireError(f"not JSON: {error}") from None
    except RecursionError:
        raise WireError("not such a document: it is nested too deeply") from None
    return from_json(kind, data)


def from_json(kind: Type[_T], data: Any) -> _T:
    """Build a document of this module from plain JSON values. Unknown keys are ignored.

    Raises:
        WireError: a key without a default is missing, or a value has another type than its field.
    """
    return _build(kind, data, kind.__name__)  # type: ignore[no-any-return]


def _defaults(kind: Any) -> Dict[str, Any]:
    # Python 3.6 calls it _field_defaults too, but only on the class.
    return dict(getattr(kind, "_field_defaults", {}))


def _build(kind: Any, data: Any, where: str) -> Any:
    if kind is Any:
        return data
    if hasattr(kind, "_fields"):
        if not isinstance(data, dict):
            raise WireError(f"{where}: an object is needed")
        defaults = _defaults(kind)
        values = {}
        for name, wanted in kind.__annotations__.items():
            if name in data:
                values[name] = _build(wanted, data[name], f"{where}.{name}")
            elif name not in defaults:
                raise WireError(f"{where}.{name} is missing")
        return kind(**values)
    arguments = getattr(kind, "__args__", None)
    if arguments and type(None) in arguments:  # Optional[X]
        return None if data is None else _build(arguments[0], data, where)
    if arguments and str(kind).startswith("typing.List"):
        if not isinstance(data, list):
            raise WireError(f"{where}: a list is needed")
        return [_build(arguments[0], item, f"{where}[{n}]") for n, item in enumerate(data)]
    if arguments and str(kind).startswith("typing.Dict"):
        if not isinstance(data, dict):
            raise WireError(f"{where}: an object is needed")
        return {key: _build(arguments[1], item, f"{where}.{key}") for key, item in data.items()}
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise WireError(f"{where}: {kind.__name__} is needed, not {data!r}")
    return data
