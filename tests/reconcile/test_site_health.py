"""A job that a site of the grid failed is tried elsewhere, and the site is left in peace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.app.health.grid import sites_of
from engine.store.schema import execution
from tests.reconcile.conftest import World

pytestmark = pytest.mark.whole


def run_at(world: World, site: str, command: str = "true") -> None:
    """One job that runs at this site."""
    world.backend.sites = _Everywhere(site)
    assert world.end(world.submit(command)).state == "succeeded"


class _Everywhere(dict[str, str]):
    def __init__(self, site: str) -> None:
        self._site = site

    def get(self, key: str, default: object = None) -> str:
        return self._site


def test_a_lost_job_avoids_the_site_that_lost_it(world: World) -> None:
    run_at(world, "GOOD")
    world.backend.sites = _Everywhere("BAD")
    world.backend.spoils = lambda path: path.unlink() if path.name.endswith(".report.json") else None
    id_ = world.submit("true")
    world.rounds(lambda: len(world.backend.submitted) == 3)
    world.backend.spoils = None
    assert world.end(id_).state == "succeeded"
    first, second = world.backend.submitted[1:3]
    assert (list(first.avoid), list(second.avoid)) == ([], ["BAD"])


def test_the_only_site_is_never_avoided(world: World) -> None:
    world.backend.sites = _Everywhere("ONLY")
    world.backend.spoils = lambda path: path.unlink() if path.name.endswith(".report.json") else None
    assert world.end(world.submit("true")).state == "failed"
    assert [list(s.avoid) for s in world.backend.submitted] == [[], [], []]
    [site] = sites_of(world.engine.db, world.engine.clock.now())
    assert (site.site, site.failed, site.state) == ("ONLY", 3, "failing")  # one user's trouble is no rest


def test_other_executions_learn_of_a_site_where_several_users_fail(world: World) -> None:
    run_at(world, "GOOD")
    world.backend.sites = _Everywhere("BAD")
    world.backend.spoils = of_a_full_disk
    for owner in ("ada", "bob"):
        id_ = world.submit("true")
        with world.engine.db.write() as connection:
            mine = sa.update(execution).where(execution.c.id == id_)
            connection.execute(mine.values(owner=owner))
        world.end(id_)
    world.backend.spoils = None
    run_at(world, "GOOD")
    assert list(world.backend.submitted[-1].avoid) == ["BAD"]
    bad, good = sites_of(world.engine.db, world.engine.clock.now())
    assert (bad.state[:5], good.state) == ("rests", "good")


def of_a_full_disk(path: Path) -> None:
    """Make a report that of a node whose disk is full."""
    if path.name.endswith(".report.json"):
        report = json.loads(path.read_text())
        report.update(outcome="failed", failure="node", cause="no-space", products=[])
        path.write_text(json.dumps(report))
