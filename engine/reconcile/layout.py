"""Where things lie below the results of an execution.

<results>/outputs/...            results, by the execution's naming
<results>/logs/<job>.<try>.out   what the tools printed (.err beside it; .debug of a defect of ours)
<results>/provenance/<job>.<try>.json
<results>/derivatives/<name>-<version>/   results of a BIDS app as one data set: see derivatives.py
<results>/inputs/<sha256>        small files of the user's machine, which travel with jobs that run elsewhere
<results>/.attempts/<job>/<attempt>/   where one attempt alone writes; gone when the execution ends
<results>/jobs/<job>/<attempt>/        the same, on storages that cannot rename: what succeeded stays there

Where a back-end may start a job twice, each run writes to a directory of its own below those of the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from engine.domain import naming
from engine.domain.options import SANDBOX, Destination
from engine.ids import AttemptId
from engine.store.executions import Execution
from engine.store.jobs import Job
from wrappers.wire import DeliveredOutput

JOBS = "jobs"
"""The directory of what attempts wrote, on storages that cannot rename."""
PACKED = ".tar"
"""What is added to the name of a directory that was delivered as a tar."""


def product_names(execution: Execution, job: Job, paths: Iterable[str]) -> dict[str, str]:
    """Name a job's results by the paths that the tool gave them: see `engine.domain.naming`."""
    width = len(str(execution.jobs))
    fields = {**job.names, naming.JOB: f"{job.number:0{width}d}"}
    return naming.result_names(template(execution, job), fields, paths)


def template(execution: Execution, job: Job) -> str:
    """Return the template of the names of a job's results."""
    return naming.template_of(execution.options.naming, execution.jobs, job.names)


def destinations(execution: Execution) -> list[Destination]:
    """Return where its attempts may write, in order."""
    return list(execution.options.places) or [Destination(execution.results)]


def output_url(destination: Destination, name: str) -> str:
    """Return where a result of that name lies in the end, where results are renamed."""
    return f"{destination.url}/outputs/{quote(name)}"


def final_url(destination: Destination, name: str, made: DeliveredOutput) -> str:
    """Return where a result of that name lies in the end: one that was delivered as a tar stays one."""
    return output_url(destination, name) + PACKED if made.packed else output_url(destination, name)


def log_url(execution: Execution, number: int, ordinal: int, stream: str) -> str:
    """Return where the log of an attempt lies; `stream` is out, err or debug."""
    return f"{execution.results}/logs/{number}.{ordinal}.{stream}"


def record_url(execution: Execution, number: int, ordinal: int) -> str:
    """Return where the provenance record of an attempt lies."""
    return f"{execution.results}/provenance/{number}.{ordinal}.json"


def dataset_url(execution: Execution, name: str) -> str:
    """Return where the data set of the results of a BIDS app lies."""
    return f"{execution.results}/derivatives/{quote(name)}"


def input_url(results: str, sha256: str) -> str:
    """Return where a file waits that travels with jobs, below the directory of results."""
    return f"{results}/inputs/{sha256}"


def attempts_url(destination: Destination) -> str:
    """Return the directory that holds what attempts wrote."""
    return f"{destination.url}/{'.attempts' if destination.rename else JOBS}"


def run_url(destination: Destination, number: int, attempt: AttemptId, run: str) -> str:
    """Return where one run of an attempt alone has written its results: `Report.run`, "" is none."""
    own = attempt_url(destination, number, attempt)
    return f"{own}/{run}" if run and own != SANDBOX else own


def attempt_url(destination: Destination, number: int, attempt: AttemptId) -> str:
    """Return where one attempt of job `number` alone may write."""
    return (
        destination.url if destination.url == SANDBOX else f"{attempts_url(destination)}/{number}/{attempt}"
    )


def second_report_url(destination: Destination, number: int, attempt: AttemptId) -> str:
    """Return where a wrapper leaves a copy of its report, where it does."""
    return f"{attempt_url(destination, number, attempt)}/{attempt}.report.json"


def written_url(own: str, made: DeliveredOutput) -> str:
    """Return where an attempt has written a result, below its own directory."""
    url = own + quote(made.path) if own == SANDBOX else f"{own}/{quote(made.path)}"
    return url + PACKED if made.packed else url
