"""The HTTP side of `engine serve`, put together: it starts, stops and ends as one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from engine.api.app import RoutingApplication, routes
from engine.api.carmin.rest import RestApplication
from engine.api.guard import TokenGuard
from engine.api.metrics import Metrics
from engine.api.moteur import moteur_routes
from engine.api.page.routes import page_routes
from engine.api.refusal_recorder import RefusalRecorder, of_connection
from engine.api.se import StorageElement
from engine.api.server import HttpServer
from engine.api.tree import Tree
from engine.api.trees.directory import DirectoryTree
from engine.api.trees.split import SplitTree
from engine.api.trees.storage import StorageTree
from engine.app.access.attempt_liveness import AttemptLiveness
from engine.app.access.exchange import GrantExchange, NodeStorages
from engine.app.access.key import Key
from engine.app.access.needs import public_url
from engine.app.portal.audit import AuditTrail
from engine.app.portal.portal import Portal
from engine.app.portal.quotas import has_no_room
from engine.app.portal.refusals import Refusals
from engine.app.portal.sessions import Sessions
from engine.app.portal.site import TreeStorage, site_of
from engine.app.portal.tree import FileTree, kept_in
from engine.app.portal.virtual import ROOT, owner_of
from engine.clock import Clock
from engine.domain.execution import ExecutionState
from engine.reconcile.context import MakeManifest
from engine.settings.tree import Settings
from engine.store import executions
from engine.store.database import Database
from engine.store.executions import Execution


class Http:
    """Embedded storage, node end point, health and the portal's interface, behind one address."""

    def __init__(
        self,
        every: Settings,
        db: Database,
        make: MakeManifest,
        key: Key,
        storages: NodeStorages,
        portal: Callable[[FileTree], Portal] | None,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        """Take the address and the storage; nothing is answered before `start`.

        Raises:
            SettingsError: `api.listen`, `api.public_url` or `portal.tree` cannot be one.
            Unavailable: the port is taken, or the storage cannot be opened.
        """
        settings = every.api
        living = AttemptLiveness(db, clock, settings.claims)
        public_path = urlsplit(public_url(settings)).path if settings.public_url else ""
        site = site_of(every)
        self._tree = Tree(settings.root)
        try:
            exchange = GrantExchange(db, make, key, living, storages, clock)
            self._files = tree = _virtual_tree(every, self._tree, site, storages)
            self._opened = opened = portal(tree) if portal else None
            self._storage = StorageElement(
                self._tree,
                TokenGuard(key, clock.now, living),
                settings.quota,
                public_path,
                opened.quotas if opened else None,
            )
            metrics = Metrics(db)
            self._rest = RestApplication(opened, tree, clock, metrics.observe) if opened else None
            others = routes(exchange, _check(db))
            others.include_router(metrics.routes(opened.users.by_secret if opened else lambda secret: None))
            if opened and self._rest:
                others.include_router(page_routes())
                others.include_router(moteur_routes(opened, self._rest.passwords))
            self._refusals = refusals = Refusals(trail, clock)
            self._sessions = Sessions(db, every.storages if portal else {}, storages.renew, clock)
            self._server = HttpServer(
                RefusalRecorder(RoutingApplication(self._storage, others, self._rest), refusals.record),
                settings.listen,
                settings.stall,
                settings.least_rate,
                lambda client, status: refusals.record(of_connection(client, status)),
                most=settings.connections,
                proxies=[str(one) for one in settings.proxies],
                beyond_loopback=settings.behind_proxy,
            )
        except BaseException:
            self._tree.close()
            raise

    def full(self, execution: Execution, size: int) -> str:
        """Why so many bytes of results of an execution may not be kept; empty: they may."""
        if self._opened is None:
            return ""
        kept = [path for path in kept_in(self._files, execution) if path[0] == ROOT]
        return has_no_room(self._opened.quotas, {owner_of(path) for path in kept}, size) if size else ""

    @property
    def url(self) -> str:
        """Where it answers on this machine."""
        return self._server.url

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._server.running

    def start(self) -> None:
        """Answer from now on."""
        self._refusals.start()
        self._sessions.start()
        self._server.start()

    def stop(self) -> None:
        """Let requests that are under way end, then give everything back."""
        self._server.stop()
        self._refusals.close()
        self._sessions.close()
        self._storage.close()
        if self._rest is not None:
            self._rest.close()
        self._tree.close()


def _virtual_tree(every: Settings, tree: Tree, site: TreeStorage | None, storages: NodeStorages) -> FileTree:
    here = DirectoryTree(tree, every.api)
    if site is None:
        return here
    return SplitTree(StorageTree(storages.storage(site.url, every.owner, ""), site, tree), here)


def _check(db: Database) -> Callable[[], None]:
    def check() -> None:
        with db.read() as connection:
            executions.in_state(connection, [ExecutionState.ACTIVE], limit=1)

    return check
