"""What the engine asks of others: where jobs run and where files lie. Bulk, blocking, stateless protocols.

Trouble with one item is a value in the answer; trouble with the service is an exception. Contract test
classes in `engine.testing.contracts` are the definition of a correct implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, runtime_checkable

from engine.domain.catalogue import CatalogueEntry
from engine.domain.options import GridOptions
from engine.domain.urls import child, leaves, name_of
from engine.errors import BadRequest
from wrappers.wire import Grant, Manifest

CredentialKind = Literal["proxy", "token", "basic", "s3", "key"]
"""A credential for a storage: X.509 proxy, bearer token, name and password, keys of S3, API key."""


class Seen(StrEnum):
    """The state of a submission, as a back-end has it."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"  # it has ended, well or badly: only its reports say how


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The abilities of a back-end, and how it wants to be asked."""

    batch_size: int = 100
    """Submissions that one `submit` takes."""
    window: int = 1000
    """Submissions that the engine may have in flight there at a time."""
    poll_interval: float = 30.0
    """Seconds between two `observe` calls, whatever happens here or at other back-ends."""
    visibility_delay: float = 0.0
    """Seconds after which `find` sees every earlier submission."""
    gone_after: float = 0.0
    """Seconds for which a submission must be unknown before it counts as gone."""
    needs_staging: bool = False
    """Whether jobs do not find the files of this machine under their paths: they must be brought first, and
    results are brought back."""
    runs_image: bool = False
    """Whether the back-end itself starts the wrapper in the image of its manifests (as a pod, say), by the
    image's entry point where they say so: no container runtime is used there then."""
    on_this_machine: bool = False
    """Whether jobs run on the engine's machine, under its account."""
    allows_no_container: bool = False
    """Whether `runtime: none` is accepted here."""
    retrievals: int = 1
    """Calls of `retrieve` at a time."""
    second_reports: bool = False
    """Whether wrappers leave a copy of each report beside the results, since `retrieve` may not bring it."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job of a back-end: one attempt or, for short jobs, several."""

    key: str
    """Ours, unique for ever, and found again by `find`."""
    execution: str
    """The execution it belongs to: the back-end finds its submissions by it."""
    manifests: Sequence[Manifest]
    claims: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Attempt id -> the claim that its node exchanges for grants: the only secret that travels with a job,
    in a file of its own that only its owner may read."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Name -> content of small inputs, for the wrapper's directory `--into`: `wrappers.wire.travelling`."""
    avoid: Sequence[str] = ()
    """Sites of the grid where it had better not run: earlier attempts failed there, or the site rests."""
    grid: GridOptions = field(default_factory=GridOptions)
    """What its execution asks of a grid."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The back-end has taken the submission."""

    native_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The back-end refuses this submission and would refuse it again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Observation:
    """An observation of one submission."""

    native_id: str
    seen: Seen
    detail: str = ""
    """The back-end's own words, for people."""
    site: str = ""
    """Where on the grid, once that is settled."""


class Backend(Protocol):
    """A back-end: where submissions run. Any call may raise `BackendUnavailable` or `CredentialExpired`."""

    @property
    def name(self) -> str:
        """The name under which it is configured."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def check(self) -> None:
        """Return if submissions would be taken now: asked before an execution is written, so that whoever
        submits learns at once of a wrong setting or a credential that has run out.
        """

    def submit(self, batch: Sequence[Submission]) -> Sequence[Accepted | Rejected]:
        """Start each item; answer in order. May be called again with the same keys after a crash."""

    def find(self, execution: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Native ids, oldest first, of earlier submissions that carry these keys. A key may be absent."""

    def observe(self, native_ids: Sequence[str]) -> Sequence[Observation]:
        """Return what is known now. An absent id means unknown, never finished."""

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Ask for the end of each; asking twice, or for a finished or unknown one, is fine."""

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Bring the small files of a finished submission into `into`: `<attempt>.report.json`,
        `<attempt>.out`, `<attempt>.err`, `<attempt>.debug` where the wrapper itself failed, and
        `<attempt>.results.tar` where no storage took the results. What is not
        there is not in the answer. May be repeated.
        """

    def log(self, native_id: str, name: str, offset: int) -> bytes:
        """Read a piece of a log (`<attempt>.out` or `<attempt>.err`) from `offset` on, while it is being
        written; at most a megabyte or so. Empty when there is no more, or the back-end cannot read it.
        """

    def forget(self, native_ids: Sequence[str]) -> None:
        """Drop what the back-end still keeps of these: the engine has all it needs."""


