"""Back-ends by configuration, from the command line: several of this machine, and the keys of before."""

from __future__ import annotations

from tests.cli.desk import Desk

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
    assert (desk.home / ".local/state/grid-engine/local-small/jobs").is_dir()
    assert not (desk.home / ".local/state/grid-engine/local").exists()


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
