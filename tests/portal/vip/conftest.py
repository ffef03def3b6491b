"""An engine behind VIP's portal: MariaDB, H2, a directory of workflows, a replay of the portal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.desk import desk_in
from tests.portal.house import House, portal
from tests.portal.vip.portal import VipPortal, make_database, vip_portal
from tests.services.h2 import start_h2
from tests.services.mariadb import start_mariadb

PASSWORD = "what the portal knows"


@dataclass(frozen=True)
class Behind:
    """The engine and the portal before it."""

    house: House
    vip: VipPortal
    shared: Path
    """The directory that both see."""


@pytest.fixture(scope="package")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    directory = tmp_path_factory.mktemp("vip")
    shared, workflows = directory / "shared", directory / "workflows"
    shared.mkdir()
    workflows.mkdir()
    word = directory / "word"
    word.write_text(f"{PASSWORD}\n")
    with desk_in(directory) as desk, start_mariadb() as maria, start_h2(workflows) as h2:
        make_database(maria, "workflowsdb")
        variables = {
            "ENGINE_PORTAL__SHARED": json.dumps([str(shared)]),
            "ENGINE_PORTAL__RUNNING": "3",
            "ENGINE_VIP__WORKFLOWS": str(workflows),
            "ENGINE_VIP__DATABASE": maria.url("workflowsdb"),
            "ENGINE_VIP__H2": f"127.0.0.1:{h2.port}",
            "ENGINE_VIP__EVERY": "0.1",
            "ENGINE_VIP__TIMEOUT": "2",
        }
        with portal(desk, variables) as house:
            house.engine("user", "add", "user", "--role", "service")
            with word.open() as file:
                desk.ok("user", "password", "user", stdin=file, variables=dict(house.variables))

            with vip_portal(house.url, PASSWORD, maria, "workflowsdb", h2) as vip:
                yield Behind(house, vip, shared)
        log = house.log.read_text()
        assert "defect" not in log
        assert "Traceback" not in log
        assert PASSWORD not in log
