"""Where things lie below the results of an execution.

<results>/outputs/...            results, by the execution's naming
<results>/logs/<job>.<try>.out   what the tools printed (.err beside it)
<results>/provenance/<job>.<try>.json
<results>/.attempts/<job>/<attempt>/   where one attempt alone writes; gone when the execution ends
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from engine.domain import naming
from engine.ids import AttemptId
from engine.store.executions import Execution
from engine.store.jobs import Job


def product_names(execution: Execution, job: Job, paths: Iterable[str]) -> dict[str, str]:
    """The names of a job's results by the paths that the tool gave them: see `engine.domain.naming`."""
    width = len(str(execution.jobs))
    fields = {**job.names, naming.JOB: f"{job.number:0{width}d}"}
    template = naming.template_of(execution.options.naming, execution.jobs, job.names)
    return naming.result_names(template, fields, paths)


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
