"""Putting the concrete parts together: the one module that may import everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine import holder, plugins, xdg
from engine.app.access.claims import Claims
from engine.app.access.key import Key, default_path, load_key
from engine.app.application import Application
from engine.app.data.catalogue import InternalCatalogue, entry_of
from engine.app.data.platforms import PlatformKeys
from engine.backends.local_section import local_settings as local_settings
from engine.clock import Clock, SystemClock
from engine.errors import SettingsError, Unavailable
from engine.ids import AttemptId
from engine.ports import Backend, Catalogue, Storage
from engine.settings.backends import kind_named
from engine.settings.tree import Settings
from engine.storage_registry import StorageRegistry, grid
from engine.store.database import Database
from wrappers.containers import timed
from wrappers.containers.tree import remove

if TYPE_CHECKING:  # a command that only looks at executions does without: a sixth of its time, measured
    from engine.api.parts import Http
    from engine.app.follow import Driver
    from engine.app.portal.administration import Administration
    from engine.app.portal.audit import AuditTrail
    from engine.app.portal.paused_backends import PausedBackends
    from engine.app.portal.pipelines import Pipelines
    from engine.app.portal.proposing import Proposing
    from engine.app.portal.publishing import Publishing
    from engine.app.portal.users import Users

_DAY_S = 86_400.0


@dataclass
class Engine:
    """A wired engine. Its parts are made when they are first used: `engine list` needs no back-end."""

    settings: Settings
    clock: Clock
    _served: Http | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Look at this machine's file systems as patiently as they need."""
        timed.Limit.seconds = self.settings.node.file_system_timeout

    @cached_property
    def db(self) -> Database:
        """The database, opened and migrated."""
        return Database(self.settings.database, holder.is_dead)

    @cached_property
    def backends(self) -> dict[str, Backend]:
        """Every configured back-end by name."""
        made = self.settings.backends.items()
        return {name: kind_named(one.kind).from_settings(name, one, self.settings) for name, one in made}

    @cached_property
    def app(self) -> Application:
        """The use cases."""
        return Application(self.settings, self.db, self.backends, self.storage, self.catalogues, self.clock)

    @cached_property
    def catalogue(self) -> InternalCatalogue:
        """The engine's own catalogue."""
        return InternalCatalogue(self.db)

    @cached_property
    def outer_catalogue(self) -> Catalogue | None:
        """The one that is told of results; None when the settings name none."""
        url = self.settings.data.catalogue
        if not url:
            return None
        if urlsplit(url).scheme == "dfc":
            return self._file_catalogue()
        made: Catalogue = plugins.load("catalogues", urlsplit(url).scheme)(url)
        return made

    def _file_catalogue(self) -> Catalogue:
        from engine.catalogues.dirac import DiracCatalogue
        from engine.dirac.client import bridge

        ours = grid(self.settings)
        if ours is None:
            raise SettingsError(
                "setting data.catalogue: dfc: needs a DIRAC client",
                remedy="configure a back-end of kind dirac",
            )
        return DiracCatalogue(bridge(ours.client))

    @property
    def catalogues(self) -> list[Catalogue]:
        """Those that are asked for logical names, in order."""
        return [self.catalogue, *([self.outer_catalogue] if self.outer_catalogue else [])]

    @cached_property
    def storage(self) -> Callable[[str], Storage]:
        """Finds the storage of a URL."""
        return self.storage_registry.storage

    @cached_property
    def storage_registry(self) -> StorageRegistry:
        """Where files may lie, as the user of these settings sees it."""
        return StorageRegistry(self.settings, self.settings.owner, lambda: self.key, self.clock)

    @cached_property
    def key(self) -> Key:
        """The engine's own secret, made on first use."""
        return load_key(default_path())

    @cached_property
    def users(self) -> Users:
        """The accounts of the portal."""
        from engine.app.portal.users import Users  # nothing that `engine submit` needs

        return Users(self.db, lambda: self.key, self.clock, self.trail)

    @cached_property
    def pipelines(self) -> Pipelines:
        """The pipelines of the portal."""
        from engine.app.portal.pipelines import Pipelines

        return Pipelines(self.db, self.clock)

    @cached_property
    def administration(self) -> Administration:
        """Changes accounts and groups of the portal, in the name of whoever types commands here."""
        from engine.app.portal.administration import Administration
        from engine.app.portal.audited_actions import local_actor

        return Administration(self.db, self.trail, self.clock, local_actor())

    @cached_property
    def paused_backends(self) -> PausedBackends:
        """Pauses back-ends, likewise."""
        from engine.app.portal.audited_actions import local_actor
        from engine.app.portal.paused_backends import PausedBackends

        return PausedBackends(self.db, self.settings.backends, self.trail, self.clock, local_actor())

    @cached_property
    def publishing(self) -> Publishing:
        """Changes pipelines of the portal, likewise."""
        from engine.app.portal.audited_actions import local_actor
        from engine.app.portal.publishing import Publishing

        return Publishing(self.db, self.trail, self.clock, local_actor())

    @cached_property
    def proposing(self) -> Proposing:
        """Decides about proposals of pipelines, likewise."""
        from engine.app.portal.audited_actions import local_actor
        from engine.app.portal.proposing import Proposing

        return Proposing(self.db, self.trail, self.clock, local_actor())

    @cached_property
    def trail(self) -> AuditTrail:
        """The audit trail."""
        from engine.app.portal.audit import AuditTrail
        from engine.app.portal.heads import HeadExporter

        heads = HeadExporter(self.settings.portal.audit_heads)
        return AuditTrail(self.db, lambda: self.key, self.clock, heads)

    def app_of(self, account: str, execution: str = "") -> Application:
        """Return the use cases as an account of the portal has them: its executions, its keys."""
        settings = self.settings.model_copy(update={"owner": account})
        storage = self._registry_of(account, execution).storage
        return Application(settings, self.db, self.backends, storage, self.catalogues, self.clock)

    @cached_property
    def _registry_of(self) -> Callable[[str, str], StorageRegistry]:
        @lru_cache(maxsize=100)
        def of(owner: str, execution: str) -> StorageRegistry:
            return StorageRegistry(self.settings, owner, lambda: self.key, self.clock, execution)

        def of_existing(owner: str, execution: str) -> StorageRegistry:
            own = bool(execution) and PlatformKeys.of(owner, self.settings.storages, execution).exist
            return of(owner, execution if own else "")

        return of_existing

    def http(self) -> Http:
        """Make the HTTP side of `engine serve`.

        Raises:
            SettingsError, Unavailable: see `engine.api.parts.Http`.
        """
        from engine.api.parts import Http  # FastAPI costs a quarter of a second
        from engine.app.access.exchange import NodeStorages
        from engine.app.access.needs import embedded_url
        from engine.app.manifests import Manifests
        from engine.app.portal.portal import open_portal

        of = self._registry_of
        storages = NodeStorages(
            embedded=embedded_url(self.settings.api),
            storage=lambda url, owner, execution: of(owner, execution).storage(url),
            scope_down=lambda url, method, owner, execution, seconds: of(owner, execution).scope_down(
                url, method, seconds
            ),
            renew=lambda owner, execution, platform: of(owner, execution).renew(platform),
        )
        applications = lru_cache(maxsize=1000)(self.app_of)
        portal = partial(
            open_portal,
            self.settings,
            self.db,
            self.users,
            self.pipelines,
            self.trail,
            self.clock,
            applications,
            lambda: self.driver.alert,
        )
        make = Manifests(self.db).make
        made = Http(self.settings, self.db, make, self.key, storages, portal, self.trail, self.clock)
        self._served = made
        return made

    def _claim(self, attempt: AttemptId) -> str:
        return Claims(self.key).of(attempt)

    @cached_property
    def driver(self) -> Driver:
        """What reconciles."""
        from engine.app.data.earlier import EarlierResults
        from engine.app.follow import Driver
        from engine.app.manifests import Manifests
        from engine.app.portal.tasks import PortalTasks
        from engine.reconcile.reconciler import Reconciler
        from engine.reconcile.register import Registrar

        manifests = Manifests(self.db)
        reconciler = Reconciler(
            self.db,
            self.backends,
            self.storage,
            manifests.make,
            manifests.describe,
            self._claim,
            self.clock,
            _workspace(),
            Registrar(self.db, self.outer_catalogue, entry_of, self.clock) if self.outer_catalogue else None,
            delivery_timeout=self.settings.data.delivery_timeout,
            full=lambda execution, size: self._served.full(execution, size) if self._served else "",
            bring=EarlierResults(self.settings, self.storage),
            of_execution=lambda url, owner, execution: self._registry_of(owner, execution).storage(url),
        )
        turns = PortalTasks(self.db, self.settings.portal, self.trail, self.clock)
        return Driver(
            self.app, self.db, reconciler, self.clock, holder.this_process(), holder.is_dead, turns.tick
        )


def build(settings: Settings, clock: Clock | None = None) -> Engine:
    """Make an engine for these settings.

    Raises:
        SettingsError: a setting names something that is not available.
    """
    if settings.server:
        raise SettingsError(
            "setting server: this command works on this machine only",
            remedy="leave the setting out, or use a command that `engine --server URL --help` shows",
        )
    return Engine(settings, clock or SystemClock())


def _workspace() -> Path:
    """Return where reports are looked at; what a killed engine left there is removed after a day."""
    path = xdg.directory("XDG_STATE_HOME", ".local/state") / "work"
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(
            f"cannot make {path}: {error.strerror}",
            remedy="set XDG_STATE_HOME to a place that can be written",
        ) from None
    for left in path.iterdir():
        with suppress(FileNotFoundError):  # another engine's, which is done with it
            if left.stat().st_mtime < time.time() - _DAY_S:
                remove(left)
    return path
