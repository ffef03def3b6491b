"""What is known of places beyond this machine: their sites, their own stories, and who we are there."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.app.health.findings import FAILURE, OK, WARNING, Finding
from engine.clock import iso
from engine.errors import BadRequest, CredentialExpired, EngineError, Unavailable
from engine.ports import Backend, Identity, Personal, Telling
from engine.store import attempts, sites, submissions
from engine.store.database import Database
from engine.store.jobs import Job

SOON = 3600.0
"""Seconds before its end at which a session is worth a warning."""


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site of a grid, as attempts found it."""

    backend: str
    site: str
    state: str
    """`good`, `failing`, or `rests until ...`: no new jobs go there."""
    succeeded: int
    failed: int
    """Attempts that failed, perhaps by its fault."""
    runtimes: Mapping[str, int]
    """Container runtimes that worked there, and how often."""
    last_failure: str
    seen: str


def sites_of(db: Database, now: float, backend: str = "") -> list[SiteView]:
    """Every site that an attempt has seen."""
    with db.read() as connection:
        found = sites.known(connection, backend)
    return [
        SiteView(
            s.backend,
            s.name,
            f"rests until {iso(s.rest_until)}" if s.rest_until > now else "failing" if s.in_a_row else "good",
            s.succeeded,
            s.failed,
            s.runtimes,
            f"{s.failure}: {s.message}" if s.failure else "",
            iso(s.seen_at),
        )
        for s in found
    ]


def story_there(db: Database, backends: Mapping[str, Backend], name: str, job: Job) -> Iterator[str]:
    """What the place itself tells of the last try of a job, a line each; nothing where it keeps no story."""
    backend = backends.get(name)
    if not isinstance(backend, Telling):
        return
    with db.read() as connection:
        tries = attempts.of_job(connection, job.id)
        native_id = submissions.native_id(connection, tries[-1].submission_id) if tries else None
    if native_id is None:
        return
    try:
        for at, words in backend.history(native_id):
            yield f"{name} {native_id}: {iso(at)} {words}"
    except (Unavailable, CredentialExpired) as error:
        yield f"{name} {native_id}: its own story cannot be had: {error}"


def examine_backend(backends: Mapping[str, Backend], name: str, db: Database) -> Iterator[Finding]:
    """Whether jobs would be taken there: the setting, the credential, the server, the sites.

    Raises:
        BadRequest: no such back-end is configured.
    """
    backend = backends.get(name)
    if backend is None:
        raise BadRequest(
            f"no back-end {name}",
            remedy=f"there is {', '.join(sorted(backends))}; see the settings of {name}",
        )
    yield from _credential(backend)
    try:
        backend.check()
        yield Finding("server", OK, f"{name} takes jobs")
    except EngineError as error:
        yield Finding("server", FAILURE, error.message, error.remedy)
    for site in sites_of(db, time.time(), name):
        verdict = OK if site.state == "good" else WARNING
        yield Finding(f"site {site.site}", verdict, f"{site.state} {site.last_failure}".strip())


def _credential(backend: Backend) -> Iterator[Finding]:
    if not isinstance(backend, Personal):
        return
    try:
        who = backend.identity()
    except EngineError as error:
        yield Finding("credential", FAILURE, error.message, error.remedy)
        return
    left = who.ends - time.time()
    words = f"{who.owner} ({who.community}), can be renewed until {iso(who.ends)}"
    remedy = "" if left > SOON else "jobs go on without it, but nothing new starts: log in again in time"
    yield Finding("credential", OK if left > SOON else WARNING, words, remedy)


def login_steps(settings: Any, backends: Mapping[str, Backend]) -> Iterator[str]:
    """What to type so that the engine may submit to a grid, and whether that is needed now."""
    if "dirac" in backends:
        yield from _proxy_steps(settings.dirac, backends["dirac"])
    if settings.diracx.url:
        yield from _session_steps(settings.diracx, backends["diracx"])
    elif "dirac" not in backends:
        yield "no grid is configured: set diracx.url (ENGINE_DIRACX__URL) to your DiracX server,"
        yield "or dirac.diracosrc (ENGINE_DIRAC__DIRACOSRC) to a DIRAC client on this machine"


def _proxy_steps(ours: Any, backend: Backend) -> Iterator[str]:
    who = yield from _known_as(backend)
    if who is not None:
        yield f"there is a proxy of {who.owner} ({who.community}), good until {iso(who.ends)}"
        yield "to make a new one:"
    source = f". {ours.diracosrc} && " if ours.diracosrc else ""
    yield f"  {source}{_proxy_init(ours)}"
    yield "the engine takes up the new one by itself"


def _session_steps(ours: Any, backend: Backend) -> Iterator[str]:
    who = yield from _known_as(backend)
    if who is not None:
        yield f"logged in as {who.owner} ({who.community}); it can be renewed until {iso(who.ends)}"
        yield "the engine renews the session by itself until then; to begin a new one:"
    if ours.proxy is not None:
        yield f"  {_proxy_init(ours)}"
        yield "which must be DIRAC 9's: it puts a DiracX token into the proxy"
        return
    group = f" --group {ours.group}" if ours.group else ""
    yield f"  DIRACX_URL={ours.url} DIRACX_CREDENTIALS_PATH={ours.token} dirac login {ours.vo or 'VO'}{group}"
    yield "(pip install diracx-cli). Never copy that file to another host: its tokens are for one use"


def _known_as(backend: Backend) -> Generator[str, None, Identity | None]:
    """Who we are there; a line that says why, where we are nobody."""
    try:
        return backend.identity() if isinstance(backend, Personal) else None
    except EngineError as error:
        yield error.message
        return None


def _proxy_init(ours: Any) -> str:
    group = f" -g {ours.group}" if ours.group else ""
    place = f" --out {ours.proxy}" if ours.proxy else ""
    return f"dirac-proxy-init{group}{place}"