@runtime_checkable
class KeepsHistory(Protocol):
    """A back-end that keeps a history of its own for each submission."""

    def history(self, native_id: str) -> Sequence[tuple[float, str]]:
        """List what happened: seconds since 1970-01-01 UTC, and the back-end's own text. Empty for an unknown
        one.
        """


@dataclass(frozen=True, slots=True)
class Identity:
    """Our identity at a back-end, and how long it holds."""

    owner: str
    community: str
    """Virtual organisation and group, as the back-end writes them."""
    ends: float
    """Seconds since 1970-01-01 UTC at which the credential cannot be renewed any more."""


@runtime_checkable
class Personal(Protocol):
    """A back-end that wants to know who asks."""

    def identity(self) -> Identity:
        """As whom it knows us. May raise `CredentialExpired` and `BackendUnavailable`."""


@runtime_checkable
class LoginBackend(Protocol):
    """A back-end at which one must log in."""

    def login_steps(self) -> Sequence[str]:
        """List what a person is to type for it, and to know."""


@dataclass(frozen=True, slots=True)
class Stat:
    """A stored file."""

    size: int
    modified: float
    directory: bool = False
    sha256: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Further ones that the storage tells without being asked, algorithm -> hexadecimal."""


@dataclass(frozen=True, slots=True)
class StorageCapabilities:
    """The abilities of a storage."""

    rename: bool = True
    """Whether `move` is a rename there: results are committed by it. Otherwise what an attempt wrote stays
    where it is, and becomes the result by an entry of the catalogue."""
    checksums: tuple[str, ...] = ()
    """Algorithms (`adler32`, `md5`, `sha256`) that the storage computes itself, the preferred one first."""
    presign: bool = False
    """Whether `presign` answers."""
    write: bool = True
    """Whether files can be put there."""
    tells: bool = True
    """Whether `stat` knows what is there; else it is seen when it is fetched."""
    labels: bool = False
    """Whether words are kept about what lies there (`Labelling`)."""


Progress = Callable[[int], None]
"""Told the number of bytes of each piece that was moved."""


class Storage(Protocol):
    """A storage of files. URLs are below the one it was configured with, percent-encoded.

    Any call may raise `Unavailable` (the storage does not answer, or fails: try later), `CredentialExpired`
    or `BadRequest` (the storage refuses, and would refuse again).
    """

    @property
    def capabilities(self) -> StorageCapabilities:
        """What it can do."""

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there, or None when nothing does."""

    def list(self, url: str) -> Sequence[str]:
        """Names directly under a directory, sorted; none when there is no such directory."""

    def move(self, source: str, target: str) -> None:
        """Rename a file or directory, making the directories above it. An existing target is never replaced.

        Raises:
            NotFound: there is no source.
            BadRequest: the target exists.
        """

    def delete(self, url: str) -> None:
        """Remove a file or a whole directory; nothing there is fine."""

    def put(self, data: bytes, url: str) -> None:
        """Write a small file, atomically."""

    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        """Bring a file of this machine there, atomically and verified. `source` may be gone then, unless it
        is to be kept.
        """

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of a file; empty when it is not there."""

    def open(self, url: str) -> AbstractContextManager[BinaryIO]:
        """Open a file as a stream, in flat memory.

        Raises:
            NotFound: there is none.
        """

    def get(self, url: str, into: Path, progress: Progress | None = None) -> None:
        """Bring a file or directory to this machine; a file is there completely or not at all.

        Raises:
            NotFound: there is nothing.
        """

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Return the checksum of a file (`adler32`, `md5` or `sha256`, hexadecimal): the storage's own where
        it is one of its `capabilities`, else computed from what is read back.

        Raises:
            NotFound: there is no file.
        """

    def presign(self, url: str, method: str, seconds: float) -> Grant:
        """Leave for somebody without credentials to GET or PUT this one file, for so long.

        Raises:
            BadRequest: this storage has no such thing.
        """


