"""The results of a BIDS app as one data set, beside the results: see `engine.domain.bids`.

Its files are further names of the results (hard links), so that it takes no room; they are made read-only,
so that whoever edits one in place does not change what is recorded of the result. Where a file system has no
such names, or the file is another account's, they are copies. It is made when the execution ends, and by
steps that may be taken again: killed between any two, the next round goes on.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from engine.domain import bids
from engine.domain.bids import ResultFile
from engine.domain.file_urls import to_path, to_url
from engine.domain.naming import point_name
from engine.domain.tool import Tool
from engine.errors import BadRequest
from engine.reconcile import layout
from engine.reconcile.context import TickContext, log
from engine.reconcile.reports import storable
from engine.store import jobs, launches, products
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.products import Product
from wrappers.containers.tree import remove

PAGE = 1000
_LARGEST = 1 << 20
"""Bytes of a description that is read."""
_SPARE = ".engine-new"


class Outcome(NamedTuple):
    """The fate of a data set."""

    url: str = ""
    problem: str = ""
    """Why there is none."""


class _Written(NamedTuple):
    """The jobs of an execution with their results."""

    first: Job
    of: Mapping[int, Job]
    """By number."""
    results: Sequence[Product]


def assemble(context: TickContext, execution: Execution) -> Outcome | None:
    """Make the data set of an execution that ends, or add to it what was not there yet. None: it has none,
    since its tool is no BIDS app or was given no data set, its results are on storages or of a user of the
    portal, whom paths of this machine are not told, or several jobs of a step have one place.
    """
    try:
        tool = context.describe(execution)
    except BadRequest as error:  # another engine wrote it
        log.warning("execution %s: its results become no data set: %s", execution.id, error)
        return None
    if not bids.is_app(tool):
        return None
    with context.db.read() as connection:
        written = _written(connection, execution)
    if written is None:
        return None
    target = to_path(layout.dataset_url(execution, bids.dataset_name(tool)))
    fresh = not os.path.lexists(target)
    place = target.with_name(f".{target.name}") if fresh else target
    try:
        tree = bids.merge(_files(tool, written), _same)
        if not tree:
            return None
        for name, candidates in tree.items():
            if name != bids.DESCRIPTION:
                _put([one.path for one in candidates], place / name)
        _describe(tool, execution, written.first, place, tree.get(bids.DESCRIPTION, ()))
        if fresh:
            place.rename(target)
    except (BadRequest, OSError, ValueError, RecursionError) as error:  # names and JSON are the tool's
        if fresh:
            remove(place)
            with suppress(OSError):
                place.parent.rmdir()
        return Outcome(problem=_reason(error, target))
    context.moved.append(to_url(target / bids.DESCRIPTION))
    context.flush()
    return Outcome(to_url(target))


def _reason(error: Exception, target: Path) -> str:
    text = f"{error.filename or target}: {error.strerror}" if isinstance(error, OSError) else str(error)
    return storable(text)


def _written(connection: Connection, execution: Execution) -> _Written | None:
    if launches.get(connection, execution.id) is not None:
        return None
    results = products.every(connection, execution.id)
    outputs = f"{execution.results}/"
    if not results or any(one.packed or not one.path or not one.url.startswith(outputs) for one in results):
        return None
    of: dict[int, Job] = {}
    while page := jobs.page(connection, execution.id, after=max(of, default=0), limit=PAGE):
        of.update((job.number, job) for job in page)
    places = {(job.step, tuple(sorted(job.point.items()))) for job in of.values()}
    first = of[min(of)]
    return (
        _Written(first, of, results) if first.invocation.get(bids.ROOT) and len(places) == len(of) else None
    )


def _files(tool: Tool, written: _Written) -> Iterator[ResultFile]:
    """Yield the files of all results that lie in the output directory of the app."""
    output = tool.input(bids.OUTPUT)
    declared = written.first.invocation.get(bids.OUTPUT, output.default if output else None)
    root = bids.output_directory(declared, ((one.path, one.directory) for one in written.results))
    for one in written.results:
        job = written.of[one.job_number]
        path = to_path(one.url)
        for name, file in _below(path, one.path) if one.directory else [(one.path, path)]:
            if (file.is_symlink() or file.is_file()) and (not root or name.startswith(f"{root}/")):
                own = name[len(root) + 1 :] if root else name
                place = point_name(job.point, job.number) if job.point else ""
                yield ResultFile(own, file, job.step, job.number, place)


def _below(directory: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Yield the files and links in a directory, which is called `name` there."""
    for parent, directories, files in os.walk(directory):
        links = [one for one in directories if os.path.islink(os.path.join(parent, one))]
        for one in [*files, *links]:
            path = Path(parent, one)
            yield f"{name}/{path.relative_to(directory)}", path


def _same(one: Path, other: Path) -> bool:
    a, b = one.lstat(), other.lstat()
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
        return True
    if stat.S_ISLNK(a.st_mode) or stat.S_ISLNK(b.st_mode):
        return stat.S_IFMT(a.st_mode) == stat.S_IFMT(b.st_mode) and os.readlink(one) == os.readlink(other)
    return a.st_size == b.st_size and filecmp.cmp(one, other, shallow=False)


def _put(candidates: Sequence[Path], target: Path) -> None:
    """Give the last of some files its name in the data set. What is none of them there was changed by a
    person since, and stays.
    """
    *former, wanted = candidates
    if os.path.lexists(target) and (_same(wanted, target) or not any(_same(one, target) for one in former)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    spare = target.with_name(_SPARE)
    spare.unlink(missing_ok=True)
    try:
        if not wanted.is_symlink():
            wanted.chmod(stat.S_IMODE(wanted.stat().st_mode) & ~0o222)
        os.link(wanted, spare, follow_symlinks=False)
    except OSError:
        shutil.copyfile(wanted, spare, follow_symlinks=False)
    spare.replace(target)


def _describe(tool: Tool, execution: Execution, first: Job, place: Path, own: Sequence[ResultFile]) -> None:
    """Write the description, last of all: what has one is whole."""
    source, of_source = _source(first)
    known = next(
        filter(None, map(_object, [place / bids.DESCRIPTION, *(one.path for one in reversed(own))])), {}
    )
    wanted = bids.description(tool, execution.options.image, source, of_source, known)
    place.mkdir(parents=True, exist_ok=True)
    spare = place / _SPARE
    text = json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
    spare.write_bytes(text.encode("utf-8", "backslashreplace"))  # half a pair stays the escape that it was
    spare.replace(place / bids.DESCRIPTION)


def _source(first: Job) -> tuple[str, Mapping[str, Any]]:
    """Find the URL of the data set that jobs read, and its description where that is on this machine."""
    value = first.invocation.get(bids.ROOT)
    root = value[0] if isinstance(value, list) and value else value
    if not isinstance(root, str) or not root:
        return "", {}
    if not os.path.isabs(root):
        return root, {}
    return to_url(Path(root)), _object(Path(root, bids.DESCRIPTION))


def _object(path: Path) -> Mapping[str, Any]:
    """Read an object of JSON; an empty one where there is none that can be read."""
    if not path.is_file():  # nothing is read from a FIFO that a tool left
        return {}
    with suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
        value = json.loads(file.read(_LARGEST))
        if isinstance(value, dict):
            return value
    return {}
