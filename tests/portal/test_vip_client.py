"""The real client: vip-client from PyPI, unchanged, against the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.portal.client import with_vip_client
from tests.portal.house import House

pytestmark = pytest.mark.service


def test_a_session_uploads_launches_downloads_and_finishes(house: House, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a b.txt").write_text("one\n")
    script = """
VipSession.init(api_key=KEY, vip_portal_url=URL)
session = VipSession("whole", input_dir="in", pipeline_id="copier/1.0", output_dir="out",
                     input_settings={"file": "in/a b.txt", "word": "hello"})
session.run_session(refresh_time=1)
session.finish(timeout=60)
"""
    with_vip_client(house, script, tmp_path)
    [copy] = (tmp_path / "out").rglob("out.txt")
    assert copy.read_text() == "one\nhello\n"
    assert not house.exists("/vip/Home/API/whole")


def test_a_list_for_a_scalar_input_is_a_sweep_and_several_runs_are_several_executions(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"in/{name}.txt").write_text(f"{name}\n")
    script = """
VipSession.init(api_key=KEY, vip_portal_url=URL)
session = VipSession("sweep", input_dir="in", pipeline_id="copier/1.0", output_dir="out",
                     input_settings={"file": ["in/a.txt", "in/b.txt"], "word": ["x", "y"]})
session.run_session(nb_runs=3, refresh_time=1)
"""
    with_vip_client(house, script, tmp_path)
    copies = sorted(path.read_text() for path in (tmp_path / "out").rglob("out.txt"))
    assert copies == sorted(f"{name}\n{word}\n" for name in "ab" for word in "xy" for _ in range(3))


def test_a_session_that_was_left_is_resumed_in_another_process(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = f"""
VipLauncher.init(api_key=KEY, vip_portal_url=URL, backup_location="vip")
launcher = VipLauncher(session_name="left", pipeline_id="waiter/1.0", output_dir="/vip/Home/left",
                       input_settings={{"gate": "{gate}"}})
launcher.launch_pipeline()
"""
    with_vip_client(house, first, tmp_path)
    gate.touch()
    second = """
VipLauncher.init(api_key=KEY, vip_portal_url=URL, backup_location="vip")
launcher = VipLauncher(output_dir="/vip/Home/left")
launcher.monitor_workflows(refresh_time=1)
print([one["status"] for one in launcher.workflows.values()])
"""
    assert with_vip_client(house, second, tmp_path).splitlines()[-1] == "['Finished']"


def test_an_execution_is_killed_and_reported_as_killed(house: House, tmp_path: Path) -> None:
    script = """
import time
vip.set_vip_url(URL)
assert vip.setApiKey(KEY)
id_ = vip.init_exec("waiter/1.0", "to kill", {"gate": "/nowhere"}, "/vip/Home/killed")
assert vip.is_running(id_)
assert vip.kill_execution(id_, deleteFiles=True)
while vip.is_running(id_):
    time.sleep(0.1)
print(vip.execution_info(id_)["status"])
"""
    assert with_vip_client(house, script, tmp_path).split()[-1] == "Killed"


def test_every_call_of_its_low_level_is_answered(house: House, tmp_path: Path) -> None:
    script = """
import time
vip.set_vip_url(URL)
assert vip.setApiKey(KEY)
assert vip.create_dir("/vip/Home/low")
assert not vip.exists("/vip/Home/low/x.txt")
open("x.txt", "w").write("content")
assert vip.upload("x.txt", "/vip/Home/low/x.txt")
assert vip.exists("/vip/Home/low/x.txt") and not vip.is_dir("/vip/Home/low/x.txt")
assert [one["path"] for one in vip.list_elements("/vip/Home/low")] == ["/vip/Home/low/x.txt"]
assert vip.get_path_properties("/vip/Home/low/x.txt")["size"] == 7
id_ = vip.init_exec("copier/1.0", "low", {"file": "/vip/Home/low/x.txt", "word": "w"}, "/vip/Home/low")
while vip.is_running(id_):
    time.sleep(0.1)
assert vip.get_exec_stdout(id_) == "printed\\n", vip.get_exec_stdout(id_)
assert vip.get_exec_stderr(id_) == "wrong\\n"
[result] = vip.get_exec_results(id_)
assert vip.download(result["path"], "back.txt")
assert open("back.txt").read() == "contentw\\n"
assert id_ in [one["identifier"] for one in vip.list_executions()]
assert int(vip.count_executions()) > 0
assert vip.list_examples() == []
assert vip.pipeline_def("copier/1.0")["parameters"]
assert "copier/1.0" in [one["identifier"] for one in vip.list_pipeline()]
assert vip.platform_info()["supportedAPIVersion"] == "0.3"
assert vip.delete_path("/vip/Home/low/x.txt")
assert not vip.exists("/vip/Home/low/x.txt")
"""
    with_vip_client(house, script, tmp_path)


def test_a_tarball_among_the_results_is_unpacked_by_the_client(house: House, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("deep")
    script = """
VipSession.init(api_key=KEY, vip_portal_url=URL)
session = VipSession("packed", input_dir="in", pipeline_id="packer/1.0", output_dir="out",
                     input_settings={"file": "in/a.txt"})
session.run_session(refresh_time=1)
"""
    with_vip_client(house, script, tmp_path)
    [inside] = (tmp_path / "out").rglob("out.tgz/a.txt")
    assert inside.read_text() == "deep"


def test_a_wrong_key_and_a_pipeline_that_is_not_there_are_told_at_once(house: House, tmp_path: Path) -> None:
    script = """
vip.set_vip_url(URL)
try:
    vip.setApiKey("wrong")
except RuntimeError as error:
    assert "8002" in str(error), error
else:
    raise AssertionError
vip.setApiKey(KEY)
for pipeline in ("none/1.0", "noslash"):
    try:
        vip.init_exec(pipeline, "x", {}, "/vip/Home")
    except RuntimeError as error:
        print(error)
    else:
        raise AssertionError
"""
    told = with_vip_client(house, script, tmp_path)
    assert "8007" in told
    assert "8005" in told
