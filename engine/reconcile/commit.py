"""Committing the results of an attempt: from where it alone writes to their final names, all or none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from engine.domain import naming
from engine.domain.options import SANDBOX, Destination
from engine.domain.product import ProductState
from engine.errors import BadRequest, NotFound
from engine.ports import Stat, Storage
from engine.reconcile import layout
from engine.reconcile.context import TickContext
from engine.reconcile.reports import storable
from engine.reconcile.sandbox import PACKED_RESULTS, unpack
from engine.store import products
from engine.store.attempts import Attempt
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.products import Product
from wrappers import wire
from wrappers.wire import Report

_LONGEST_ID = 255
_RUN = re.compile(r"[0-9a-f]{1,32}")


def commit(
    context: TickContext, execution: Execution, job: Job, attempt: Attempt, report: Report, into: Path
) -> list[Product]:
    """Give what a report promises its final names; a file that two outputs match is a product of each.

    Where a storage cannot rename, results stay where the attempt wrote them. What came home beside the
    report (`into`) is put to the first destination that takes it. Idempotent: what was moved before a crash
    is found there.

    Raises:
        BadRequest: a result is not what the report says, or its name is taken; nothing was moved.
    """
    _check_run(report)
    destinations = layout.destinations(execution)
    origin = {
        made.path: _origin(made, destinations, job.number, attempt, report.run) for made in report.products
    }
    names = layout.product_names(execution, job, list(origin))
    _check_final_names(names)
    _refuse_taken_names(context, execution, job, list(names.values()))
    urls, lies = dict[str, str](), dict(origin)
    for destination in destinations:
        here = [made for made in report.products if origin[made.path] is destination]
        if here and destination.url == SANDBOX:
            put = unpack(context, destinations, names, here, into / f"{attempt.id}{PACKED_RESULTS}")
            urls |= {m.path: layout.final_url(put[m.path], names[m.path], m) for m in here}
            lies |= put
        elif here and destination.rename:
            own = layout.run_url(destination, job.number, attempt.id, report.run)
            second = layout.second_report_url(destination, job.number, attempt.id)
            spare = second if context.backend.capabilities.second_reports and not report.run else ""
            urls |= _rename(context, destination, own, names, here, spare)
        elif here:
            urls |= {made.path: _in_place(context.storage(made.url), made) for made in here}
        if here:
            lie = [urls[made.path] for made in here]
            context.label(context.storage(lie[0]), execution, job.number, lie, destination.url)
    return [
        Product(
            execution_id=execution.id,
            job_id=job.id,
            attempt_id=attempt.id,
            output_id=made.id,
            name=names[made.path],
            url=urls[made.path],
            size=made.size,
            sha256=made.sha256,
            directory=made.directory,
            adler32=made.adler32,
            packed=made.packed,
            state=ProductState.UNREGISTERED if execution.options.registered else ProductState.AVAILABLE,
            copies=_copies(execution, lies[made.path], names[made.path], made),
            path=made.path,
        )
        for made in report.products
    ]


def _copies(execution: Execution, origin: Destination, name: str, made: wire.DeliveredOutput) -> list[str]:
    """Return where further copies of a result go: to the other storages, in order."""
    destinations = layout.destinations(execution)
    own = next((p for p in reversed(destinations[: destinations.index(origin) + 1]) if not p.door), origin)
    others = [
        destination
        for destination in destinations
        if not destination.door and destination.url not in (own.url, SANDBOX)
    ]
    wanted = [
        layout.final_url(destination, name, made) for destination in others[: execution.options.replicas - 1]
    ]
    flat = quote(name.replace("/", "_")) + (layout.PACKED if made.packed else "")
    return wanted + [f"{directory}/{flat}" for directory in execution.options.copies]


def _rename(
    context: TickContext,
    destination: Destination,
    own: str,
    names: Mapping[str, str],
    here: Sequence[wire.DeliveredOutput],
    spare: str,
) -> dict[str, str]:
    """Move results of one destination from the directory `own` to their final names there."""
    storage = context.storage(own)
    targets = {made.path: layout.final_url(destination, names[made.path], made) for made in here}
    for made in here:
        _check(storage, made, targets[made.path])
    moved = {made.path: names[made.path] for made in here}
    if together := _move_as_directory(storage, destination, own, moved, spare):
        context.moved.append(together)
    else:
        for made in sorted(here, key=lambda made: made.path):  # a directory before what is in it
            _move(storage, made.url, targets[made.path])
        context.moved += targets.values()
    return targets


def _in_place(storage: Storage, made: wire.DeliveredOutput) -> str:
    """Return where a result lies that stays there."""
    _check_size(made, storage.stat(made.url))
    return made.url


def _check_run(report: Report) -> None:
    """Check what a report says of its own directory: it comes from a node, and must not name one outside."""
    if report.run and not _RUN.fullmatch(report.run):
        raise BadRequest(f"run {storable(report.run)!r} is no name of a directory of results")


def _origin(
    made: wire.DeliveredOutput, destinations: Sequence[Destination], number: int, attempt: Attempt, run: str
) -> Destination:
    """Find the destination to which a result was written."""
    _check_name(made)
    for destination in destinations:
        if made.url == layout.written_url(layout.run_url(destination, number, attempt.id, run), made):
            return destination
    raise BadRequest(f"result {made.path}: {storable(made.url)} is not where this attempt writes")


def _check_name(made: wire.DeliveredOutput) -> None:
    """Check the name of a result: the report comes from a node, and must not name what is outside, or what no
    database can hold.
    """
    shown = f"result {storable(made.path)}"
    if storable(made.path) != made.path:
        raise BadRequest(f"{shown}: its name is not UTF-8", remedy="have the tool write another name")
    if any(part in ("", ".", "..") for part in made.path.split("/")):
        raise BadRequest(f"{shown}: its path is not one below the job directory")
    if len(made.id) > _LONGEST_ID or storable(made.id) != made.id:
        raise BadRequest(f"{shown}: the id of its output has more than {_LONGEST_ID} characters")


def _check_final_names(names: Mapping[str, str]) -> None:
    """Names with wildcards are known only now."""
    first: dict[str, str] = {}
    for path, name in names.items():
        if problem := naming.name_problem(name):
            raise BadRequest(f"result {path} would be called {name}: {problem}")
        if (other := first.setdefault(name, path)) != path:
            raise BadRequest(f"results {other} and {path} would both be called {name}")


def _refuse_taken_names(context: TickContext, execution: Execution, job: Job, names: Sequence[str]) -> None:
    if naming.is_own(layout.template(execution, job)):
        return
    with context.db.read() as connection:
        taken = products.owners_of_names(connection, execution.id, names)
    others = sorted(name for name, owner in taken.items() if owner != job.id)
    if others:
        raise BadRequest(f"result {others[0]} exists already: two jobs write the same name")


def _check(storage: Storage, made: wire.DeliveredOutput, target: str) -> None:
    """See that a result is where the report says, or has been moved: before a crash, or by the engine that
    held the lease before us and does not know yet that it lost it. Hence the order of the looks.
    """
    placed = storage.stat(target)
    there = storage.stat(made.url)
    if there is not None and placed is not None:
        raise BadRequest(f"{target} exists already")
    _check_size(made, there or placed or storage.stat(target))


def _check_size(made: wire.DeliveredOutput, found: Stat | None) -> None:
    if found is None:
        raise NotFound(f"result {made.path} is not at {made.url}, where the report says it was delivered")
    if (made.packed or not made.directory) and found.size != made.size:
        raise BadRequest(f"result {made.path} has {found.size} bytes where the report says {made.size}")


def _move_as_directory(
    storage: Storage, destination: Destination, own: str, names: Mapping[str, str], spare: str
) -> str:
    """Where all names are one new directory and the tool's own paths, one rename commits them all. `spare`
    is a file there that is no result; "" is none.

    Returns that directory; "" when nothing was moved.
    """
    directories = {name.removesuffix(f"/{path}") for path, name in names.items()}
    if len(directories) != 1 or not all(name.endswith(f"/{path}") for path, name in names.items()):
        return ""
    target = layout.output_url(destination, directories.pop())
    if storage.stat(own) is None or storage.stat(target) is not None:
        return ""
    if spare:
        storage.delete(spare)
    _move(storage, own, target)
    return target


def _move(storage: Storage, source: str, target: str) -> None:
    try:
        storage.move(source, target)
    except BadRequest:
        if storage.stat(source) is not None or storage.stat(target) is None:
            raise  # nobody else has moved it
