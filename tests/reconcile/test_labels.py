"""Words that results should carry are never a reason why they are not there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from engine.domain.execution import ExecutionState, Intent
from engine.domain.options import Options
from engine.domain.tool import Tool
from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound, Unavailable
from engine.ids import ExecutionId
from engine.reconcile.labels import TRIES, Labeller
from engine.storages.file import FileStorage
from engine.store.executions import Execution

URL, DIRECTORY = "table://host/E/out.txt", "table://host/E"


class Words(FileStorage):
    """A storage of somebody's that keeps words, or has trouble with them."""

    def __init__(self, trouble: EngineError | None = None) -> None:
        super().__init__()
        self.trouble = trouble
        self.asked = 0
        self.kept: dict[str, Mapping[str, str]] = {}

    def label(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        self.asked += 1
        if self.trouble:
            raise self.trouble
        self.kept.update(labels)


def execution(id_: str = "E") -> Execution:
    rest = ("file:///r", ExecutionState.ACTIVE, Intent.RUN, 1.0)
    return Execution(ExecutionId(id_), "ann", "tool", "0" * 64, Options(), "local", *rest)


@pytest.fixture
def labeller() -> Labeller:
    return Labeller(lambda _: Tool("tool", "1", "true"))


def test_a_directory_is_given_its_words_once_and_each_result_its_own(labeller: Labeller) -> None:
    storage = Words()
    labeller.label(storage, execution(), 1, [URL], DIRECTORY)
    words = {"engine_execution": "E", "engine_pipeline": "tool/1"}
    assert storage.kept == {URL: {**words, "engine_job": "1"}, DIRECTORY: words}
    storage.kept.clear()
    labeller.label(storage, execution(), 2, [URL], DIRECTORY)
    assert storage.kept == {URL: {**words, "engine_job": "2"}}


@pytest.mark.parametrize("trouble", [BadRequest("no"), NotFound("no"), CredentialExpired("no")])
def test_a_storage_that_refuses_is_asked_once_for_an_execution(
    labeller: Labeller, trouble: EngineError
) -> None:
    storage = Words(trouble)
    for number in (1, 2):
        labeller.label(storage, execution(), number, [URL], DIRECTORY)
    assert storage.asked == 1
    labeller.label(storage, execution("F"), 1, [URL], DIRECTORY)
    assert storage.asked == 2


def test_a_storage_that_does_not_answer_is_waited_for_and_not_for_ever(labeller: Labeller) -> None:
    storage = Words(Unavailable("gone"))
    for _ in range(TRIES - 1):
        with pytest.raises(Unavailable):
            labeller.label(storage, execution(), 1, [URL], DIRECTORY)
    for number in (1, 2):
        labeller.label(storage, execution(), number, [URL], DIRECTORY)
    assert storage.asked == TRIES
