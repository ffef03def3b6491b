"""Where things lie below the results of an execution.

<results>/outputs/...            results, by the execution's naming
<results>/logs/<job>.<try>.out   what the tools printed (.err beside it)
<results>/provenance/<job>.<try>.json
<results>/.attempts/<job>/<attempt>/   where one attempt alone writes; gone when the execution ends
"""

from __future__ import annotations

from urllib.parse import quote

from engine.ids import AttemptId
from engine.store.executions import Execution


def product_name(execution: Execution, number: int, path: str) -> str:
    """The name of a result: the execution's naming with the job's number and the path that the tool chose."""
    width = len(str(execution.jobs))
    naming = execution.options.naming or ("{path}" if execution.jobs == 1 else "{job}/{path}")
    return naming.replace("{job}", f"{number:0{width}d}").replace("{path}", path)


def output_url(execution: Execution, name: str) -> str:
    """Where a result of that name lies."""
    return f"{execution.results}/outputs/{quote(name)}"


def log_url(execution: Execution, number: int, ordinal: int, stream: str) -> str:
    """Where the log of an attempt lies; `stream` is out or err."""
    return f"{execution.results}/logs/{number}.{ordinal}.{stream}"


def record_url(execution: Execution, number: int, ordinal: int) -> str:
    """Where the provenance record of an attempt lies."""
    return f"{execution.results}/provenance/{number}.{ordinal}.json"


def attempts_url(execution: Execution) -> str:
    """The directory that holds what attempts wrote until it is committed."""
    return f"{execution.results}/.attempts"


def attempt_url(execution: Execution, attempt: AttemptId) -> str:
    """Where one attempt alone may write."""
    return f"{attempts_url(execution)}/{attempt}"
