"""BIDS apps, and the one data set that their results become, as the standard has it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from engine.domain.tool import Tool
from engine.errors import BadRequest
from wrappers.wire import Image

ROOT, PARTICIPANTS, OUTPUT = "bids_dir", "participant_label", "output_dir"
DESCRIPTION = "dataset_description.json"
VERSION = "1.10.0"
"""Of BIDS, where neither the source nor the app says which it follows."""
_ENTITY = re.compile(r"(sub|ses)-")


class ResultFile(NamedTuple):
    """A file that a job wrote below its output directory."""

    name: str
    """There, and in the data set."""
    path: Path
    """Where it lies."""
    step: int
    job: int
    place: str
    """The job's places on the axes of its step, `sub-01`; "" where it has none."""

    @property
    def writer(self) -> str:
        """The job, for people."""
        return f"job {self.job} ({self.place})" if self.place else f"job {self.job}"


def is_app(tool: Tool) -> bool:
    """Say whether a tool is a BIDS app: it is told of the data set, and of the participants."""
    return tool.input(ROOT) is not None and tool.input(PARTICIPANTS) is not None


def dataset_name(tool: Tool) -> str:
    """Return the name of the directory of the data set."""
    return re.sub(r"[^0-9A-Za-z.+-]+", "-", f"{tool.name}-{tool.version}").strip("-.")[:200] or "app"


def output_directory(declared: object, results: Iterable[tuple[str, bool]]) -> str:
    """Find the output directory of an app in the directory of its job: what its input `output_dir` is, or
    else what all results lie in, but for directories of participants. "" is the job's own.

    Args:
        declared: the value of that input.
        results: path of each result, and whether it is a directory.
    """
    paths = list(results)
    if isinstance(declared, str) and declared and not declared.startswith("/"):
        wanted = _parts(declared)
        if any(_meet(wanted, _parts(path)) for path, _ in paths):
            return "/".join(wanted)
    parents = [path if directory else posixpath.dirname(path) for path, directory in paths]
    shared = _parts(posixpath.commonpath(parents)) if all(parents) and parents else ()
    entity = next((at for at, part in enumerate(shared) if _ENTITY.match(part)), len(shared))
    return "/".join(shared[:entity])


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in posixpath.normpath(path).split("/") if part != ".")


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether one is the other, or lies in it."""
    return all(a == b for a, b in zip(one, other, strict=False))


def merge(files: Iterable[ResultFile], same: Callable[[Path, Path], bool]) -> dict[str, list[ResultFile]]:
    """Put the files of all jobs into one tree: those of each name in the order of their steps, of which the
    last is what the data set has. `same` compares what two hold.

    Raises:
        BadRequest: two jobs of one step wrote a file with different contents, or a file where another wrote a
            directory; the description of the data set alone may differ.
    """
    tree: dict[str, list[ResultFile]] = {}
    for one in sorted(files, key=lambda file: (file.step, file.job, file.name)):
        known = tree.setdefault(one.name, [])
        if known and known[-1].job == one.job:
            continue  # several outputs match it
        beside = [other for other in known[-1:] if other.step == one.step and one.name != DESCRIPTION]
        if beside and not same(beside[0].path, one.path):
            raise _refusal(one.name, f"{beside[0].writer} and {one.writer} wrote it with different contents")
        known.append(one)
    for name, (first, *_) in tree.items():
        for above in PurePosixPath(name).parents:
            if other := tree.get(str(above)):
                raise _refusal(str(above), f"a file of {other[0].writer}, and a directory of {first.writer}")
    return tree


def _refusal(name: str, what: str) -> BadRequest:
    return BadRequest(f"{name}: {what}", remedy="have the app write a file of its own for each participant")


def description(
    tool: Tool, image: Image | None, source: str, of_source: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Write `dataset_description.json`.

    Args:
        tool: the app.
        image: what it ran in.
        source: URL of the data set that it read.
        of_source: the description of that.
        own: what the app, or a person since, has written; it stays but for what must be so.
    """
    name = of_source.get("Name")
    version = of_source.get("BIDSVersion")
    doi = of_source.get("DatasetDOI")
    sources = [{"URL": source} | ({"DOI": doi} if isinstance(doi, str) else {})] if source else []
    written = {
        "Name": f"{tool.name} {tool.version}" + (f" of {name}" if isinstance(name, str) and name else ""),
        "BIDSVersion": version if isinstance(version, str) and version else VERSION,
        **own,
        "DatasetType": "derivative",
        "GeneratedBy": _generated_by(tool, image, own.get("GeneratedBy")),
    }
    return written if written.get("SourceDatasets") or not sources else {**written, "SourceDatasets": sources}


def _generated_by(tool: Tool, image: Image | None, own: object) -> list[Mapping[str, Any]]:
    """List the app first, with all that it says of itself, and then whatever else was written."""
    known = [one for one in own if isinstance(one, dict) and one.get("Name")] if isinstance(own, list) else []
    itself = [one for one in known if str(one["Name"]).lower() == tool.name.lower()]
    generated = {**(itself[0] if itself else {}), "Name": tool.name, "Version": tool.version}
    if image is not None:
        generated["Container"] = _container(tool, image)
    return [generated, *(one for one in known if one not in itself)]


def _container(tool: Tool, image: Image) -> dict[str, str]:
    kind = tool.image.type if tool.image else "docker"
    if image.url:
        return {"Type": kind, "URI": image.url}
    name, _, digest = image.reference.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    pinned = image.digest or digest
    uri = f"docker://{name}" + (f"@{pinned}" if pinned else "")
    return {"Type": kind, **({"Tag": tag} if tag else {}), "URI": uri}
