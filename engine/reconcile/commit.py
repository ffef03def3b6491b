"""Committing the results of an attempt: from where it alone writes to their final names, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from engine.domain import naming
from engine.errors import BadRequest, NotFound
from engine.ports import Storage
from engine.reconcile import layout
from engine.reconcile.place import Round
from engine.reconcile.testimony import words
from engine.store import products
from engine.store.attempts import Attempt
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.products import Product
from wrappers import wire
from wrappers.wire import Report

_LONGEST_ID = 255


def commit(round_: Round, execution: Execution, job: Job, attempt: Attempt, report: Report) -> list[Product]:
    """Move what a report promises to its final names; a file that two outputs match is a product of each.

    Idempotent: after a crash, what was already moved is found in its place.

    Raises:
        BadRequest: a result is not what the report says, or its name is taken; nothing was moved.
    """
    own = layout.attempt_url(execution, attempt.id)
    for made in report.products:
        _check_name(made, own)
    names = layout.product_names(execution, job, [made.path for made in report.products])
    _check_final_names(names)
    _refuse_taken_names(round_, execution, job, list(names.values()))
    storage = round_.storage(own)
    targets = {path: layout.output_url(execution, name) for path, name in names.items()}
    for made in report.products:
        _check(storage, made, targets[made.path])
    if together := _move_together(storage, execution, own, names):
        round_.placed.append(together)
    else:
        for path in sorted(targets):  # a directory before what is in it
            _place(storage, f"{own}/{quote(path)}", targets[path])
        round_.placed += targets.values()
    return [
        Product(
            execution_id=execution.id,
            job_id=job.id,
            attempt_id=attempt.id,
            output_id=made.id,
            name=names[made.path],
            url=targets[made.path],
            size=made.size,
            sha256=made.sha256,
            directory=made.directory,
        )
        for made in report.products
    ]


def _check_name(made: wire.Product, own: str) -> None:
    """A report comes from a node: it must not name what is elsewhere, or what no database can hold."""
    shown = f"result {words(made.path)}"
    if words(made.path) != made.path:
        raise BadRequest(f"{shown}: its name is not UTF-8", remedy="have the tool write another name")
    if any(part in ("", ".", "..") for part in made.path.split("/")):
        raise BadRequest(f"{shown}: its path is not one below the job directory")
    if made.url != f"{own}/{quote(made.path)}":
        raise BadRequest(f"{shown}: {words(made.url)} is not where this attempt writes")
    if len(made.id) > _LONGEST_ID or words(made.id) != made.id:
        raise BadRequest(f"{shown}: the id of its output has more than {_LONGEST_ID} characters")


def _check_final_names(names: Mapping[str, str]) -> None:
    """Names with wildcards are known only now."""
    first: dict[str, str] = {}
    for path, name in names.items():
        if problem := naming.name_problem(name):
            raise BadRequest(f"result {path} would be called {name}: {problem}")
        if (other := first.setdefault(name, path)) != path:
            raise BadRequest(f"results {other} and {path} would both be called {name}")


def _refuse_taken_names(round_: Round, execution: Execution, job: Job, names: Sequence[str]) -> None:
    with round_.db.read() as connection:
        taken = products.taken(connection, execution.id, names)
    others = sorted(name for name, owner in taken.items() if owner != job.id)
    if others:
        raise BadRequest(f"result {others[0]} exists already: two jobs write the same name")


def _check(storage: Storage, made: wire.Product, target: str) -> None:
    """See that a result is where the report says, or has been moved: before a crash, or by the engine that
    held the lease before us and does not know yet that it lost it. Hence the order of the looks.
    """
    placed = storage.stat(target)
    there = storage.stat(made.url)
    if there is not None and placed is not None:
        raise BadRequest(f"{target} exists already")
    found = there or placed or storage.stat(target)
    if found is None:
        raise NotFound(f"result {made.path} is not at {made.url}, where the report says it was delivered")
    if not made.directory and found.size != made.size:
        raise BadRequest(f"result {made.path} has {found.size} bytes where the report says {made.size}")


def _move_together(storage: Storage, execution: Execution, own: str, names: Mapping[str, str]) -> str:
    """Where all names are one new directory and the tool's own paths, one rename commits them all.

    Returns that directory; "" when nothing was moved.
    """
    directories = {name.removesuffix(f"/{path}") for path, name in names.items()}
    if len(directories) != 1 or not all(name.endswith(f"/{path}") for path, name in names.items()):
        return ""
    target = layout.output_url(execution, directories.pop())
    if storage.stat(own) is None or storage.stat(target) is not None:
        return ""
    _place(storage, own, target)
    return target


def _place(storage: Storage, source: str, target: str) -> None:
    try:
        storage.move(source, target)
    except BadRequest:
        if storage.stat(source) is not None or storage.stat(target) is None:
            raise  # nobody else has moved it
