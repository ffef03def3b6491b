"""Results that would take each other's names are refused before anything runs."""

from __future__ import annotations

import pytest

from engine.app.collisions import Names
from engine.errors import BadRequest
from engine.planning import OutputFile
from tests.reconcile.conftest import World

pytestmark = pytest.mark.whole


def out(path: str, id: str = "out") -> OutputFile:
    """A result to look for."""
    return OutputFile(id, path, False, False)


def test_jobs_whose_results_would_meet_are_refused_while_they_are_planned(world: World) -> None:
    with pytest.raises(
        BadRequest, match=r"line 2, output out of job 2: out.txt is also a result of job 1; put \{job\}"
    ):
        world.submit("echo x > out.txt", jobs=2, results_name="{path}")
    assert world.engine.app.newest() == []
    assert not list(world.directory.glob("results/*"))


def test_a_directory_for_each_job_keeps_them_apart(world: World) -> None:
    id_ = world.submit("echo x > out.txt", jobs=2, results_name="sub-{job}/{path}")
    assert world.end(id_).state == "succeeded"
    assert sorted(p.name for p in world.engine.app.products(id_)) == ["sub-1/out.txt", "sub-2/out.txt"]


def test_two_outputs_of_one_job_may_not_be_the_same_file() -> None:
    assert list(Names("").collisions(1, [out("a"), out("a", "other")], {})) == [
        "output other: a is also output out"
    ]


def test_names_with_wildcards_are_left_to_the_end() -> None:
    names = Names("{path}")
    assert [line for n in (1, 2) for line in names.collisions(n, [out("*.nii")], {})] == []
