"""The data set of a BIDS app's results is made by steps that may be cut short anywhere and taken again."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from engine.app.manifests import Manifests
from engine.app.requests import SubmitRequest
from engine.domain.file_urls import to_path
from engine.ids import ExecutionId
from engine.planning import Dataset, Descriptor, Sweep
from engine.reconcile.context import TickContext
from engine.reconcile.derivatives import assemble
from engine.store.executions import Execution
from engine.store.lease import Lease
from tests.reconcile.conftest import World

pytestmark = pytest.mark.whole

LABELS = ("01", "02")
CHANGES = {"os.link", "os.rename", "os.chmod", "os.mkdir", "os.remove"}
APP = {
    "name": "app",
    "tool-version": "1",
    "description": "a tool of a test",
    "schema-version": "0.5",
    "command-line": "ls [BIDS_DIR]; mkdir -p out/sub-[L]; echo [L] > out/sub-[L]/x; echo same > out/README",
    "inputs": [
        {"id": "bids_dir", "name": "b", "type": "File", "value-key": "[BIDS_DIR]"},
        {"id": "participant_label", "name": "p", "type": "String", "value-key": "[L]"},
    ],
    "output-files": [{"id": "out", "name": "out", "path-template": "out"}],
}


@pytest.fixture
def ended(world: World) -> Execution:
    """An execution of an app over two participants, which has ended."""
    for label in LABELS:
        (world.directory / f"study/sub-{label}").mkdir(parents=True)
    sweep = Sweep(bids=Dataset(str(world.directory / "study")))
    request = SubmitRequest(Descriptor.of(APP, "app"), (), sweep, runtimes=("none",))
    view, _ = world.engine.app.submit(world.engine.app.plan(request))
    world.end(ExecutionId(view.id))
    return world.engine.app.execution(ExecutionId(view.id))


def context_of(world: World) -> TickContext:
    ours = world.engine
    return TickContext(
        ours.db,
        Lease("me", 1, 0.0),
        ours.clock,
        world.backend,
        ours.storage,
        manifest=lambda *_: pytest.fail("not asked for"),
        describe=Manifests(ours.db).describe,
        claim=lambda _: "",
        workspace=world.directory,
        delivery_timeout=0.0,
        full=lambda *_: "",
    )


def tree(directory: Path) -> Mapping[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def killed_at(world: World, execution: Execution, change: int) -> bool:
    """Make the data set in a child that is killed just before one of its changes to files; False: it has no
    such change.
    """
    pid = os.fork()
    if pid == 0:
        left = change

        def count(event: str, _: Sequence[object]) -> None:
            nonlocal left
            if event not in CHANGES:
                return
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            made = assemble(context_of(world), execution)
            os._exit(0 if made is not None and made.url else 3)
        except BaseException:
            traceback.print_exc()
            os._exit(4)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def test_odd_bytes_that_an_app_left_do_not_end_the_round(world: World, ended: Execution) -> None:
    """Without it, one user's app stops the engine for everybody, at each start anew."""
    world.engine.driver.release()
    results = to_path(ended.results)
    target = results / "derivatives" / "app-1"
    first = next((results / "outputs").rglob("README")).parent
    (first / "dataset_description.json").write_text('{"Authors": ["\\ud83d"]}')
    os.mkfifo(first / "pipe")
    os.rename(target, world.directory / "before")
    made = assemble(context_of(world), ended)
    assert made is not None
    assert made.problem == ""
    assert json.loads((target / "dataset_description.json").read_text())["Authors"] == ["\ud83d"]
    assert not (target / "pipe").exists()
    for number, readme in enumerate((results / "outputs").rglob("README")):
        Path(os.fsdecode(os.fsencode(readme.parent) + b"/log\xff")).write_text(str(number))
    refused = assemble(context_of(world), ended)
    assert refused is not None
    assert refused.problem.startswith("log\\udcff: job 1")
    refused.problem.encode()


def test_killed_at_any_step_it_is_made_whole_by_the_next_round(world: World, ended: Execution) -> None:
    place = to_path(ended.results) / "derivatives"
    target = place / "app-1"
    whole = tree(target)
    assert sorted(whole) == ["README", "dataset_description.json", "sub-01/x", "sub-02/x"]
    deaths = 0
    while True:
        world.engine.driver.release()
        os.rename(target, world.directory / f"before-{deaths}")
        if not killed_at(world, ended, deaths + 1):
            break
        deaths += 1
        assert not target.exists() or tree(target) == whole, "what is half made has its name"
        made = assemble(context_of(world), ended)
        assert made is not None
        assert (to_path(made.url), tree(target)) == (target, whole)
        assert os.listdir(place) == ["app-1"], "something is left over"
    assert deaths > 10
