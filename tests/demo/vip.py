"""`make demo-vip`: this engine behind VIP's portal, with everything that stands there but the portal itself.

A MariaDB with `workflowsdb`, an H2 server beside a directory of workflows, a Girder, the daemon. A replay of
the portal starts executions, presses its buttons, and prints what its pages would show; then the unmodified
vip-client runs a session with files and one with Girder, and the pages show these too.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.desk import desk_in
from tests.demo.steps import CACHE, step, tell
from tests.portal.client import with_vip_client
from tests.portal.house import COPIER, FAILER, WAITER, House, portal
from tests.portal.vip.portal import VipPortal, make_database, vip_portal
from tests.portal.warehouse import Warehouse
from tests.services import environment
from tests.services.girder import Girder, start_girder
from tests.services.h2 import start_h2
from tests.services.mariadb import start_mariadb
from tests.services.registry import free_port

PASSWORD = "what the portal of the demo knows"


def main() -> None:
    """Show it; ends with an error when a page shows what is not so."""
    print(__doc__)
    environment.install()
    home = CACHE / "vip"
    shutil.rmtree(home, ignore_errors=True)
    for name in ("workflows", "shared"):
        (home / name).mkdir(parents=True)
    (home / "word").write_text(f"{PASSWORD}\n")
    (home / "shared/scan.txt").write_text("a scan\n")
    with (
        desk_in(home) as desk,
        start_mariadb() as maria,
        start_h2(home / "workflows") as h2,
        start_girder() as girder,
    ):
        make_database(maria, "workflowsdb")
        port = free_port()
        variables = {
            "ENGINE_API__PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ENGINE_STORAGES": json.dumps(
                {"pilotGirder": {"url": f"girder://{girder.host}", "api": girder.api}}
            ),
            "ENGINE_PORTAL__SHARED": json.dumps([str(home / "shared")]),
            "ENGINE_VIP__WORKFLOWS": str(home / "workflows"),
            "ENGINE_VIP__DATABASE": maria.url("workflowsdb"),
            "ENGINE_VIP__H2": f"127.0.0.1:{h2.port}",
        }
        with portal(desk, variables, port=port) as house:
            house.engine("user", "add", "user", "--role", "service")
            with (home / "word").open() as file:
                desk.ok("user", "password", "user", stdin=file, variables=variables)
            with vip_portal(house.url, PASSWORD, maria, "workflowsdb", h2) as vip:
                show(vip, home)
                show_files(vip, house, home)
                show_girder(vip, house, girder, home)


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


SESSION = """
VipSession.init(api_key=KEY, vip_portal_url=URL)
session = VipSession("demo", input_dir="in", pipeline_id="copier/1.0", output_dir="out",
                     input_settings={"file": ["in/one.txt", "in/two.txt"], "word": "hello"})
session.run_session(refresh_time=1)
print("RAN", *session.workflows)
"""
GIRDER = """
from vip_client import VipGirder
VipGirder.init(vip_key=KEY, girder_key=GIRDER_KEY, vip_portal_url=URL, girder_api_url=API)
session = VipGirder(
    session_name="experiment", pipeline_id="copier/1.0", output_dir="/collection/tests/runs/experiment",
    input_settings={"file": "/collection/tests/runs/scan.txt", "word": "hello"},
    custom_wf_metadata={"experiment_id": "demo"},
)
session.run_session(nb_runs=2, refresh_time=1)
print("RAN", *session.workflows)
"""


def show_files(vip: VipPortal, house: House, home: Path) -> None:
    """Run a session of vip-client that uploads files and downloads results."""
    place = home / "client"
    (place / "in").mkdir(parents=True)
    for name in ("one", "two"):
        (place / f"in/{name}.txt").write_text(f"{name}\n")
    with step("Running a session of vip-client: two files up, two jobs, two results down"):
        [id_] = ran(house, SESSION, place)
    pages_of(vip, id_)
    found = sorted(path.read_text() for path in (place / "out").rglob("out.txt"))
    for text in found:
        tell(f"downloaded: {text!r}")
    if found != ["one\nhello\n", "two\nhello\n"]:
        raise SystemExit("demo: the session did not bring the results")


def show_girder(vip: VipPortal, house: House, girder: Girder, home: Path) -> None:
    """Run a session of VipGirder, whose files and results lie in a private collection."""
    place = home / "girder"
    place.mkdir()
    warehouse = Warehouse(girder, place)
    warehouse.put("scan.txt", b"a scan\n")
    key = {"storageIdentifier": "pilotGirder", "apiKey": girder.key}
    house.ok("PUT", "/user/externalKeys", key, user="watcher")
    with step("Running a session of VipGirder: two runs of a file in a private collection of Girder"):
        words = f"GIRDER_KEY, API = {girder.key!r}, {girder.api!r}"
        ids = ran(house, f"{words}\n{GIRDER}", place)
    for id_ in ids:
        pages_of(vip, id_)
    runs = warehouse.storage.list(f"{warehouse.top}/experiment")
    for run in runs:
        files = warehouse.read(f"experiment/{run}")
        tell(f"in Girder: {run}: {files}, {warehouse.meta(f'runs/experiment/{run}')}")
        if files != {"out.txt": b"a scan\nhello\n"}:
            raise SystemExit(f"demo: {run} has {files}")
    if len(runs) != len(ids):
        raise SystemExit(f"demo: {len(ids)} runs have {len(runs)} folders")
    tell("checked: each run of VipGirder has its folder, its results and its metadata")
    show_girder_by_portal(vip, warehouse)


def show_girder_by_portal(vip: VipPortal, warehouse: Warehouse) -> None:
    """Start an execution as the portal does for a user of Girder, with a token of that user."""
    file, folder, token = (
        warehouse.put("other.txt", b"other\n"),
        warehouse.folder("by-portal"),
        warehouse.token(),
    )
    with step("Starting an execution by POST /submit whose file and results are in Girder"):
        values = {
            "file": [warehouse.location(file, token, "other.txt")],
            "word": ["hello"],
            "results-directory": [warehouse.location(folder, token, "by-portal")],
        }
        id_ = vip.launch(COPIER, values)
        wait(lambda: vip.workflow(id_)[1] is not None)
    page(vip, id_)
    wait(lambda: "out.txt" in warehouse.read("by-portal"))
    files = warehouse.read("by-portal")
    tell(f"in Girder: by-portal: {files}")
    if files != {"out.txt": b"other\nhello\n"}:
        raise SystemExit(f"demo: by-portal has {files}")


def ran(house: House, script: str, place: Path) -> list[str]:
    """The executions of a script that ends by naming them; it has the key of a service account."""
    said = with_vip_client(house, script, place, key=house.keys["watcher"])
    return said.split("RAN ")[1].split()


def pages_of(vip: VipPortal, id_: str) -> None:
    """Write the row that the portal has of its executions, and print its pages when it has ended."""
    vip.write_row(id_, "copier")
    wait(lambda: vip.workflow(id_)[1] is not None)
    page(vip, id_)


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
