"""Everything that the portal's interface asks of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.app.application import Application
from engine.app.health.grid import SiteView, sites_of
from engine.app.portal.administration import Administration
from engine.app.portal.audit import AuditTrail
from engine.app.portal.launches import Launches
from engine.app.portal.launching import Launcher
from engine.app.portal.paused_backends import PausedBackends
from engine.app.portal.pipelines import Pipelines
from engine.app.portal.proposing import Proposing
from engine.app.portal.publishing import Publishing
from engine.app.portal.quotas import Quotas
from engine.app.portal.records import Records
from engine.app.portal.shown_executions import ShownExecutions
from engine.app.portal.tree import FileTree
from engine.app.portal.trial import Trials
from engine.app.portal.users import Users
from engine.app.portal.virtual import ROOT
from engine.app.usage import usage_of
from engine.clock import Clock
from engine.settings.tree import Settings
from engine.store.database import Database


@dataclass(frozen=True, slots=True)
class Portal:
    """The use cases of a portal."""

    settings: Settings
    users: Users
    administration: Callable[[str], Administration]
    """Changes accounts and groups in the name of an account."""
    pipelines: Pipelines
    publishing: Callable[[str], Publishing]
    """Changes pipelines in the name of an account."""
    proposing: Callable[[str], Proposing]
    """Proposes pipelines, and decides about proposals, in the name of an account."""
    paused_backends: Callable[[str], PausedBackends]
    """Pauses back-ends in the name of an account."""
    trail: AuditTrail
    sites: Callable[[str], Sequence[SiteView]]
    """The sites of a back-end, or of all (empty)."""
    usage: Callable[[Sequence[str], str, str], list[dict[str, Any]]]
    """What the work of users has taken: by which dimensions, from which month, to which."""
    launcher: Launcher
    launches: Launches
    shown: ShownExecutions
    records: Records
    quotas: Quotas
    """Bytes of `users/<id>` and `groups/<id>`."""


def open_portal(
    settings: Settings,
    db: Database,
    users: Users,
    pipelines: Pipelines,
    trail: AuditTrail,
    clock: Clock,
    applications: Callable[[str, str], Application],
    trouble: Callable[[], str],
    tree: FileTree,
) -> Portal:
    """Open the portal on a storage that is open; `trouble` says why nothing moves."""
    records = Records(db, tree)
    trials = Trials(db)

    def most(owner: str) -> int | None:
        kind, _, id_ = owner.partition("/")
        account = users.by_id(id_) if kind == "users" else None
        own = account.quota.bytes if account else None
        return own if own is not None else settings.portal.bytes

    quotas = Quotas(most, lambda owner: tree.size((ROOT, *owner.split("/"))))
    every = Launches(db, trail, lambda account: applications(account, ""), tree, trouble)
    return Portal(
        settings=settings,
        users=users,
        administration=partial(Administration, db, trail, clock),
        pipelines=pipelines,
        publishing=partial(Publishing, db, trail, clock),
        proposing=partial(Proposing, db, trail, clock, check=trials.check),
        paused_backends=partial(PausedBackends, db, settings.backends, trail, clock),
        trail=trail,
        sites=lambda backend: sites_of(db, clock.now(), backend),
        usage=partial(usage_of, db),
        launcher=Launcher(db, settings, pipelines, trail, applications, tree, records, quotas, trials, clock),
        launches=every,
        shown=ShownExecutions(db, every, users, tree),
        records=records,
        quotas=quotas,
    )
