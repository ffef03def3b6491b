"""Where the results of an execution may be kept, in order: settled when it is planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.app.access.needs import embedded_url
from engine.app.data.locations import aliases_of, url_of
from engine.domain.options import SANDBOX, Destination
from engine.errors import BadRequest
from engine.ids import ExecutionId
from engine.ports import Storage
from engine.settings.tree import Settings


def destinations_of(
    asked: Sequence[str],
    settings: Settings,
    storage: Callable[[str], Storage],
    execution: ExecutionId,
    *,
    home: str = "",
    spare: str = "",
) -> list[Destination]:
    """Choose the destinations of an execution: those that were asked for, else, for jobs on other machines,
    those of the settings; then the aliases of each, and the last resorts. None: the directory of results
    alone.

    `home` is the URL of that directory where jobs can write to it; "" when they run elsewhere. `spare` is the
    directory of the embedded storage that has what no other destination takes.

    Raises:
        BadRequest: a storage is unknown, cannot be written, or none is configured.
    """
    names = list(asked) or ([] if home else list(settings.data.results))
    destinations: list[Destination] = []
    for name in names:
        destination = _destination(name, settings, storage, execution)
        aliases = [
            Destination(alias, destination.rename, True)
            for alias in aliases_of(destination.url, settings.storages)
        ]
        destinations += [destination, *aliases]
    if home:
        return [*destinations, Destination(home)] if destinations else []
    if settings.api.public_url:
        base = f"{embedded_url(settings.api)}/{spare}".rstrip("/")
        destinations.append(Destination(f"{base}/{execution}"))
    if not destinations:
        raise BadRequest(
            "jobs that run on other machines need a storage for their results",
            remedy="set data.results to storages of the settings, or api.public_url",
        )
    return [*destinations, Destination(SANDBOX)] if settings.data.sandbox else destinations


def writable(name: str, settings: Settings, storage: Callable[[str], Storage]) -> tuple[str, bool]:
    """Find the URL of a storage that was asked for, and whether it renames.

    Raises:
        BadRequest: it is unknown, or cannot be written to.
    """
    text = name if ":" in name else f"{name}:"
    base = url_of(text, settings.storages)
    if base is None and name.startswith("file:"):
        raise BadRequest(f"{name}: a directory of this machine is no storage", remedy="see --results")
    if base is None:
        known = ", ".join(sorted(settings.storages)) or "none"
        raise BadRequest(f"{name}: no such storage", remedy=f"write a URL, or one of the settings: {known}")
    can = storage(base).capabilities
    if not can.write:
        raise BadRequest(f"{name}: this storage cannot be written to")
    return base.rstrip("/"), can.rename


def _destination(
    name: str, settings: Settings, storage: Callable[[str], Storage], execution: ExecutionId
) -> Destination:
    base, rename = writable(name, settings, storage)
    return Destination(f"{base}/{execution}", rename)
