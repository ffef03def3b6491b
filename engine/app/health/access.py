"""What `engine doctor` says of credentials, and of the way in which worker nodes reach the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from engine.app.access.needs import check_reachable
from engine.app.access.node_files import NodeFiles
from engine.app.health.findings import FAILURE, OK, WARNING, CheckFinding
from engine.app.portal.provided import missing_groups
from engine.app.portal.site import site_of
from engine.errors import EngineError, Unavailable
from engine.ids import new_id
from engine.ports import Storage, url_below
from engine.settings.service import ApiSection
from engine.settings.tree import Settings
from engine.store.database import Database

_SOON_S = 12 * 3600.0
"""Seconds below which whoever renews a credential is told."""


def credentials(left: Mapping[str, Callable[[], float]]) -> Iterator[CheckFinding]:
    """Return how long each credential of the settings is good, by its name."""
    for name, seconds_left in left.items():
        check = f"credential {name}"
        try:
            seconds = seconds_left()
        except EngineError as error:
            yield CheckFinding(check, FAILURE, error.message, error.remedy)
            continue
        if seconds == float("inf"):
            yield CheckFinding(check, OK, "can be used; it has no end")
        elif seconds <= 0:
            yield CheckFinding(check, FAILURE, f"ended {-seconds / 3600:.1f} hours ago", "renew it")
        else:
            soon = seconds < _SOON_S
            words = f"{seconds / 3600:.1f} hours left"
            yield CheckFinding(check, WARNING if soon else OK, words, "renew it" if soon else "")


def tree(settings: Settings, storage: Callable[[str], Storage]) -> CheckFinding:
    """Say whether the storage of the portal's files does what users ask of it, and jobs can fetch from it."""
    check = "files of the portal"
    try:
        site = site_of(settings)
        if site is None:
            return CheckFinding(check, OK, f"in {settings.api.root} (api.root)")
        target = storage(site.url)
        NodeFiles(storage, settings.storages).check_source(site.url, site.url)
        target.stat(site.url)
        if target.capabilities.write:
            _try_out(target, site.url)
    except EngineError as error:
        return CheckFinding(check, FAILURE, error.message, error.remedy or "see the setting portal.tree")
    if not target.capabilities.write:
        return CheckFinding(
            check, FAILURE, f"{site.url} cannot be written to", "set portal.tree to another storage"
        )
    if target.capabilities.presign and not settings.api.public_url:
        words = f"{site.url} answers, but jobs need presigned URLs of it: api.public_url is not set"
        return CheckFinding(check, FAILURE, words, "set api.public_url to where jobs reach `engine serve`")
    return CheckFinding(check, OK, f"{site.url} answers")


def _try_out(target: Storage, top: str) -> None:
    """Put, rename and remove a mark, called as what is not whole yet: users are not shown it.

    Raises:
        EngineError: the storage does not take, rename or remove files.
    """
    mark, moved = (url_below(target, top, f".{new_id()}.part") for _ in range(2))
    try:
        target.put(b"a mark of engine doctor", mark)
        target.move(mark, moved)
        target.delete(moved)
    except EngineError:
        for url in (mark, moved):
            with suppress(EngineError):
                target.delete(url)
        raise
    if target.stat(moved) is not None:
        raise Unavailable(f"{moved} was removed, but is still there")


def public_url(api: ApiSection) -> CheckFinding:
    """Say whether nodes can be answered."""
    check = "public URL"
    if not api.public_url:
        return CheckFinding(check, OK, "none is set: no embedded storage, no presigned URLs (api.public_url)")
    try:
        check_reachable(api)
    except EngineError as error:
        return CheckFinding(check, WARNING, error.message, error.remedy)
    return CheckFinding(check, OK, f"an engine answers at {api.public_url}, seen from here")


def groups(settings: Settings) -> CheckFinding | None:
    """Say whether there are the groups whose members identity providers name; None when they name none."""
    issuers = settings.portal.issuers
    if not any(one.groups.map for one in issuers.values()):
        return None
    check = "groups of identity providers"
    try:
        db = Database(settings.database)
        missing = missing_groups(db, issuers)
        db.close()
    except EngineError as error:
        return CheckFinding(check, FAILURE, error.message, error.remedy)
    if missing:
        return CheckFinding(check, FAILURE, "; ".join(missing), "engine user group add makes one")
    return CheckFinding(check, OK, "every group of portal.issuers is there")
