"""Files of a launch: looked at together, refused one by one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.api.tree import Tree
from engine.api.trees.directory import DirectoryTree
from engine.app.access.tokens import Segments
from engine.app.portal.carmin import CarminError
from engine.app.portal.inputs import Inputs
from engine.app.portal.tree import FileItem
from engine.app.portal.virtual import home_of
from engine.domain.account import Account
from engine.settings.tree import Settings

TOGETHER = 4
PATIENCE = 60.0
ANN = Account("01ANN", "ann")


class Waiting(DirectoryTree):
    """A tree that answers only when several ask at once."""

    together = threading.Barrier(TOGETHER)

    def item(self, path: Segments) -> FileItem:
        """What lies there, once enough others have asked."""
        self.together.wait(PATIENCE)
        return super().item(path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = Settings()
    api = given.api.model_copy(update={"root": tmp_path / "storage"})
    data = given.data.model_copy(update={"parallel": TOGETHER})
    return given.model_copy(update={"api": api, "data": data})


def inputs(settings: Settings, kind: type[DirectoryTree], *names: str) -> Inputs:
    """The inputs of ann, who has these files."""
    home = settings.api.root.joinpath(*home_of(ANN.id))
    home.mkdir(parents=True)
    for name in names:
        (home / name).write_text(name)
    return Inputs(ANN, settings, kind(Tree(settings.api.root), settings.api), remote=False)


def test_files_are_looked_at_several_at_a_time_and_each_once(settings: Settings) -> None:
    names = [f"{number}.txt" for number in range(2 * TOGETHER)]
    given = [f"/vip/Home/{name}" for name in names]
    ours = inputs(settings, Waiting, *names)
    ours.look_at([("f", value) for value in [*given, *given]])
    assert ours.names_used == given
    assert [Path(ours.understand(each)).name for each in given] == names  # nobody is asked any more


def test_of_several_that_are_not_there_the_first_is_told(settings: Settings) -> None:
    ours = inputs(settings, DirectoryTree, "a.txt")
    for _ in range(20):
        with pytest.raises(CarminError, match=r"/vip/Home/b\.txt: no such file"):
            ours.look_at(
                ("f", f"{value}.txt") for value in ("/vip/Home/a", "/vip/Home/b", "file:///c", "/vip/d")
            )
