"""Rows of the H2 database of an execution, made of the engine's own. Decisions only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from engine.domain.attempt import AttemptState
from engine.store.driven import Try
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.launches import Launch
from engine.vip import states
from engine.vip.columns import ascending, clip, local_time, shown

_TEXT, _PARAMETERS, _DATA = 255, 10_000, 9_000
_TICK_S = 0.001


class VipJobRow(NamedTuple):
    """A row of Jobs; the columns have these names."""

    id: str
    simulation_id: str
    status: str
    exit_code: int
    exit_message: str
    creation: datetime | None
    queued: datetime | None
    download: datetime | None
    running: datetime | None
    upload: datetime | None
    end_e: datetime | None
    node_site: str | None
    node_name: str | None
    command: str
    file_name: str
    parameters: str
    executor: str
    invocation_id: int
    dirac_site: str | None
    checkpoint_init: int = 0
    checkpoint_upload: int = 0
    isReplicating: bool = False  # noqa: N815
    isBeingKilled: bool = False  # noqa: N815


@dataclass(frozen=True, slots=True)
class Shown:
    """The view of one attempt that the portal has."""

    row: VipJobRow
    phases: tuple[tuple[str, datetime], ...]
    """JobsMinorStatus: no two at the same time."""
    data: tuple[tuple[str, str], ...]
    """Paths, and `Input` or `Output`."""

    @property
    def id(self) -> str:
        """Its key in Jobs."""
        return self.row.id

    @property
    def node(self) -> tuple[str, str] | None:
        """Site and name of where it ran."""
        return (self.row.node_site or "", self.row.node_name) if self.row.node_name else None


def row_id(number: int, ordinal: int) -> str:
    """Give the key of an attempt in Jobs: keys sort as the jobs do."""
    return f"{number:06d}-{ordinal}"


def named(id_: str) -> tuple[int, int] | None:
    """Give the number and the attempt that a key of Jobs stands for; None: it is none of ours."""
    match = re.fullmatch(r"([0-9]{6,10})-([0-9]{1,10})", id_, re.ASCII)
    return (int(match.group(1)), int(match.group(2))) if match else None


def file_name(launch: Launch, number: int, ordinal: int) -> str:
    """Give the name of the files of an attempt, without their ends."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", launch.name).lstrip(".")[:100]
    return f"{plain or 'job'}-{row_id(number, ordinal)}"


def of_job(execution: Execution, launch: Launch, job: Job, tries: Sequence[Try]) -> list[Shown]:
    """Show a job: a row for each attempt, and one for the attempt that is still to come."""
    found = [_begun(execution, launch, job, one) for one in tries]
    last = tries[-1] if tries else None
    if states.needs_row_to_come(job.state, last.state if last else None):
        ordinal = (last.ordinal if last else 0) + 1
        found.append(_to_come(execution, launch, job, ordinal, last.updated_at if last else 0.0))
    return found


def _begun(execution: Execution, launch: Launch, job: Job, one: Try) -> Shown:
    report = one.report or {}
    starts = {str(p["name"]): float(p["start"]) for p in report.get("phases", ())}
    over = one.state.at_rest
    began = report.get("started") or one.running_at
    inputs = starts.get("inputs", began)
    run = starts.get("run")
    upload = starts.get("deliver", starts.get("outputs"))
    end = (report.get("ended") or one.updated_at) if over else None
    stages = ascending([one.created_at, one.queued_at, inputs, run, upload, end])
    host: Mapping[str, str] = report.get("host", {})
    node = _text(host.get("name"))
    site = one.site if one.site != execution.backend else host.get("site") or one.site
    row = VipJobRow(
        id=row_id(job.number, one.ordinal),
        simulation_id=execution.id,
        status=states.OF_ATTEMPT[one.state].value,
        exit_code=states.exit_code(one.state, one.failure),
        exit_message=clip(shown(str(report.get("message") or "")), _TEXT),
        creation=_time(stages[0]),
        queued=_time(stages[1]),
        download=_time(stages[2]),
        running=_time(stages[3]),
        upload=_time(stages[4]),
        end_e=_time(stages[5]),
        node_site=_text(site),
        node_name=node,
        command=clip(launch.name, _TEXT),
        file_name=file_name(launch, job.number, one.ordinal),
        parameters=parameters(job.parameters or job.invocation),
        executor=clip(execution.backend, _TEXT),
        invocation_id=job.number - 1,
        dirac_site=_text(one.site),
    )
    ended = one.state is AttemptState.FINALISING or (over and bool(one.report))
    finished = (report.get("ended") or one.updated_at) if ended else None
    words = [
        ("Started", began),
        ("Inputs", starts.get("inputs")),
        ("Application", run),
        ("Outputs", upload),
        ("Finished", finished),
    ]
    return Shown(row, _phases(words), _data(report))


def _to_come(execution: Execution, launch: Launch, job: Job, ordinal: int, since: float) -> Shown:
    times = ascending([max(since, execution.created_at), job.updated_at if job.state.is_final else None])
    row = VipJobRow(
        id=row_id(job.number, ordinal),
        simulation_id=execution.id,
        status=states.WITHOUT_ATTEMPT[job.state].value,
        exit_code=-1,
        exit_message=clip(shown(job.message), _TEXT),
        creation=_time(times[0]),
        queued=None,
        download=None,
        running=None,
        upload=None,
        end_e=_time(times[1]),
        node_site=None,
        node_name=None,
        command=clip(launch.name, _TEXT),
        file_name=file_name(launch, job.number, ordinal),
        parameters=parameters(job.parameters or job.invocation),
        executor=clip(execution.backend, _TEXT),
        invocation_id=job.number - 1,
        dirac_site=None,
    )
    return Shown(row, (), ())


def parameters(values: Mapping[str, Any]) -> str:
    """Write what tells a job from others, one word a value: the portal splits it at blanks."""
    words = (f"{id_}={_plain(value)}" for id_, value in values.items())
    return clip(" ".join(re.sub(r"\s", "_", shown(argument)) for argument in words), _PARAMETERS)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_plain(one) for one in value)
    return value if isinstance(value, str) else str(value)


def _phases(words: Iterable[tuple[str, float | None]]) -> tuple[tuple[str, datetime], ...]:
    known = [(phase, at) for phase, at in words if at]
    times = ascending([at for _, at in known], step=_TICK_S)
    pairs = zip(known, times, strict=True)
    return tuple((phase, local_time(at)) for (phase, _), at in pairs if at is not None)


def _data(report: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = {path(one["url"]): "Input" for one in report.get("inputs", ())}
    for one in report.get("products", ()):
        found.setdefault(path(one["url"]), "Output")
    return tuple((clip(name, _DATA), kind) for name, kind in found.items())


def path(url: str) -> str:
    """Write a URL as MoteurLite does: `file:` and a plain path, or the URL without what is secret."""
    from engine.domain.file_urls import to_path

    return f"file:{to_path(url)}" if url.startswith("file:///") else shown(url)


def _text(value: str | None) -> str | None:
    return clip(value, _TEXT) if value else None


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else local_time(seconds)
