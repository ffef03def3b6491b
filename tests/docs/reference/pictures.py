"""The pictures: states and sequence from the state table, the others drawn by hand from the same shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.domain.attempt import FINAL, TRANSITIONS, AttemptEvent, AttemptState, transition
from tests.docs.drawing import Arrow, Box, Drawing, lanes

E = AttemptEvent


def states() -> str:
    """Every transition of the state table, with what must then be done."""
    order = [*(s for s in AttemptState if s not in FINAL), *(s for s in AttemptState if s in FINAL)]
    arrows = [
        Arrow(state, step.to, " → ".join((event, *step.effects)))
        for (state, event), step in TRANSITIONS.items()
    ]
    return lanes("States of an attempt", {state: state for state in order}, arrows, pitch=98)


SEQUENCE = (
    ("user", "engine", "submit: descriptor and invocations", None),
    ("engine", "database", "execution, jobs, attempts", None),
    ("engine", "back-end", "submission with our key", E.SUBMIT_REQUESTED),
    ("back-end", "engine", "its own id", E.ACCEPTED),
    ("back-end", "node", "wrapper and manifest", None),
    ("engine", "back-end", "observe", E.SEEN_RUNNING),
    ("node", "storage", "fetch and verify inputs", None),
    ("node", "node", "image, tool", None),
    ("node", "storage", "deliver outputs, with checksums", None),
    ("node", "back-end", "report", None),
    ("engine", "back-end", "observe", E.SEEN_FINISHED),
    ("back-end", "engine", "report", None),
    ("engine", "storage", "look for outputs, commit them", E.REPORT_SUCCEEDED),
    ("engine", "database", "products, provenance", None),
    ("engine", "user", "results", None),
)
"""What happens to a job that succeeds: from, to, what, and the event that the engine learns by it."""


def sequence() -> str:
    """What happens to a job that succeeds at its first attempt; the states are those that the table gives."""
    state, arrows = AttemptState.PREPARED, []
    for source, target, text, event in SEQUENCE:
        note = ""
        if event is not None:
            state = transition(state, event).to
            note = f"[{state}]"
        arrows.append(Arrow(source, target, text, note))
    if state is not AttemptState.SUCCEEDED:
        raise ValueError(f"the sequence ends with an attempt that is {state}")
    names = ("user", "database", "engine", "back-end", "node", "storage")
    return lanes("Sequence of a job", {name: name for name in names}, arrows, pitch=200)


def overview() -> str:
    """What goes in, where it runs, what comes back."""
    boxes = {
        "descriptor": Box(10, 30, 150, 48, ["descriptor", "what the tool is"]),
        "values": Box(10, 110, 150, 48, ["invocations", "table, sweep, BIDS"]),
        "engine": Box(
            235, 50, 170, 88, ["engine", "plans and checks", "submits, watches, retries", "commits"]
        ),
        "node": Box(
            500, 50, 190, 88, ["job in its container", "inputs and image verified", "outputs verified"]
        ),
        "places": Box(490, 12, 210, 138, ["this machine, or a grid"], frame=True),
        "results": Box(780, 50, 150, 88, ["results", "outputs, logs", "provenance"]),
    }
    arrows = (
        Arrow("descriptor", "engine", ""),
        Arrow("values", "engine", ""),
        Arrow("engine", "node", "manifest", "report"),
        Arrow("node", "results", "outputs"),
    )
    return Drawing("From a tool's descriptor to verified results", 945, 170, boxes, arrows).svg()


def portal() -> str:
    """The parts of a portal, and who talks to whom."""
    boxes = {
        "users": Box(20, 40, 170, 56, ["users, portals, scripts", "CARMIN, engine --server"]),
        "strangers": Box(10, 10, 190, 100, ["internet"], frame=True),
        "proxy": Box(330, 40, 170, 56, ["reverse proxy", "nginx or haproxy: https"]),
        "machine": Box(310, 10, 480, 320, ["the portal's machine"], frame=True),
        "daemon": Box(550, 40, 220, 56, ["engine serve --http", "127.0.0.1:8420"]),
        "database": Box(500, 160, 140, 48, ["PostgreSQL", "executions, accounts"]),
        "files": Box(330, 160, 140, 48, ["api.root", "files of users, logs"]),
        "local": Box(330, 264, 440, 48, ["jobs beside the daemon", "kept apart from it: portal.isolation"]),
        "grid": Box(890, 40, 170, 56, ["DIRAC or DiracX", "submit, observe, cancel"]),
        "nodes": Box(890, 160, 170, 48, ["worker nodes", "wrapper, container"]),
        "storage": Box(890, 272, 170, 48, ["storage", "WebDAV, XRootD, S3"]),
        "outside": Box(870, 10, 210, 320, ["the grid"], frame=True),
    }
    arrows = (
        Arrow("users", "proxy", "https"),
        Arrow("proxy", "daemon", "http"),
        Arrow("daemon", "database", "socket"),
        Arrow("daemon", "files", ""),
        Arrow("daemon", "local", "jobs"),
        Arrow("daemon", "grid", "jobs"),
        Arrow("grid", "nodes", "pilots"),
        Arrow("nodes", "storage", "files"),
    )
    return Drawing("Deployment of a portal", 1090, 340, boxes, arrows).svg()


def files() -> Mapping[Path, str]:
    """Every picture, and what it must hold."""
    made = {"overview": overview, "attempt-states": states, "sequence": sequence, "portal": portal}
    return {Path(f"docs/pictures/{name}.svg"): draw() for name, draw in made.items()}
