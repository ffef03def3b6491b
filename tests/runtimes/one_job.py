"""Run one job as the wrapper would, under any Python and as any user: `one_job.py REQUEST`, JSON both ways.

The request names the job's directory and holds manifest and node; `result.json` there says what happened.
"""

import json
import sys
from pathlib import Path

from wrappers import prctl, wire
from wrappers.node import files, process
from wrappers.node.stop import Stop
from wrappers.runtimes.base import ImageError, JobSpec, Unusable
from wrappers.runtimes.choose import prepare


def main(request: str) -> None:
    asked = json.loads(request)
    place = Path(asked["directory"])
    job = JobSpec(
        manifest=wire.from_json(wire.Manifest, asked["manifest"]),
        directory=place / "job",
        tmp=place / "tmp",
        private=place / "private",
        script=place / "job" / "command",
    )
    for directory in (job.directory, job.tmp, job.private):
        directory.mkdir(exist_ok=True)
    job.script.write_bytes((job.manifest.command + "\n").encode("utf-8"))
    (place / "result.json").write_text(json.dumps(run(job, wire.from_json(wire.Node, asked["node"]), place)))


def run(job: JobSpec, node: wire.Node, place: Path) -> "dict[str, object]":
    try:
        launch = prepare(job, node)
    except (Unusable, ImageError) as error:
        return {"error": type(error).__name__, "message": str(error)}
    stop = Stop()
    stop.install()
    (place / "prepared").touch()
    ended = process.run(launch, str(place / "out"), str(place / "err"), job.manifest.limits, stop)
    answer = {
        "code": ended.exit_code,
        "signal": ended.signal,
        "why": ended.why,
        "stopped": ended.stopped,
        "started": launch.started is None or launch.started(),
        "used": wire.to_json(launch.used),
    }
    if launch.cleanup is not None:
        launch.cleanup()
    files.remove(str(job.private))  # as the wrapper does: nothing there may withstand it
    return answer


if __name__ == "__main__":
    prctl.forbid_inspection()
    main(sys.argv[1])
