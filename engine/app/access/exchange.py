"""The exchange: an attempt's claim becomes leave to read its inputs and to write its results, no more.

What is granted follows from the attempt's own manifest. The embedded storage gets a token of ours; a storage
that can presign does; a bearer token is scoped down by its issuer; anything else stays with the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.app.access import tokens
from engine.app.access.attempt_liveness import AttemptLiveness
from engine.app.access.claims import Claims
from engine.app.access.key import Key
from engine.app.access.paths import BadPath, below
from engine.app.access.tokens import DELETE, READ, WRITE, TokenScope
from engine.clock import Clock
from engine.errors import BadRequest, EngineError
from engine.ids import AttemptId
from engine.ports import Storage
from engine.reconcile.context import MakeManifest
from engine.store import executions, jobs
from engine.store.attempts import Attempt
from engine.store.database import Database
from wrappers.transfer.redact import redact
from wrappers.wire import Grant, Grants, Manifest, Want, Wants

GRANT_LIFETIME_S = 3600.0
"""Seconds for which a grant is good: it is renewed as long as the attempt lives."""

_VERBS = {"GET": frozenset({READ}), "PUT": frozenset({READ, WRITE, DELETE})}

ScopeDown = Callable[[str, str, str, str, float], Grant]
"""(URL, method, owner, execution, seconds) -> a grant made from what the engine itself shows there."""


class ClaimRefused(BadRequest):
    """A claim that is not ours, or whose attempt has ended."""


@dataclass(frozen=True, slots=True)
class NodeStorages:
    """The storages as the exchange sees them."""

    embedded: str
    """URL of the embedded storage."""
    storage: Callable[[str, str, str], Storage]
    """(URL, owner, execution) -> the storage that holds it."""
    scope_down: ScopeDown
    renew: Callable[[str, str, str], None] = lambda owner, execution, platform: None
    """Renews the token of an execution's session at a platform, if it is time."""


class GrantExchange:
    """The service that gives nodes their grants."""

    def __init__(
        self,
        db: Database,
        make: MakeManifest,
        key: Key,
        living: AttemptLiveness,
        storages: NodeStorages,
        clock: Clock,
    ) -> None:
        self._db = db
        self._make = make
        self._key = key
        self._claims = Claims(key)
        self._living = living
        self._storages = storages
        self._clock = clock

    def knows(self, claim: str) -> bool:
        """Say whether we have made this claim, whatever became of its attempt. Quick."""
        return self._claims.attempt(claim) is not None

    def answer(self, claim: str, wants: Wants) -> Grants:
        """Answer each want with a grant, or the reason why there is none.

        Raises:
            ClaimRefused: the claim is not ours, or its attempt has ended.
            Unavailable: the database does not answer.
        """
        id_ = self._claims.attempt(claim)
        attempt = self._living.attempt(id_) if id_ else None
        if attempt is None:
            raise ClaimRefused("this claim is worth nothing: it is not ours, or its attempt has ended")
        manifest, owner = self._manifest(attempt)
        execution = attempt.execution_id
        grants: list[Grant] = []
        refused: dict[str, str] = {}
        for want in wants.wants:
            try:
                grants.append(self._grant(manifest, owner, execution, want))
            except EngineError as error:
                refused[want.url] = redact(str(error))
        return Grants(grants, refused)

    def _manifest(self, attempt: Attempt) -> tuple[Manifest, str]:
        """Make the manifest of an attempt anew from the same rows, and find whose it is."""
        with self._db.read() as connection:
            execution = executions.get(connection, attempt.execution_id)
            job = jobs.by_ids(connection, {attempt.job_id})[attempt.job_id]
        return self._make(execution, job, attempt.id), execution.owner

    def _grant(self, manifest: Manifest, owner: str, execution: str, want: Want) -> Grant:
        if not named(manifest, want):
            raise BadRequest("the attempt's manifest does not name it")
        expires = self._clock.now() + GRANT_LIFETIME_S
        path = below(want.url, self._storages.embedded)
        if path:
            leave = TokenScope(path, _VERBS[want.method], expires, AttemptId(manifest.attempt))
            bearer = {"Authorization": f"Bearer {tokens.mint(self._key, leave)}"}
            return Grant(want.url, want.method, headers=bearer, expires=expires)
        storage = self._storages.storage(want.url, owner, execution)
        if storage.capabilities.presign:
            return storage.presign(want.url, want.method, GRANT_LIFETIME_S)
        return self._storages.scope_down(want.url, want.method, owner, execution, GRANT_LIFETIME_S)


def named(manifest: Manifest, want: Want) -> bool:
    """Say whether the manifest names what is wanted: an input to read, or something below a destination to
    write to.
    """
    if want.method not in _VERBS:
        return False
    destinations = [url for url in (manifest.outputs_to, *manifest.outputs_also) if "://" in url]
    try:
        if "?" not in want.url and any(below(want.url, destination) for destination in destinations):
            return True
    except BadPath:
        return False
    inputs = {url for given in manifest.inputs for url in (given.url, *given.replicas)}
    return want.method == "GET" and want.url in inputs
