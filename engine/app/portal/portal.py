"""Everything that the portal's interface asks of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.app.application import Application
from engine.app.portal.audit import AuditTrail
from engine.app.portal.launches import Launches
from engine.app.portal.launching import Launcher
from engine.app.portal.pipelines import Pipelines
from engine.app.portal.records import Records
from engine.app.portal.tree import FileTree
from engine.app.portal.users import Users
from engine.settings.tree import Settings
from engine.store.database import Database


@dataclass(frozen=True, slots=True)
class Portal:
    """The use cases of a portal."""

    settings: Settings
    users: Users
    pipelines: Pipelines
    trail: AuditTrail
    launcher: Launcher
    launches: Launches
    records: Records


def open_portal(
    settings: Settings,
    db: Database,
    users: Users,
    pipelines: Pipelines,
    trail: AuditTrail,
    applications: Callable[[str], Application],
    trouble: Callable[[], str],
    tree: FileTree,
) -> Portal:
    """The portal on a storage that is open; `trouble` tells why nothing moves."""
    records = Records(db, tree)
    return Portal(
        settings=settings,
        users=users,
        pipelines=pipelines,
        trail=trail,
        launcher=Launcher(db, settings, pipelines, trail, applications, tree, records),
        launches=Launches(db, trail, applications, tree, trouble),
        records=records,
    )
