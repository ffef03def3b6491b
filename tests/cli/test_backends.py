"""Back-ends by configuration, from the command line: several of this machine, and the keys of before."""

from __future__ import annotations

import pytest

from tests.cli.desk import Desk, until

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")


def test_a_second_back_end_of_this_machine_runs_jobs_and_the_daemon_takes_them(desk: Desk) -> None:
    desk.write("engine.yaml", "backends:\n  small: {kind: local, slots: 1}\n")
    tool, invocation = desk.tool("echo hi > out.txt", outputs={"out": "out.txt"}), desk.write("i.json", {})
    words = ("--config", "engine.yaml")
    told = desk.ok(*words, "submit", tool, invocation, *BARE, "--backend", "small", "--json").value
    assert told["state"] == "succeeded"
    asked = (tool, invocation, *BARE, "--backend", "small", "--detach", "--json")
    later = desk.ok(*words, "submit", *asked).value
    desk.ok(*words, "serve", "--until-idle")
    assert desk.ok(*words, "status", later["id"], "--json").value["state"] == "succeeded"
    assert (desk.home / ".local/state/boutiques-engine/local-small/jobs").is_dir()
    assert not (desk.home / ".local/state/boutiques-engine/local").exists()


def test_the_keys_of_before_are_read_with_one_line_that_names_the_new_one(desk: Desk) -> None:
    desk.write("engine.yaml", "local: {slots: 1}\n")
    told = desk.ok("--config", "engine.yaml", "settings", "--json", variables={"ENGINE_LOCAL__IDLE": "7"})
    assert told.value["backends"]["local"] == {**told.value["backends"]["local"], "slots": 1, "idle": 7.0}
    late = "the next release does not read it: write"
    assert told.lines == [
        f"engine: warning: engine.yaml: local: {late} it as backends.local",
        f"engine: warning: variable ENGINE_LOCAL__IDLE: {late} ENGINE_BACKENDS__LOCAL__IDLE",
    ]


def test_a_back_end_that_no_setting_names_is_refused_with_those_there_are(desk: Desk) -> None:
    tool, invocation = desk.tool("true"), desk.write("i.json", {})
    told = desk.run("submit", tool, invocation, "--backend", "egi")
    assert (told.code, told.lines) == (2, ["engine: no back-end egi", "engine: there is local"])


def test_a_submit_to_a_back_end_that_the_daemon_lacks_says_so_and_goes_on_after_the_daemon(
    desk: Desk,
) -> None:
    desk.write("engine.yaml", "backends:\n  small: {kind: local, slots: 1}\n")
    desk.ok("list")
    daemon = desk.start("serve", "--no-http")
    until(lambda: desk.rows("lease"))
    tool, invocation = desk.tool("true"), desk.write("i.json", {})
    lacks = "the engine at work has no such back-end in its settings"
    log = desk.directory / "waiting.log"
    with log.open("w") as file:
        words = ["--config", "engine.yaml", "submit", tool, invocation, *BARE, "--backend", "small"]
        waiting = desk.start(*words, stderr=file)
    until(lambda: [one for one in desk.ok("list", "--json").values if lacks in told_of(desk, one["id"])])
    until(lambda: lacks in log.read_text())
    daemon.terminate()
    daemon.communicate()
    waiting.communicate()
    assert waiting.returncode == 0, log.read_text()


def told_of(desk: Desk, id_: str) -> str:
    return desk.ok("--config", "engine.yaml", "status", id_).out


def test_an_execution_whose_back_end_has_gone_from_the_settings_waits_and_says_so(desk: Desk) -> None:
    desk.write("engine.yaml", "backends:\n  small: {kind: local, slots: 1}\n")
    words = ("--config", "engine.yaml")
    tool = desk.tool(f"while [ ! -e {desk.directory}/go ]; do sleep 0.1; done")
    asked = (tool, desk.write("i.json", {}), *BARE, "--backend", "small")
    engine = desk.start(*words, "submit", *asked)
    running = until(lambda: [one for one in desk.ok("list", "--json").values if one["tally"].get("running")])
    engine.kill()
    engine.communicate()
    id_ = running[0]["id"]
    assert "back-end small is not in the settings" in desk.ok("status", id_).out
    desk.ok("serve", "--until-idle")  # there is nothing that it could do
    desk.write("go", "")
    desk.ok(*words, "serve", "--until-idle")
    assert desk.ok("status", id_, "--json").value["state"] == "succeeded"
