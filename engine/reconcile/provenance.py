"""The provenance record of an attempt: the reference library's layout, extended.

Source of the layout: boutiques 0.5.33, `dataHandler` and `localExec` (summary, public-invocation,
public-output, additional-information). Ours adds sha256 and size beside md5-only names, every match of an
output, the image digest, the runtime and the times of each phase.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine import __version__
from engine.clock import iso
from engine.domain.tool import Tool
from engine.ids import job_name
from engine.store.attempts import Attempt
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.needs import Need
from engine.store.products import Product
from wrappers import wire
from wrappers.wire import Manifest, Report, Staged


def record(
    execution: Execution,
    job: Job,
    attempt: Attempt,
    report: Report,
    committed: Sequence[Product],
    *,
    tool: Tool,
    manifest: Manifest,
    failure: str,
    message: str,
    needed: Sequence[Need] = (),
) -> bytes:
    """Render the record as JSON text."""
    merged = {(one.id, one.name) for one in manifest.inputs if one.merged}
    own = [one for one in report.inputs if (one.id, one.name) not in merged]
    earlier = [one for one in report.inputs if (one.id, one.name) in merged]
    data: dict[str, Any] = {
        "summary": {
            "name": tool.name,
            "version": tool.version,
            "descriptor-doi": tool.doi or "",
            "descriptor-sha256": execution.descriptor_sha256,
            "date-time": iso(report.started),
            "engine": f"boutiques-engine {__version__}",
        },
        "public-invocation": _invocation(job.invocation, own),
        "public-output": {
            "exit-code": report.exit_code,
            "signal": report.signal,
            "error-message": message,
            "failure": failure,
            "shell-command": manifest.command,
            "shell": manifest.shell,
            "missing-files": list(report.missing),
            "output-files": _outputs(committed),
        },
        "additional-information": {
            "execution": execution.id,
            "job": job_name(execution.id, job.number),
            "attempt": attempt.id,
            "try": attempt.ordinal,
            "owner": execution.owner,
            "parameters": dict(job.parameters),
            **({"waited-for": _needed(job, needed, earlier)} if job.waits else {}),
            "image": wire.to_json(manifest.image) if manifest.image else None,
            "runtime": wire.to_json(report.runtime) if report.runtime else None,
            "host": report.host,
            "started": iso(report.started),
            "ended": iso(report.ended),
            "phases": [
                {"name": p.name, "start": iso(p.start), "seconds": round(p.seconds, 6)} for p in report.phases
            ],
            "cpu-seconds": report.cpu_seconds,
            "peak-memory": report.peak_memory,
            "environment": dict(manifest.environment),
            "wrapper-sha256": report.wrapper_sha256,
            "manifest-sha256": report.manifest_sha256,
        },
    }
    # A line for each part: readable as it is, and four times as fast to write as an indented text.
    # What is no UTF-8 (a file name) is escaped, which is just how JSON wants it.
    parts = [f"{json.dumps(key)}: {json.dumps(part, ensure_ascii=False)}" for key, part in data.items()]
    return ("{" + ",\n ".join(parts) + "}\n").encode("utf-8", "backslashreplace")


def _invocation(invocation: Mapping[str, Any], inputs: Sequence[Staged]) -> dict[str, Any]:
    """Each value as it was given; a file with what was really read of it."""
    staged: dict[str, list[dict[str, Any]]] = {}
    for item in inputs:
        staged.setdefault(item.id, []).append(_file(item))
    public: dict[str, Any] = dict(invocation)
    for id_, files in staged.items():
        public[id_] = files if isinstance(invocation.get(id_), list) else files[0]
    return public


def _file(item: Staged) -> dict[str, Any]:
    described = {"file-name": item.name, "url": item.url, "size": item.size, "sha256": item.sha256}
    return {**described, "left-out": item.left_out} if item.left_out else described


def _needed(job: Job, needed: Sequence[Need], results: Sequence[Staged]) -> dict[str, Any]:
    """Say for how many jobs a job waited, which of them it ran without, and what it read of the others."""
    missing = [{"job": one.number, "name": one.name} for one in needed if one.missing]
    read = [_file(one) for one in results]
    return {"jobs": job.waits, "need": job.need, "missing": missing, "results": read}


def _outputs(committed: Sequence[Product]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for p in committed:
        found.setdefault(p.output_id, []).append(
            {"file-name": p.name, "url": p.url, "size": p.size, "sha256": p.sha256}
        )
    return found
