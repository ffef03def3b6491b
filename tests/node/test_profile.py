"""The login profile of an image, read by the shells that images have."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest

from wrappers.node.profile import READ

pytestmark = pytest.mark.whole

SHELLS = {"dash": ["/bin/dash"], "bash": ["/bin/bash", "--posix"], "busybox": ["/bin/busybox", "sh"]}


@pytest.fixture(params=[name for name, argv in SHELLS.items() if os.access(argv[0], os.X_OK)])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A shell, as a program."""
    program = tmp_path / "sh"
    program.write_text(f'#!/bin/sh\nexec {" ".join(SHELLS[request.param])} "$@"\n')
    program.chmod(0o755)
    return program


def read(
    shell: Path, profile: str, command: str, output: IO[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a script, after this profile; what it writes is kept, or goes to the file `output`."""
    path = shell.parent / "profile"
    path.write_text(profile)
    text = READ.replace("/etc/profile", str(path)).replace("/bin/sh", str(shell))
    script = shell.parent / "script"
    script.write_text(text + command + "\n")
    surroundings = {"PATH": "/image/bin:/usr/bin:/bin", "HOME": "/tmp"}
    return subprocess.run(
        [shell, script],
        cwd=shell.parent,
        env=surroundings,
        stdout=output or subprocess.PIPE,
        stderr=output or subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )


ENDS = {
    "exit": "exit 0",
    "failure": "exit 7",
    "set-e": "set -e; false",
    "set-u": 'set -u; echo "$nothing_of_this_name"',
    "syntax": "if then",
    "exec": "exec true",
    "kill": "kill -9 $$",
    "noexec": "set -n",
    "readonly": "readonly PATH",
}


@pytest.mark.parametrize("how", ENDS)
def test_a_profile_that_ends_the_shell_does_not_end_the_job(shell: Path, how: str) -> None:
    ran = read(
        shell, f"export MODEL='it'\"'\"'s\nhere'\ncd /\n{ENDS[how]}\n", 'pwd; false; echo "went on"; exit 3'
    )
    assert (ran.returncode, ran.stdout) == (3, f"{shell.parent}\nwent on\n"), ran.stderr
    assert str(shell.parent / "profile") in ran.stderr


@pytest.mark.parametrize("how", ["exit", "set-e", "set-u", "syntax", "readonly"])
def test_what_it_had_exported_until_then_is_there(shell: Path, how: str) -> None:
    profile = f"export MODEL='it'\"'\"'s\nhere'\nPATH=/profile/bin\n{ENDS[how]}\n"
    ran = read(shell, profile, 'echo "$MODEL"; echo "$PATH"')
    assert ran.stdout.splitlines()[:2] == ["it's", "here"], ran.stderr
    assert ran.stdout.splitlines()[2].startswith("/image/bin:")


@pytest.mark.parametrize(
    "profile",
    [
        "cd /; umask 077",
        "set -e",
        "set -u",
        "set -f",
        "set -C",
        "set -aefuC",
        "trap 'exit 9' EXIT",
        "return 5",
        "IFS=is:",
        "exec >/dev/null 2>&1 </dev/zero",
        "exec >&- 2>&-",
        "exec 3>&- 4>&1",
        "",
    ],
)
def test_a_profile_moves_nothing_and_leaves_the_shell_as_it_was(shell: Path, profile: str) -> None:
    command = 'pwd; umask; echo *script; echo x > o; echo x > o; false; echo "$unset_one"; cat; exit 4'
    ran = read(shell, "export MODEL=set\nhello() { echo hi; }\n" + profile + "\n", "hello; " + command)
    assert ran.returncode == 4, ran
    assert ran.stdout == f"hi\n{shell.parent}\n0022\nscript\n\n"
    assert ran.stderr == ""


def test_variables_functions_and_words_of_a_good_profile_are_there_once(shell: Path) -> None:
    profile = "echo welcome\nexport MODEL=a\nlocal_one=b\nPATH=/profile/bin\nexport PATH\n"
    ran = read(
        shell,
        profile,
        'echo "$MODEL $local_one $PATH"; env | /bin/grep -c engine_ ; set | /bin/grep -c ^engine_',
    )
    assert ran.stdout == "welcome\na b /image/bin:/usr/bin:/bin:/profile/bin\n0\n0\n"
    assert ran.stderr == ""


def test_a_process_that_a_profile_leaves_behind_is_not_waited_for(shell: Path) -> None:
    left = shell.parent / "left"
    profile = f"export MODEL=set\nsleep 3000 &\necho $! >> {left}\n"
    with open(shell.parent / "out", "w+") as out:
        ran = read(shell, profile, 'echo "$MODEL"', output=out)
        for process in map(int, left.read_text().split()):
            os.kill(process, signal.SIGKILL)
        out.seek(0)
        assert (ran.returncode, out.read()) == (0, "set\n")


def test_the_words_of_a_profile_on_variables_of_its_own_mean_nothing_to_the_job(shell: Path) -> None:
    ran = read(shell, "echo() { :; }\nexport MODEL=set\n", '/bin/echo "$MODEL"; exit 4')
    assert (ran.returncode, ran.stdout) == (4, "set\n")
