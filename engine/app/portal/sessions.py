"""Sessions of users at the platforms whose files their executions read and write (Shanoir, Girder).

Such a platform launches with the tokens of its user's session in each location:
`PLATFORM:/NAME?format=...&resourceId=...&token=...&refreshToken=...&clientId=...`, and so does VIP's portal
with one for Girder. They are taken out before anything is kept or told, and go into a file of the engine's
account that is read for this execution alone. Shanoir's are renewed while the execution lasts.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from engine.app.data.platforms import WITH_KEYS, WITH_SESSIONS, PlatformKeys, owners
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.girder_locations import girder_location
from engine.clock import Clock
from engine.errors import EngineError
from engine.ids import ExecutionId
from engine.settings.data import StorageSection
from engine.store import executions, replicas
from engine.store.database import Database

log = logging.getLogger("engine.portal")
INTERVAL_S = 2.0
"""Seconds between two looks at the sessions."""
_NEW_S = 3600.0
"""Seconds for which a session is kept though no execution needs it: one may just be launched."""
_SECRETS = {
    "token": "access_token",
    "refreshToken": "refresh_token",
    "clientId": "client_id",
    "keycloak_client_id": "client_id",  # as VIP's portal writes it
}
_LONGEST = 20_000


@dataclass(slots=True)
class Detached:
    """A request without the tokens that it carried."""

    values: dict[str, Any]
    location: str
    sessions: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    """By platform."""


def detach(values: Mapping[str, Any], location: str, storages: Mapping[str, StorageSection]) -> Detached:
    """Take the tokens out of the locations of a request that are at such a platform."""
    found = Detached({}, "")

    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [clean(one) for one in value]
        if not isinstance(value, str):
            return value
        if given := girder_location(value, storages):
            found.sessions[given.platform] = {"access_token": given.token}
            return f"{given.platform}:{given.id}"
        if not is_platform(value.partition(":")[0], storages):
            return value
        name, _, query = value.partition("?")
        kept = []
        for pair in query.split("&"):
            key, _, secret = pair.partition("=")
            if key in _SECRETS:
                session = found.sessions.setdefault(name.partition(":")[0], {})
                session[_SECRETS[key]] = "" if secret in ("null", "undefined") else secret
            else:
                kept.append(pair)
        return f"{name}?{'&'.join(kept)}" if kept else name

    found.values = {id_: clean(value) for id_, value in values.items()}
    found.location = clean(location)
    return found


def is_platform(name: str, storages: Mapping[str, StorageSection]) -> bool:
    """Say whether a storage of the settings is a platform whose sessions are renewed."""
    return name in storages and urlsplit(storages[name].url).scheme == WITH_SESSIONS


@contextmanager
def kept(
    sessions: Mapping[str, Mapping[str, str]],
    keys: PlatformKeys,
    storages: Mapping[str, StorageSection],
    now: float,
) -> Iterator[None]:
    """Keep what was taken out, for the platforms that there are; the newest counts. When the block raises
    something, nothing is kept.

    Raises:
        Refused: a token is none.
    """
    try:
        for name, session in sessions.items():
            token = session.get("access_token", "")
            if not token:
                continue
            if any(
                len(one) > _LONGEST or not one.isascii() or not one.isprintable() for one in session.values()
            ):
                raise CarminError(Code.BAD_INPUT, f"the tokens for {name} are none")
            held = {"access_token": "", "refresh_token": "", "client_id": "", **session, "made_at": now}
            keys.hold(name, json.dumps(held) if is_platform(name, storages) else f"{token}\n")
        yield
    except BaseException:
        if keys.exist:
            keys.forget()
        raise


def source_url(value: str, section: StorageSection) -> str:
    """Make the URL of a data set: `/NAME?format=F&resourceId=R[&converterId=C]`, after the platform's name.

    Raises:
        Refused: it names none.
    """
    path, _, query = value.partition("?")
    fields = {key: found[-1] for key, found in parse_qs(query).items()}
    resource = fields.get("resourceId") or fields.get("datasetId") or ""
    name = path.rpartition("/")[2]
    if not resource or not name or resource in (".", ".."):
        raise CarminError(Code.BAD_INPUT, "a data set is /NAME?format=...&resourceId=...")
    pieces = (fields.get("format", "dcm"), fields.get("converterId", "-"), resource, name)
    return "/".join([section.url.rstrip("/"), *(quote(one, safe="") for one in pieces)])


def target_url(value: str, section: StorageSection) -> str:
    """Make the URL of the directory that is to have results.

    Raises:
        Refused: it names none.
    """
    pieces = [one for one in value.partition("?")[0].split("/") if one]
    if not pieces or ".." in pieces:
        raise CarminError(Code.DATA_NOT_ALLOWED, "results go to a directory: /DIRECTORY")
    return "/".join([section.url.rstrip("/"), *(quote(one, safe="") for one in pieces)])


class Sessions:
    """Renews what executions need, in a thread of its own, and forgets what none does."""

    def __init__(
        self,
        db: Database,
        storages: Mapping[str, StorageSection],
        renew: Callable[[str, str, str], None],
        clock: Clock,
    ) -> None:
        """`renew`: renews the token of an account's execution ("": of all) at a platform, if it is time."""
        self._db = db
        self._platforms = [name for name in storages if is_platform(name, storages)]
        self._any = any(urlsplit(one.url).scheme in (WITH_SESSIONS, *WITH_KEYS) for one in storages.values())
        self._storages = storages
        self._renew = renew
        self._clock = clock
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)
        self._ended: set[tuple[str, str, str]] = set()

    def start(self) -> None:
        """Begin, where there is such a platform."""
        if self._any:
            self._thread.start()

    def close(self) -> None:
        """End."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(INTERVAL_S):
            for owner in owners():
                try:
                    self._look(owner)
                except (EngineError, OSError) as error:
                    log.warning("sessions of %s: %s", owner, error)
                except Exception:  # a defect with what one user keeps must not end the work for all
                    log.exception("sessions of %s", owner)

    def _look(self, owner: str) -> None:
        of_all = PlatformKeys.of(owner, self._storages)
        # of an engine before this one, which kept none by execution
        shared = [one for one in of_all.all() if one.platform in self._platforms]
        by_execution = of_all.executions()
        if not shared and not by_execution:
            return
        with self._db.read() as connection:
            active: Collection[str] = executions.to_end(connection, owner)
        for one in shared:
            if active:
                self._renew_one(owner, "", one.platform)
            elif self._clock.now() - one.at > _NEW_S:
                of_all.remove(one.platform)
        for id_ in by_execution:
            self._look_at_execution(owner, id_, id_ in active)

    def _look_at_execution(self, owner: str, id_: str, active: bool) -> None:
        keys = PlatformKeys.of(owner, self._storages, id_)
        held = keys.all()
        if not active:  # copies of results that are still to be made renew what they need themselves
            ended_long_ago = all(self._clock.now() - one.at > _NEW_S for one in held)
            if ended_long_ago and not self._has_copies_to_make(id_):
                keys.forget()
            return
        for one in held:
            if one.platform in self._platforms:
                self._renew_one(owner, id_, one.platform)

    def _has_copies_to_make(self, id_: str) -> bool:
        with self._db.read() as connection:
            return replicas.untried(connection, ExecutionId(id_)) > 0

    def _renew_one(self, owner: str, id_: str, name: str) -> None:
        mark = (owner, id_, name)
        try:
            self._renew(owner, id_, name)
            self._ended.discard(mark)
        except EngineError as error:
            if mark not in self._ended:  # told once
                self._ended.add(mark)
                log.warning("session of %s: %s", owner, error.message)
