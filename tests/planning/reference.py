"""The reference library itself, asked what it makes of an invocation. For values that are ours only."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

OPTIONS = {
    "forcePathType": True,
    "debug": False,
    "skipDataCollect": True,
    "sandbox": False,
    "provenance": None,
}


class Text(NamedTuple):
    """What the reference library renders."""

    command_line: str
    output_files: dict[str, str]


def reference(data: Mapping[str, Any], invocation: Mapping[str, Any]) -> Text | None:
    """Its text, or None when it refuses the invocation."""
    from boutiques.invocationSchemaHandler import InvocationValidationError
    from boutiques.localExec import LocalExecutor
    from boutiques.validator import validate_descriptor

    checked = validate_descriptor(copy.deepcopy(dict(data)))
    try:
        executor = LocalExecutor(json.dumps(checked), json.dumps(dict(invocation)), OPTIONS)
    except InvocationValidationError:
        return None
    return Text(executor.cmd_line[0], dict(executor.out_dict))
