"""What every runtime that runs a tool in an unpacked image promises, as root and as an ordinary user."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtimes.conftest import USERS
from tests.runtimes.podman import podman_for
from tests.runtimes.worker import Result, Worker
from tests.services.registry import Registry
from wrappers import wire

pytestmark = pytest.mark.service

Run = Callable[..., Result]


CASES = [(runtime, user) for user in USERS for runtime in ("userns", "udocker")] + [("podman", "nobody")]
"""Podman without root: with it, it needs capabilities of the machine that tests may lack."""


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A runtime, and an account that uses it."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def runtime(case: tuple[str, str]) -> str:
    return case[0]


@pytest.fixture(scope="module")
def with_podman(workers: dict[str, Worker], registry: Registry) -> Iterator[Worker]:
    """The ordinary user, with podman set up."""
    with podman_for(workers["nobody"], registry):
        yield workers["nobody"]


@pytest.fixture
def account(case: tuple[str, str], workers: dict[str, Worker], request: pytest.FixtureRequest) -> Worker:
    found = request.getfixturevalue("with_podman") if case[0] == "podman" else workers[case[1]]
    assert isinstance(found, Worker)
    return found


@pytest.fixture
def run(runtime: str, account: Worker, busybox: wire.Image) -> Run:
    """Run a command in the small image."""

    def run(command: str, image: wire.Image = busybox, **options: Any) -> Result:
        result = account.run(image, command, runtimes=[runtime], **options)
        assert "error" not in result.told, result.told
        assert result.used.name == runtime
        return result

    return run


@pytest.mark.parametrize("code", [0, 1, 2, 7, 125, 126, 127, 255])
def test_the_exit_code_is_the_tools(run: Run, code: int) -> None:
    result = run(f"exit {code}")
    assert (result.code, result.told["started"]) == (code, True)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGINT]
)
def test_death_by_a_signal_is_told_as_such(run: Run, number: signal.Signals) -> None:
    assert ended_by(run(f"kill -{number.value} $$"), number)


def test_a_code_that_looks_like_a_signal_stays_a_code(run: Run) -> None:
    assert run("exit 137").code == 137


def test_a_signal_to_a_child_of_the_tool_is_the_tools_affair(run: Run) -> None:
    assert run("sh -c 'kill -9 $$'; exit 255").code == 255


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_by_a_signal_after_other_processes_is_told_as_such(run: Run, number: signal.Signals) -> None:
    assert ended_by(run(f"x=$(exit 5); /bin/true; kill -{number.value} $$"), number)


def test_the_exit_code_is_not_that_of_a_process_that_ends_later(run: Run) -> None:
    assert run('sh -c "sleep 0.3; exit 5" & exit 4').code == 4
    assert ended_by(run('sh -c "sleep 0.3; exit 0" & kill -9 $$'), signal.SIGKILL)


def test_the_tool_is_offered_to_the_oom_killer_before_the_wrapper(run: Run) -> None:
    assert run("sleep 0.2; cat /proc/self/oom_score_adj").out == "500\n"


def test_what_runs_the_tool_does_not_count_as_its_memory(run: Run) -> None:
    hog = "x=$(head -c 12000000 /dev/zero | tr '\\0' x); sleep 1; echo ${#x}"
    result = run(hog, limits=wire.Limits(memory=32 << 20))
    assert (result.out, result.told["stopped"]) == ("12000000\n", ""), result.told


def test_a_tool_that_outgrows_its_memory_is_ended(run: Run) -> None:
    greedy = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); sleep 60; echo ${#x}"
    told = run(greedy, limits=wire.Limits(memory=32 << 20)).told
    assert (told["stopped"], "of memory; 32 MiB are allowed" in told["why"]) == (wire.LIMIT, True), told


def test_output_and_errors_come_out_apart_and_unchanged(run: Run) -> None:
    result = run("printf 'Größe \\377 λ\\n'; echo trouble >&2")
    assert (result.place / "out").read_bytes() == "Größe ".encode() + b"\xff" + " λ\n".encode()
    assert result.err == "trouble\n"


def test_the_tool_starts_where_its_inputs_are(run: Run) -> None:
    result = run("pwd; cat 'an input.txt'; echo made > output", inputs={"an input.txt": b"data\n"})
    assert result.out == f"{result.job}\ndata\n"
    assert (result.job / "output").read_text() == "made\n"


def test_results_belong_to_the_caller(run: Run, account: Worker) -> None:
    result = run("id -u; echo made > output; mkdir directory")
    assert result.out == "0\n"
    assert {(result.job / name).stat().st_uid for name in ("output", "directory")} == {account.uid}


def test_files_can_be_given_to_others_as_root_expects(run: Run, runtime: str) -> None:
    command = "echo x > f; chown 1000:1000 f && tar cf t f && rm f && tar xf t && chown -h 12:13 t && cat f"
    # Podman needs sub-ids of the account for it.
    assert run(command).out == ("" if runtime == "podman" else "x\n")


def test_arguments_with_spaces_and_quotes_arrive_whole(run: Run) -> None:
    assert run("""printf '[%s]' 'a b' "it's" '$HOME' '*'""").out == "[a b][it's][$HOME][*]"


def test_the_root_accepts_writes_and_forgets_them(run: Run) -> None:
    write = "echo kept > /usr/new; mkdir -p /opt/tool/cache; echo x >> /etc/passwd; cat /usr/new"
    assert run(write).out == "kept\n"
    assert run("ls -d /usr/new /opt; grep -c x$ /etc/passwd").out == "0\n"


def test_a_hostile_tool_does_not_change_the_cached_image(
    run: Run, account: Worker, busybox: wire.Image
) -> None:
    run("true")
    tree = account.cache / "ready" / busybox.digest.replace(":", "-")
    before = snapshot(tree)
    run("rm -rf /usr /etc /root; chmod -R 777 /var /bin; : > /bin/busybox")
    assert snapshot(tree) == before


def test_a_hostile_tool_does_not_change_the_host(run: Run) -> None:
    # only what would do no harm if it succeeded, should a runtime be broken
    places = ("/dev/full", "/proc/stat", "/sys/power", "/etc/hosts", "/etc/resolv.conf")
    before = {path: os.lstat(path).st_mode for path in places}
    run(
        "for at in /dev /proc /sys; do mount -o remount,rw $at; done 2>/dev/null; touch /etc/hosts; "
        "chmod 646 /etc/hosts /etc/resolv.conf; chmod 646 /dev/full /proc/stat; chmod 757 /sys/power; :"
    )
    assert before == {path: os.lstat(path).st_mode for path in places}


def snapshot(tree: Path) -> list[tuple[str, int, int, float]]:
    found = []
    for directory, directories, files in os.walk(tree):
        for name in [".", *directories, *files]:
            about = os.lstat(os.path.join(directory, name))
            found.append((os.path.join(directory, name), about.st_mode, about.st_size, about.st_mtime))
    return sorted(found)


def test_tmp_is_private_and_one_for_both_names(run: Run) -> None:
    name = f"engine-test-{os.getpid()}"
    result = run(f"echo x > /tmp/{name}; cat /var/tmp/{name}; ls -A /tmp")
    assert result.out.splitlines()[0] == "x"
    assert (result.place / "tmp" / name).exists()
    assert not Path("/tmp", name).exists()


def test_home_is_set_and_writable(run: Run) -> None:
    result = run('echo $HOME; echo x > "$HOME/dotfile" && echo written')
    assert result.out == f"{result.job}\nwritten\n"


def test_the_environment_is_the_images_and_the_manifests_and_nothing_of_the_host(
    run: Run, runtime: str
) -> None:
    strange = {"MODEL": "a b  c\nd'\"$x", "LANG": "fr_FR.UTF-8"}
    result = run("env; printf '<%s>' \"$MODEL\"", environment=strange)
    assert result.out.endswith("<a b  c\nd'\"$x>")
    assert "HOST_SECRET" not in result.out
    names = {line.partition("=")[0] for line in result.out.splitlines() if "=" in line}
    assert names - {"_", "SHLVL", "OLDPWD", *(["HOSTNAME"] if runtime == "podman" else [])} == {
        "PATH",
        "HOME",
        "LANG",
        "MODEL",
        "PWD",
    }
    assert "LANG=fr_FR.UTF-8\n" in result.out


def test_images_without_a_group_file_run(run: Run, groupless: wire.Image) -> None:
    assert run("id; cat /etc/group", image=groupless).out.startswith("uid=0(root) gid=0(")


def test_another_working_directory_is_made(run: Run) -> None:
    assert run("pwd; echo x > here && echo written", workdir="/data/work").out == "/data/work\nwritten\n"


def test_the_entry_point_runs_only_when_asked_for(run: Run, registry: Any) -> None:
    from tests.runtimes.conftest import pinned
    from tests.services.images import busybox_layer, push

    config = {"Entrypoint": ["/bin/env", "FROM_ENTRYPOINT=yes"], "Env": ["PATH=/bin", "OF_IMAGE=1"]}
    push(registry.url, "vip/entry:1", [busybox_layer()], config=config)
    image = pinned(f"{registry.host}/vip/entry:1")
    command = "echo $OF_IMAGE $FROM_ENTRYPOINT"
    assert run(command, image=image).out == "1\n"
    assert run(command, image=image, entrypoint=True).out == "1 yes\n"


def test_a_shell_that_the_image_lacks_is_the_images_fault(
    runtime: str, account: Worker, busybox: wire.Image
) -> None:
    told = account.run(busybox, "true", runtimes=[runtime], shell="/bin/bash").told
    if (
        runtime == "podman"
    ):  # which says so when it starts the tool: `wrappers.runtimes.start` reads the cause
        assert not told["started"]
        return
    assert told["error"] == "ImageError"
    assert "/bin/bash" in told["message"]


def test_device_files_work(run: Run) -> None:
    result = run("echo x > /dev/null; head -c 4 /dev/zero | wc -c; test -c /dev/urandom && echo there")
    assert result.out.split() == ["4", "there"]


def test_a_real_imaging_tool_runs(run: Run, dcm2niix: wire.Image) -> None:
    result = run("dcm2niix -h | head -n 1; stat -c %F /usr/bin/dcm2niix", image=dcm2niix)
    assert "dcm2niiX version" in result.out


@pytest.mark.parametrize("how", ["the wrapper alone", "its whole group"])
def test_when_the_wrapper_is_killed_nothing_goes_on(
    runtime: str, account: Worker, busybox: wire.Image, how: str
) -> None:
    mark = f"{31000 + time.monotonic_ns() % 100000}"
    command = f"sleep {mark} & (setsid sleep {mark} &) ; echo up > up; sleep {mark}"
    place, wrapper = account.start(busybox, command, runtimes=[runtime])
    wait_until(lambda: (place / "job" / "up").exists())
    wait_until(lambda: len(sleepers(mark)) == 3)
    if how == "the wrapper alone":
        wrapper.kill()
    else:
        os.killpg(wrapper.pid, signal.SIGKILL)
    wrapper.communicate()
    expected = 0
    if runtime == "udocker":
        # Without a PID namespace a daemon that left the group survives the sudden death of the wrapper.
        expected = 1
    try:
        wait_until(lambda: len(sleepers(mark)) <= expected)
    finally:
        for pid in sleepers(mark):
            os.kill(pid, signal.SIGKILL)


def test_the_end_of_the_tool_ends_its_daemons(runtime: str, account: Worker, busybox: wire.Image) -> None:
    # Not for udocker here: Debian's proot lacks --kill-on-exit and waits for daemons; udocker's own has it.
    seen = "userns" if runtime == "udocker" else runtime
    mark = f"{42000 + time.monotonic_ns() % 100000}"
    assert account.run(busybox, f"(setsid sleep {mark} &); exit 0", runtimes=[seen]).code == 0
    assert sleepers(mark) == []


def test_a_wish_to_stop_reaches_the_tool(runtime: str, account: Worker, busybox: wire.Image) -> None:
    command = "trap 'echo stopped > stopped; exit 3' TERM; echo up > up; while :; do sleep 0.1; done"
    place, wrapper = account.start(busybox, command, runtimes=[runtime])
    wait_until(lambda: (place / "job" / "up").exists())
    wrapper.terminate()
    _, err = wrapper.communicate()
    assert wrapper.returncode == 0, err
    assert (place / "job" / "stopped").exists()


def ended_by(result: Result, number: signal.Signals) -> bool:
    """Podman gives a code for a signal."""
    if result.used.name == "podman":
        return result.code == 128 + number
    return result.signal == number


def sleepers(mark: str) -> list[int]:
    listing = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 1) for line in listing.splitlines()]
    return [int(pid) for pid, args in lines if args.split()[:2] == ["sleep", mark]]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
