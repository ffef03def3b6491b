"""`make demo-vip`: this engine behind VIP's portal, with everything that stands there but the portal itself.

A MariaDB with `workflowsdb`, an H2 server beside a directory of workflows, the daemon; a replay of the portal
starts executions, presses its buttons, and prints what its pages would show.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.desk import desk_in
from tests.demo.steps import CACHE, step, tell
from tests.portal.house import COPIER, FAILER, WAITER, portal
from tests.portal.vip.portal import VipPortal, make_database, vip_portal
from tests.services.h2 import start_h2
from tests.services.mariadb import start_mariadb

PASSWORD = "what the portal of the demo knows"


def main() -> None:
    """Show it; ends with an error when a page shows what is not so."""
    print(__doc__)
    home = CACHE / "vip"
    shutil.rmtree(home, ignore_errors=True)
    for name in ("workflows", "shared"):
        (home / name).mkdir(parents=True)
    (home / "word").write_text(f"{PASSWORD}\n")
    (home / "shared/scan.txt").write_text("a scan\n")
    with desk_in(home) as desk, start_mariadb() as maria, start_h2(home / "workflows") as h2:
        make_database(maria, "workflowsdb")
        variables = {
            "ENGINE_PORTAL__SHARED": json.dumps([str(home / "shared")]),
            "ENGINE_VIP__WORKFLOWS": str(home / "workflows"),
            "ENGINE_VIP__DATABASE": maria.url("workflowsdb"),
            "ENGINE_VIP__H2": f"127.0.0.1:{h2.port}",
        }
        with portal(desk, **variables) as house:
            house.engine("user", "add", "user", "--role", "service")
            with (home / "word").open() as file:
                desk.ok("user", "password", "user", stdin=file, variables=variables)
            with vip_portal(house.url, PASSWORD, maria, "workflowsdb", h2) as vip:
                show(vip, home)


def show(vip: VipPortal, home: Path) -> None:
    """Start executions as the portal does, and print its pages."""
    results = {"results-directory": [f"file:{home}/shared/results"]}
    with step("Starting three executions by POST /submit"):
        copier = vip.launch(COPIER, {"file": [f"file:{home}/shared/scan.txt"], "word": ["a", "b"], **results})
        failer = vip.launch(FAILER, {"code": ["0", "3"]})
        waiter = vip.launch(WAITER, {"gate": [f"{home}/gate", f"{home}/other"], **results})
    with step("Pressing buttons of the page of jobs: kill one, schedule the other again"):
        wait(lambda: vip.states(waiter) == ["RUNNING", "RUNNING"])
        vip.send(waiter, vip.tasks(waiter, 1)[0].id, "KILL")
        vip.send(waiter, vip.tasks(waiter, 0)[0].id, "RESCHEDULE")
        wait(lambda: vip.states(waiter) == ["CANCELLED", "RUNNING", "CANCELLED"])
    page(vip, waiter)
    (home / "gate").touch()
    expected = {copier: "Completed", failer: "Failed", waiter: "Failed"}
    for id_, status in expected.items():
        wait(lambda id_=id_: vip.workflow(id_)[1] is not None)  # type: ignore[misc]
        page(vip, id_)
        if vip.workflow(id_)[0] != status:
            raise SystemExit(f"demo: {id_} is {vip.workflow(id_)[0]}, not {status}")
    tell(
        f"\nchecked: {len(expected)} executions ended as they should, in {home / 'workflows'} are their files"
    )


def page(vip: VipPortal, id_: str) -> None:
    """Print what the portal's pages of an execution show."""
    status, finished = vip.workflow(id_)
    print(f"\n{id_}: {status}{f', ended {finished:%H:%M:%S}' if finished else ''}")
    for name, completed, queued, failed in vip.processors(id_):
        tell(f"{name}: {completed} completed, {queued} queued, {failed} failed")
    for task in vip.tasks(id_):
        where = f"on {task.node}" if task.node else ""
        tell(f"job {task.invocation}  {task.id}  {task.status:<22} exit code {task.exit_code:<3} {where}")
    for name, values in sorted(vip.inputs(id_).items()):
        tell(f"input {name}: {', '.join(sorted(value for value, _ in values))}")
    for output, path in sorted(vip.outputs(id_)):
        tell(f"result {output}: {path}")
    if sums := {name: value for name, value in vip.stats(id_).items() if value}:
        tell(f"statistics: {sums}")


def wait(condition: Callable[[], bool]) -> None:
    """Wait until something is so, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("demo: what was waited for did not happen")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
