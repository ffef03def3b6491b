"""Names of results: a template such as `{input.subject}/{path}`, checked once, filled for each job.

Text is put into fields in one pass: braces in a value stay as they are. What a value says is one part of a
path, its slashes become underscores; only `{path}` and `{results-directory}` bring directories.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping

JOB, PATH, NAME = "job", "path", "name"
RUN, PARAMETERS, RESULTS_DIRECTORY = "run", "parameters", "results-directory"
FIELDS = (JOB, PATH, NAME, RUN, PARAMETERS, RESULTS_DIRECTORY)
INPUT, STEM = "input.", ".stem"
VIP = f"{{{RESULTS_DIRECTORY}}}/{{{PATH}}}"
"""Where VIP has its results: beside each other, in the directory that the invocation names."""

_LONGEST_PART, _LONGEST_NAME = (
    255,
    3000,
)  # bytes: what file systems take, with room for the directory of results
_field = re.compile(r"\{([^{}]*)\}")
_packed = re.compile(r"\.(?:gz|bz2|xz|zst|zip)$", re.IGNORECASE)


def fields_of(template: str) -> list[str]:
    """List the fields that a template names, in order."""
    return _field.findall(template)


def input_of(field: str) -> tuple[str, bool]:
    """Find the input that a field stands for, and whether it is its stem; "" when it stands for none."""
    if not field.startswith(INPUT):
        return "", False
    id_ = field.removeprefix(INPUT)
    return id_.removesuffix(STEM), id_.endswith(STEM)


def template_problem(template: str, inputs: Collection[str]) -> str:
    """Say what is wrong with a template for a tool with these inputs; "" when it can be used."""
    fields = fields_of(template)
    rest = _field.sub("", template)
    for field in fields:
        id_, _ = input_of(field)
        if id_ and id_ not in inputs:
            return f"the tool has no input {id_}"
        if not id_ and field not in FIELDS:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            return f"{{{field}}} is unknown; there is {known}, {{input.ID}} and {{input.ID.stem}}"
    if "{" in rest or "}" in rest:
        return "a brace stands alone"
    if not {PATH, NAME} & set(fields):
        return "{path} or {name} is needed in it, or all results of a job would have one name"
    return name_problem(_field.sub("x", template))


def plain(template: str) -> str:
    """Return a template without `.`, and without `..` where that stays inside."""
    return posixpath.normpath(template) if template else template


def template_of(template: str, jobs: int, fields: Mapping[str, str]) -> str:
    """Choose the template of a job: the given one, VIP's where a results directory is named, or a plain
    one.
    """
    usual = f"{{{PATH}}}" if jobs == 1 else f"{{{JOB}}}/{{{PATH}}}"
    return template or (VIP if RESULTS_DIRECTORY in fields else usual)


def is_own(template: str) -> bool:
    """Say whether each job has a directory of its own, so that no two jobs can write the same name."""
    return template.startswith(f"{{{JOB}}}/")


def result_names(template: str, fields: Mapping[str, str], paths: Iterable[str]) -> dict[str, str]:
    """Name each result by the path that the tool gave it; `fields` holds all but path and name.

    What lies in a directory that is itself a result stays in it.
    """
    names: dict[str, str] = {}
    for path in sorted(set(paths)):  # a directory before what is in it
        above = path.rpartition("/")[0]
        while above and above not in names:
            above = above.rpartition("/")[0]
        if above:
            names[path] = names[above] + path[len(above) :]
        else:
            own = {PATH: path, NAME: posixpath.basename(path)}
            filled = _field.sub(lambda found, own=own: {**fields, **own}[found[1]], template)  # type: ignore[misc]
            names[path] = "/".join(part for part in filled.split("/") if part)
    return names


def name_problem(name: str) -> str:
    """Why nothing can be called this below the directory of results; "" when it can."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "." in parts or "\0" in name:
        return "results stay below the directory of results"
    if not name:
        return "it is empty"
    if any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_PART for part in parts):
        return f"a file name has at most {_LONGEST_PART} bytes"
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return f"it has more than {_LONGEST_NAME} bytes"
    return ""


def text_of(value: object) -> str:
    """Render a value as one part of a path: entries of a list joined by underscores, slashes replaced by
    them.
    """
    if isinstance(value, list):
        return "_".join(text_of(entry) for entry in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("/", "_")


def stem(name: str) -> str:
    """Return a file name without its extension, `scan.nii.gz` as `scan`."""
    bare = _packed.sub("", name)
    root, _ = posixpath.splitext(bare)
    return root or bare


def point_name(point: Mapping[str, str], number: int) -> str:
    """Name a job by its places on the axes of its step, as BIDS names files, or by its number."""
    return "_".join(f"{axis}-{place}" for axis, place in point.items()) or f"job {number}"
