"""`engine explain`: the story of a job in words."""

from __future__ import annotations

from engine.cli import show
from engine.cli.logs import JobArgument
from engine.cli.session import Json, job_of, session


def command(job: JobArgument = None, json: Json = False) -> None:
    """Tell what happened to a job, from the event log."""
    from engine.app.explain import history_of
    from engine.app.health.grid import story_there

    id_, number = job_of(job)
    engine = session.engine
    told = history_of(engine.db, id_, engine.app.job(id_, number))
    for line in told.events:
        if json:
            show.json_line(line)
        else:
            which = f"try {line['try']}: " if line["try"] else ""
            print(f"{line['at']}  {which}{show.cell(line['words'])}")
    if not json:
        execution = engine.app.execution(id_)
        there = story_there(engine.db, engine.backends, execution.backend, engine.app.job(id_, number))
        for text in (*told.summary, *there):
            print(show.cell(text))
