"""Small files of the user's machine wait beside the results, and travel with the jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.app.requests import SubmitRequest
from engine.domain.job import JobState
from engine.errors import BadRequest
from engine.ids import ExecutionId
from tests.reconcile.conftest import World, descriptor

pytestmark = pytest.mark.whole


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run on a machine that does not share our files; there is a storage for results, and none for
    inputs.
    """
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE", "true")
    monkeypatch.setenv("ENGINE_STORAGES", json.dumps({"disk": {"url": (tmp_path / "store").as_uri()}}))


def submitted(world: World, texts: dict[str, str]) -> ExecutionId:
    """An execution that concatenates these files, written and not begun."""
    for name, text in texts.items():
        (world.directory / name).write_text(text)
    tool = descriptor("cat [N] > out.txt")
    tool["inputs"] = [{"id": "n", "name": "n", "type": "File", "list": True, "value-key": "[N]"}]
    (world.directory / "tool.json").write_text(json.dumps(tool))
    (world.directory / "jobs.jsonl").write_text(json.dumps({"n": list(texts)}))
    request = SubmitRequest("tool.json", ("jobs.jsonl",), runtimes=("none",), stores=("disk",))
    view, _ = world.engine.app.submit(world.engine.app.plan(request))
    return ExecutionId(view.id)


def waiting(world: World) -> list[Path]:
    return list(world.directory.glob("results/*/inputs/*"))


def test_each_content_waits_once_and_is_there_for_a_retry(world: World) -> None:
    world.backend.rejects = "no room at the inn"
    id_ = submitted(world, {"a": "same", "b": "same", "c": "other"})
    assert len(waiting(world)) == 2
    assert world.end(id_).state == "failed"
    for name in ("a", "b", "c"):
        (world.directory / name).unlink()
    world.backend.rejects = ""
    world.engine.app.retry(id_, [JobState.FAILED])
    assert world.end(id_).state == "succeeded"
    [result] = (world.directory / "store").rglob("out.txt")
    assert result.read_text() == "samesameother"


def test_what_is_not_the_same_any_more_is_refused(world: World) -> None:
    id_ = submitted(world, {"a": "hello"})
    waiting(world)[0].write_text("jello")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert job.failure == "rejected"
    assert "is not the input any more that was planned" in job.message


def test_a_file_that_is_damaged_on_its_way_is_noticed_on_the_node(world: World) -> None:
    held = world.backend.inner.submit

    def damaging(batch):  # type: ignore[no-untyped-def]
        files = {name: data.replace(b"h", b"j") for item in batch for name, data in item.files.items()}
        return held([replace(item, files=files) for item in batch])

    world.backend.inner.submit = damaging  # type: ignore[method-assign]
    id_ = submitted(world, {"a": "hello"})
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert (job.failure, "was planned" in job.message) == ("input", True)


def test_nothing_is_left_behind_by_a_submit_that_fails(world: World) -> None:
    with pytest.raises(BadRequest, match=r"data\.travelling"):
        submitted(world, {"a": "x" * (2 << 20)})
    assert not waiting(world)
    assert not list((world.directory / "results").glob("*"))
