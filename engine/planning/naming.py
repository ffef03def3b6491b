"""What a job puts into the fields of the template that names its results."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from engine.domain import naming
from engine.domain.tool import InputType, Tool
from engine.planning.points import REPEAT, Point
from engine.planning.rules import InvocationError

_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def result_fields(template: str, tool: Tool, values: Mapping[str, Any], point: Point) -> dict[str, str]:
    """Compute the fields of `template` that differ from job to job, but number and path.

    Args:
        template: checked before; "" is the usual one.
        tool: whose results they are.
        values: the job's invocation with defaults, files under their bare names.
        point: where the job comes from.

    Raises:
        InvocationError: an input that the template names has no value.
    """
    fields, problems = dict[str, str](), list[str]()
    if point.results is not None:
        fields[naming.RESULTS_DIRECTORY] = _below(point.results)
    for field in naming.fields_of(template):
        id_, bare = naming.input_of(field)
        if field == naming.RUN:
            fields[field] = str(point.parameters.get(REPEAT, 1))
        elif field == naming.PARAMETERS:
            fields[field] = _parameters(tool, point.parameters)
        elif field == naming.RESULTS_DIRECTORY and field not in fields:
            problems.append("results-directory: is not given, and the names of the results need it (--vip)")
        elif id_ and (value := values.get(id_)) is None:
            problems.append(f"input {id_}: has no value, and the names of the results need one")
        elif id_:
            text = _text(tool, id_, value)
            fields[field] = naming.stem(text) if bare else text
    if problems:
        raise InvocationError(list(dict.fromkeys(problems)))
    return fields


def _text(tool: Tool, id_: str, value: Any) -> str:
    """Render a value as a part of a path: a file is called by its bare name."""
    one = tool.input(id_)
    if one is not None and one.type is InputType.FILE:
        if isinstance(value, list):
            return "_".join(_text(tool, id_, entry) for entry in value)
        return posixpath.basename(str(value).rstrip("/"))
    return naming.text_of(value)


def _parameters(tool: Tool, parameters: Mapping[str, Any]) -> str:
    """`frac=0.3,infile=a.nii`, in the order of the sweep."""
    named = {naming.RUN if id_ == REPEAT else id_: _text(tool, id_, v) for id_, v in parameters.items()}
    return ",".join(f"{id_}={text}" for id_, text in named.items())


def _below(directory: str) -> str:
    """Turn a directory of VIP, `/vip/Home/out` or `lfn:/biomed/out`, into one below the results."""
    return _scheme.sub("", directory, count=1).strip("/")