class Catalogue(Protocol):
    """A catalogue of files by logical names. The engine's own tables are the truth of a run; a catalogue
    is told of what they hold, and asked about inputs. Bulk; what is not known is not in the answer.
    """

    def lookup(self, names: Sequence[str]) -> Mapping[str, CatalogueEntry]:
        """Look these logical names up. Any call may raise `Unavailable` or `CredentialExpired`."""

    def register(self, entries: Sequence[CatalogueEntry]) -> Mapping[str, str]:
        """Make these known; adds replicas to a name with the same content. Gives name -> why not."""

    def remove(self, names: Sequence[str]) -> None:
        """Forget these names, not the files."""

    def list(self, prefix: str) -> Sequence[str]:
        """Names below a logical directory, sorted."""


@runtime_checkable
class Buffered(Protocol):
    """A storage whose names reach the disk some time after a call has returned, unless it is asked."""

    def flush(self, urls: Sequence[str]) -> None:
        """Return when these names would survive a power cut."""


@runtime_checkable
class Naming(Protocol):
    """A storage that decides itself how its URLs hold the names of files. In the URLs of others a name is
    appended to the path, after a slash, and percent-encoded whole.
    """

    def child(self, url: str, name: str) -> str:
        """Give the URL of a name directly below a directory."""

    def name_of(self, url: str) -> str:
        """Give the last name in a URL, decoded; nothing for the top of the storage."""


def url_below(storage: Storage, url: str, name: str) -> str:
    """Give the URL of a name directly below a directory of any storage."""
    return storage.child(url, name) if isinstance(storage, Naming) else child(url, name)


def name_in(storage: Storage, url: str) -> str:
    """Give the last name in a URL of any storage, decoded; nothing for its top."""
    return storage.name_of(url) if isinstance(storage, Naming) else name_of(url)


@runtime_checkable
class Browsable(Protocol):
    """A storage that tells what the names of a directory are in the same answer as the names."""

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are; none when there is no such directory."""


@runtime_checkable
class Labelling(Protocol):
    """A storage that keeps words about what lies there, by which others find it."""

    def label(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Have files and directories carry words: URL -> name -> value. Others that they carry stay; a
        directory carries none where only files do.

        Raises:
            BadRequest, NotFound: the storage refuses this, or has no such thing.
        """


@runtime_checkable
class Identifying(Protocol):
    """A storage at which files and directories have ids besides their names."""

    def is_id(self, text: str) -> bool:
        """Say whether a text has the form of an id."""

    def url_of_id(self, url: str, id: str) -> str:
        """Return the URL of what has an id; `url` is any URL of that storage.

        Raises:
            NotFound: there is no such file or directory for who asks.
            Unavailable: the storage does not answer.
        """


def entries(storage: Storage, url: str) -> Mapping[str, Stat]:
    """Names directly under a directory of any storage, and what they are.

    Raises:
        BadRequest: a name would lead out of the directory.
    """
    if isinstance(storage, Browsable):
        found = dict(storage.entries(url))
    else:
        stats = ((name, storage.stat(url_below(storage, url, name))) for name in storage.list(url))
        found = {name: stat for name, stat in stats if stat is not None}
    wrong = next((name for name in found if leaves(name)), None)
    if wrong is not None:
        raise BadRequest(f"{url} holds the name {wrong!r}, which would lead out of it")
    return found
