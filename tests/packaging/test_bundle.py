"""A bundle is installed where there is no network, by whoever trusts the key that signed it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.docs.pages import matches
from tests.packaging.bundle import SBOM, collect, name_of
from tests.packaging.lock import LOCK, ROOT, of_bundle, pythons
from tests.packaging.test_wheel import DESCRIPTOR
from tests.services import bundled
from tests.services.unprivileged import Unprivileged, ordinary_user

pytestmark = pytest.mark.service
ALONE = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--user", "--map-current-user", "--net")
"""In a network namespace without a way out."""
PAGE = ROOT / "docs" / "how-to" / "install-without-internet.md"


@dataclass(frozen=True)
class Site:
    """A machine without a network: the bundle, and the key of who made it, which came another way."""

    user: Unprivileged
    tree: Path
    signers: Path

    def run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        words = [*ALONE, *self.user.command(command)]
        # What is compiled is what is used, at its first use: all of it takes longer than all else.
        # pip takes 1 for the contrary.
        empty = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.user.directory),
            "PIP_NO_COMPILE": "0",
            **variables,
        }
        place = self.user.directory
        return subprocess.run(
            words, cwd=place, env=empty, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def install(self, *words: str | Path, script: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.run("sh", script or self.tree / "install.sh", *words)

    def copy(self, name: str) -> Path:
        """A bundle like this one, which may be changed file by file."""
        copied = self.user.directory / name
        shutil.copytree(self.tree, copied, copy_function=os.link)
        return copied


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with ordinary_user() as user:
        shutil.copy(bundled.archive(), user.directory)
        subprocess.run(["tar", "-xf", bundled.archive(), "-C", user.directory], check=True)
        (script,) = user.directory.glob("boutiques-engine-*/install.sh")
        signers = user.directory / "signers"
        signers.write_text(f"boutiques-engine {bundled.KEY.with_suffix('.pub').read_text()}")
        user.give(user.directory)
        yield Site(user, script.parent, signers)


@pytest.mark.timeout(600)  # of seconds of computing it takes few, of files it writes ten thousand
def test_what_the_page_says_installs_it_without_a_network_and_it_runs_a_job(site: Site) -> None:
    place = site.user.directory
    [typed] = re.findall(r"^```console bundle\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    lines = typed.splitlines()
    script = "\n".join(["set -e", *(line[2:] for line in lines if line.startswith("$ "))])
    done = site.run("sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    assert matches("\n".join(line for line in lines if not line.startswith("$ ")), done.stdout)
    (place / "descriptor.json").write_text(json.dumps(DESCRIPTOR))
    (place / "invocation.json").write_text('{"text": "hello"}')
    words = ("submit", "descriptor.json", "invocation.json", "--runtime", "none")
    ran = site.run(place / "engine-0.1.0" / "bin" / "engine", *words)
    assert ran.returncode == 0, ran.stderr
    (written,) = (place / "results").rglob("said.txt")
    assert written.read_text() == "hello\n"


def changed_wheel(tree: Path) -> None:
    wheel = next((tree / "wheels").glob("boutiques_engine-*"))
    content = wheel.read_bytes()
    wheel.unlink()
    wheel.write_bytes(content + b"\n")


def missing_wheel(tree: Path) -> None:
    next((tree / "wheels").glob("boutiques_engine-*")).unlink()


def changed_sums(tree: Path) -> None:
    content = (tree / "SHA256SUMS").read_text()
    (tree / "SHA256SUMS").unlink()
    (tree / "SHA256SUMS").write_text(content.replace("install.sh", "install.sh "))


def unsigned(tree: Path) -> None:
    (tree / "SHA256SUMS.sig").unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed_wheel, "was changed or is not whole"),
        (missing_wheel, "was changed or is not whole"),
        (changed_sums, "the signature is not of a key in"),
        (unsigned, "this bundle is not signed"),
    ],
)
def test_a_bundle_that_was_changed_is_not_installed(
    site: Site, change: Callable[[Path], None], reason: str
) -> None:
    tree = site.copy(change.__name__)
    change(tree)
    target = site.user.directory / "none"
    told = site.install("--signers", site.signers, target, script=tree / "install.sh")
    assert (told.returncode, target.exists()) == (1, False)
    assert reason in told.stderr


def test_a_bundle_of_somebody_else_is_not_installed(site: Site) -> None:
    other = site.user.directory / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    signers = site.user.directory / "other-signers"
    signers.write_text(f"boutiques-engine {other.with_suffix('.pub').read_text()}")
    target = site.user.directory / "none"
    told = site.install("--signers", signers, target)
    assert (told.returncode, target.exists()) == (1, False)
    assert "the signature is not of a key in" in told.stderr


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ((), 2, "where to? name a directory"),
        (("new",), 2, "who made this bundle?"),
        (("--signers", "nonesuch", "new"), 2, "nonesuch cannot be read"),
        (("--unsigned", "."), 2, "name a new directory"),
        (("--unsigned", "--python", "python2.7", "new"), 3, "of version 3.11"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(site: Site, words: Sequence[str], code: int, reason: str) -> None:
    told = site.install(*words)
    assert (told.returncode, (site.user.directory / "new").exists()) == (code, False)
    assert reason in told.stderr


@pytest.mark.timeout(600)
def test_tools_that_the_checksums_name_are_told_with_what_to_set_and_others_are_not(site: Site) -> None:
    tree = site.copy("tools-inside")
    (tree / "tools").mkdir()
    (tree / "tools" / "added.tar.gz").write_bytes(b"of somebody else")
    (tree / "tools" / "udocker.tar.gz").write_bytes(b"as made")
    named = hashlib.sha256(b"as made").hexdigest()
    sums = (tree / "SHA256SUMS").read_text() + f"{named}  tools/udocker.tar.gz\n"
    (tree / "SHA256SUMS").unlink()  # it is a link to that of the others
    (tree / "SHA256SUMS").write_text(sums)
    done = site.install("--unsigned", site.user.directory / "tooled", script=tree / "install.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"tools: /where/it/is/udocker.tar.gz\n  tools_sha256: {named}\n" in done.stdout
    assert "added" not in done.stdout
    assert all((tree / page).is_file() for page in re.findall(r"\S+\.(?:md|yaml)", done.stdout))


def test_its_sbom_is_valid_and_names_what_is_in_it(site: Site) -> None:
    text = (site.tree / SBOM).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)
    assert found["metadata"]["component"]["name"] == "boutiques-engine"
    named = {(component["name"], component["version"]) for component in found["components"]}
    wheels = {tuple(path.name.split("-")[:2]) for path in (site.tree / "wheels").iterdir()}
    assert {(name.replace("-", "_").lower(), version) for name, version in named} == {
        (name.replace(".", "_").lower(), version) for name, version in wheels if name != "boutiques_engine"
    }


def test_wheels_of_an_older_lock_are_not_kept(tmp_path: Path) -> None:
    lines = {entry.line(): None for python in pythons() for entry in of_bundle(["s3"], python)}
    place = tmp_path / name_of(LOCK.read_text()) / name_of("".join(sorted(lines)))
    for directory in (place, tmp_path / "0123456789abcdef" / "fedcba9876543210"):
        directory.mkdir(parents=True)
        (directory / "one-1.0-py3-none-any.whl").touch()
    wheels, _ = collect(["s3"], tmp_path)
    assert wheels == [place / "one-1.0-py3-none-any.whl"]
    assert [one.name for one in tmp_path.iterdir()] == [place.parent.name]


def test_the_lock_in_it_is_that_of_the_tests(site: Site) -> None:
    lines = (site.tree / "requirements.lock").read_text()
    for python in pythons():
        assert all(entry.line() in lines for entry in of_bundle(["all"], python))


@pytest.mark.parametrize(("option", "kind"), [("--key", "file"), ("--tools", "file"), ("--extras", "extra")])
def test_what_is_not_there_is_told_before_anything_is_made(option: str, kind: str) -> None:
    command = [sys.executable, "-m", "tests.packaging.bundle", option, "nonesuch"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (told.returncode, f"there is no {kind} nonesuch" in told.stderr) == (2, True)


def test_tools_that_are_no_tarball_are_refused_before_anything_is_made() -> None:
    command = [sys.executable, "-m", "tests.packaging.bundle", "--tools", "README.md"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (
        2, "bundle: TOOLS: README.md is no tarball with a proot in it\n",
    )  # fmt: skip
