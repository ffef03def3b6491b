"""What is known of back-ends beyond this machine: their sites, their own histories, and who we are there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.app.health.findings import FAILURE, OK, WARNING, CheckFinding
from engine.clock import iso
from engine.errors import BadRequest, CredentialExpired, EngineError, Unavailable
from engine.ports import Backend, KeepsHistory, LoginBackend, Personal
from engine.store import attempts, sites, submissions
from engine.store.database import Database
from engine.store.jobs import Job

SOON_S = 3600.0
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


def backend_history(db: Database, backends: Mapping[str, Backend], name: str, job: Job) -> Iterator[str]:
    """Yield what the back-end itself says of the last attempt of a job, a line each; nothing where it keeps
    no history.
    """
    backend = backends.get(name)
    if not isinstance(backend, KeepsHistory):
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
        yield f"{name} {native_id}: its own history cannot be read: {error}"


def examine_backend(backends: Mapping[str, Backend], name: str, db: Database) -> Iterator[CheckFinding]:
    """Say whether jobs would be taken there: the setting, the credential, the server, the sites.

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
        yield CheckFinding("server", OK, f"{name} takes jobs")
    except EngineError as error:
        yield CheckFinding("server", FAILURE, error.message, error.remedy)
    for site in sites_of(db, time.time(), name):
        verdict = OK if site.state == "good" else WARNING
        yield CheckFinding(f"site {site.site}", verdict, f"{site.state} {site.last_failure}".strip())


def _credential(backend: Backend) -> Iterator[CheckFinding]:
    if not isinstance(backend, Personal):
        return
    try:
        who = backend.identity()
    except EngineError as error:
        yield CheckFinding("credential", FAILURE, error.message, error.remedy)
        return
    left = who.ends - time.time()
    words = f"{who.owner} ({who.community}), can be renewed until {iso(who.ends)}"
    remedy = "" if left > SOON_S else "jobs go on without it, but nothing new starts: log in again in time"
    yield CheckFinding("credential", OK if left > SOON_S else WARNING, words, remedy)


def login_steps(backends: Mapping[str, Backend]) -> Iterator[str]:
    """Yield what to type so that the engine may submit to each back-end, and whether that is needed now."""
    wanting = {name: backend for name, backend in backends.items() if isinstance(backend, LoginBackend)}
    if not wanting:
        yield "no back-end wants a login: configure one of kind diracx (your DiracX server)"
        yield "or dirac (a DIRAC client on this machine), see backends in the reference of settings"
    for name, backend in wanting.items():
        if len(wanting) > 1:
            yield f"{name}:"
        yield from _known_as(backend)
        yield from backend.login_steps()


def _known_as(backend: Backend) -> Iterator[str]:
    """As whom it knows us; why, where it does not."""
    if not isinstance(backend, Personal):
        return
    try:
        who = backend.identity()
    except EngineError as error:
        yield error.message
        return
    yield f"logged in as {who.owner} ({who.community}), good until {iso(who.ends)}; to log in anew:"
