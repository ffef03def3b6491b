"""A tool that runs as the account of the engine cannot look into the engine's own processes."""

from __future__ import annotations

import os

import pytest

from tests.cli.desk import Desk, desk_in
from tests.services.unprivileged import Unprivileged

pytestmark = pytest.mark.whole

ABOVE = "above() { sed -n 's/^PPid:[[:space:]]*//p' /proc/$1/status; }"
LOOK = """
look() {
    for name in mem environ fd/0 maps; do
        (exec 3< /proc/$2/$name) 2>/dev/null && echo "$1: $name"
    done
    ls /proc/$2/fd > /dev/null 2>&1 && echo "$1: fd"
    ls /proc/$2/root/ > /dev/null 2>&1 && echo "$1: root"
    ls /proc/$2/cwd/ > /dev/null 2>&1 && echo "$1: cwd"
}
look itself $$
look worker $PPID
server=$(above $PPID)
look server $server
look engine $(above $server)
tr '\\0' ' ' < /proc/$server/cmdline > server
tr '\\0' ' ' < /proc/$(above $server)/cmdline > engine
"""


def test_a_tool_of_the_same_account_cannot_look_into_what_runs_it(unprivileged: Unprivileged) -> None:
    with desk_in(unprivileged.directory, become=unprivileged.command, preload=False) as desk:
        names = [
            desk.tool(f"({ABOVE}\n{LOOK}) > o.txt", outputs={"o": "o.txt", "s": "server", "e": "engine"}),
            desk.write("i.json", {}),
        ]
        unprivileged.give(desk.directory, desk.home)
        done = desk.submit(*names, "--runtime", "none")
        assert "wrapper" in done.read("outputs/server")
        assert "submit" in done.read("outputs/engine")
        looked = done.read("outputs/o.txt").splitlines()
        assert [line for line in looked if not line.startswith("itself: ")] == []
        parts = ("mem", "environ", "fd/0", "maps", "fd", "root", "cwd")
        assert looked == [f"itself: {part}" for part in parts]


@pytest.mark.skipif(os.geteuid() != 0, reason="the environment can be read by root only")
def test_what_carries_out_jobs_is_not_told_the_settings_of_the_engine(desk: Desk) -> None:
    command = f"({ABOVE}; tr '\\0' '\\n' < /proc/$(above $PPID)/environ) > o.txt"
    names = [desk.tool(command, outputs={"o": "o.txt"}), desk.write("i.json", {})]
    done = desk.submit(*names, "--runtime", "none", variables={"ENGINE_OWNER": "secret"})
    told = done.read("outputs/o.txt")
    assert "HOME=" in told
    assert "ENGINE_" not in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a /proc of its own beside an ordinary user's")
def test_where_proc_hides_what_is_closed_a_new_server_still_finds_the_work_of_an_old_one(
    unprivileged: Unprivileged,
) -> None:
    hide = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", hide, "sh"]
    with desk_in(unprivileged.directory, become=lambda words: apart + unprivileged.command(words)) as desk:
        note = "../../../../server.json"
        server = f"server=$(sed 's/.*.pid.: \\([0-9]*\\).*/\\1/' {note}); kill -9 $server"
        another = f'while grep -q "pid.: $server[,}}]" {note}; do sleep 0.1; done'
        end = f"{server}; {another}; sleep 1; echo x > o.txt"
        names = [desk.tool(end, outputs={"o": "o.txt"}), desk.write("i.json", {})]
        unprivileged.give(desk.directory, desk.home)
        done = desk.submit(*names, "--runtime", "none")
        assert done.read("outputs/o.txt") == "x\n"
        assert done.files("provenance") == ["1.1.json"]
