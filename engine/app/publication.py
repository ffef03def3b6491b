"""Publishing a descriptor's file on Zenodo: checked before, and given its DOI after."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import BadRequest, Unavailable
from engine.planning import compile_tool, load_descriptor
from engine.planning.documents import printable, read_json
from engine.planning.finding import ERROR
from engine.planning.lint import lint
from engine.planning.zenodo_api import Zenodo
from engine.planning.zenodo_records import named, number_of, publish


def published(
    zenodo: Zenodo,
    path: Path,
    id_: str,
    *,
    replace: bool,
    new: bool,
    confirmed: Callable[[str], bool],
) -> str:
    """Publish a descriptor's file, as a new version of the record `id_` or of its own doi (`replace`), or
    as a new record; gives its DOI, which is written into the file. Empty: it was not confirmed.

    Raises:
        BadRequest: it cannot be published, or Zenodo refuses it.
        CredentialExpired, Unavailable: see `engine.planning.zenodo_records.publish`.
    """
    if [replace, bool(id_), new].count(True) > 1:
        raise BadRequest("--replace, --id and --new: one of them at most")
    data = _checked(path)
    earlier = _earlier(zenodo, path, data, id_, replace=replace, new=new)
    how = f"as a new version of zenodo.{earlier}" if earlier else "as a new record"
    if not confirmed(f"Publish {data['name']} at {zenodo.endpoint} {how}? This cannot be undone."):
        return ""
    doi = publish(zenodo, data, f"{path.stem}.json", earlier)
    try:
        _write(path, {**data, "doi": doi})
    except OSError as error:
        raise Unavailable(
            f"published as {doi}, but {printable(path)} cannot be written: {error.strerror}",
            remedy=f'write "doi": "{doi}" into it',
        ) from None
    return doi


def _checked(path: Path) -> Mapping[str, Any]:
    """Check a descriptor that may be published.

    Raises:
        BadRequest: it is not valid, or it lacks what a record needs.
    """
    shown = printable(path)
    if not path.is_file():
        raise BadRequest(f"{shown}: a file is needed", remedy="what is on Zenodo is published already")
    loaded = load_descriptor(path)
    found: dict[str, Any] = read_json(path)
    if loaded.data != found:
        raise BadRequest(
            f"{shown}: it is of a dialect", remedy="publish it as a descriptor of the schema 0.5"
        )
    problems = [one.message for one in lint(compile_tool(loaded), found) if one.level == ERROR]
    problems += [
        f"it has no {key}, which a record needs"
        for key in ("author", "container-image")
        if not found.get(key)
    ]
    if problems:
        lines = [f"{shown}: {one}" for one in problems]
        raise BadRequest(lines[0], problems=lines)
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise BadRequest(f"{shown}: it cannot be written, but gets its doi", remedy="publish a copy of it")
    return found


def _earlier(
    zenodo: Zenodo, path: Path, data: Mapping[str, Any], id_: str, *, replace: bool, new: bool
) -> str:
    """Find the number of the record of which it is to be a new version; empty: of none."""
    shown, doi = printable(path), str(data.get("doi") or "")
    if id_ or replace:
        if not (number := number_of(id_ or doi)):
            what = f"--id {id_}: this is no record of Zenodo" if id_ else f"{shown}: it has no doi of Zenodo"
            raise BadRequest(what, remedy="--id zenodo.N names the record")
        return number
    if doi and not new:
        raise BadRequest(
            f"{shown}: it has the doi {doi} already",
            remedy="--replace publishes a new version of that record, --new another record",
        )
    number = "" if new else named(zenodo, str(data["name"]))
    if number:
        raise BadRequest(
            f"{shown}: zenodo.{number} has the name {data['name']!r} already",
            remedy=f"--id zenodo.{number} publishes a new version of it, --new another record",
        )
    return ""


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """Write a descriptor in place of the one before, whole or not at all."""
    mode = path.stat().st_mode & 0o777
    target = path.resolve()  # a link stays one
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=".part-", delete=False) as file:
        file.write(json.dumps(data, indent=4) + "\n")
    os.chmod(file.name, mode)
    os.replace(file.name, target)
