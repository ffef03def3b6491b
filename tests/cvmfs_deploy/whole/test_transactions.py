"""Transactions of `cvmfs_server`: few, proved by what was published, and nobody else's is touched.

The program is a stand-in: see tests/services/cvmfs_server_stand_in.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from cvmfs_deploy.publish.server import TOKEN, RepositoryServer
from cvmfs_deploy.settings import CvmfsSection
from tests.cvmfs_deploy.site import Site, layer, noise
from tests.services.cvmfs import NAME, Cvmfs
from tests.services.images import push
from tests.services.registry import Registry

pytestmark = pytest.mark.service


@pytest.fixture
def image(registry: Registry) -> str:
    push(registry.url, "transactions/one:1", [layer({"what": "x", "data": noise(5000)})])
    return f"{registry.host}/transactions/one:1"


def names(site: Site) -> list[str]:
    return [name for name in os.listdir(site.containers) if not name.startswith(".")]


def test_an_image_like_a_published_one_is_cloned_from_it(repository: Site, registry: Registry) -> None:
    base = layer({"base/data": noise(100_000), "base/other": "same", "gone": "x", "kind/x": "a directory"})
    changed = layer({"base/other": "new", ".wh.gone": "", ".wh.kind": "", "added": "x"})
    turned = layer({"kind": "now a file"})
    push(registry.url, "transactions/base:1", [base])
    push(registry.url, "transactions/base:2", [base, changed, turned])
    one, two = (f"{registry.host}/transactions/base:{number}" for number in "12")
    repository.ok("add", one)
    repository.ok("add", two)
    assert repository.cvmfs is not None
    opened = [line.split() for line in repository.cvmfs.calls() if line.startswith("transaction")]
    (option, template) = opened[1][1:3]
    first, second = (repository.container(name).name for name in (one, two))
    store = f"/{repository.container(one).parent.relative_to(repository.top)}"
    assert (option, template) == ("-T", f"{store}/{first}={store}/{second}")
    root = repository.container(two) / "ROOT"
    assert (root / "base/other").read_text() == "new"
    assert (root / "kind").read_text() == "now a file"
    assert (root / "added").exists()
    assert not (root / "gone").exists()
    assert (repository.container(one) / "ROOT/gone").exists()
    assert repository.ok("verify", "--deep").code == 0


def test_an_image_that_shares_little_is_not_cloned(repository: Site, registry: Registry) -> None:
    for number in "12":
        own = [layer({"same": "x"}), layer({"data": noise(50_000, int(number))})]
        push(registry.url, f"transactions/apart:{number}", own)
        repository.ok("add", f"{registry.host}/transactions/apart:{number}")
    assert repository.cvmfs is not None
    assert not any("-T" in line for line in repository.cvmfs.calls())


def test_batches_are_no_larger_than_they_may_be(repository: Site, registry: Registry) -> None:
    images = []
    for number in range(4):
        push(registry.url, f"transactions/batch:{number}", [layer({"data": noise(50_000, number)})])
        images.append(f"{registry.host}/transactions/batch:{number}")
    repository.configure(batch_size="110k")
    repository.ok("sync", repository.wishes(*images))
    assert repository.transactions() == 2
    assert len(names(repository)) == 4


def test_a_transaction_of_somebody_else_is_never_given_up(repository: Site, cvmfs: Cvmfs, image: str) -> None:
    assert cvmfs.server("transaction", NAME).returncode == 0
    (cvmfs.mount / "precious").write_text("hours of work")
    ran = repository.run("add", image)
    assert (ran.code, "somebody else has a transaction open" in ran.err) == (3, True)
    assert repository.run("recover").code == 3
    assert "of somebody else" in repository.ok("status").out
    assert (cvmfs.mount / "precious").exists()
    assert not any(line.startswith("abort") for line in cvmfs.calls())
    assert cvmfs.server("publish", NAME).returncode == 0
    repository.ok("add", image)
    assert (cvmfs.mount / "precious").read_text() == "hours of work"


def test_it_is_given_up_when_that_is_asked_for(repository: Site, cvmfs: Cvmfs, image: str) -> None:
    cvmfs.server("transaction", NAME)
    (cvmfs.mount / "precious").write_text("x")
    done = repository.ok("recover", "--force", "--json").value["done"]
    assert done == ["gave up a transaction that was not ours"]
    assert not cvmfs.is_open()
    repository.ok("add", image)


def test_a_run_waits_for_somebody_else(repository: Site, cvmfs: Cvmfs, image: str) -> None:
    repository.configure(wait="60s")
    cvmfs.server("transaction", NAME)
    run = repository.start("add", image)
    time.sleep(2)
    assert run.poll() is None
    assert cvmfs.server("publish", NAME).returncode == 0
    assert run.communicate()[1]
    assert run.returncode == 0


def test_somebody_who_is_quicker_is_left_alone(repository: Site, cvmfs: Cvmfs, image: str) -> None:
    cvmfs.fault(
        "transaction",
        "start",
        code=17,
        err="CernVM-FS transaction error: another transaction is already open",
    )
    ran = repository.run("add", image)
    assert (ran.code, "another transaction is open" in ran.err) == (3, True)
    assert not any(line.startswith("abort") for line in cvmfs.calls())
    repository.ok("add", image)


@pytest.mark.parametrize(
    ("command", "at", "what", "told"),
    [
        ("transaction", "start", {"code": 5, "err": "cannot load whitelist [expired whitelist]"}, "resign"),
        ("transaction", "start", {"code": 1, "err": "Permission error: No write permission"}, "owner"),
        ("transaction", "end", {"code": 1, "err": "cannot establish writable mountpoint"}, "mountpoint"),
        ("publish", "start", {"code": 1, "err": "block upload failed (code: 28)"}, "make room"),
        ("publish", "copied", {"code": 1, "out": "Synchronization failed"}, "Synchronization failed"),
    ],
)
def test_a_command_that_fails_leaves_the_repository_as_it_was(
    repository: Site, cvmfs: Cvmfs, image: str, command: str, at: str, what: dict[str, object], told: str
) -> None:
    cvmfs.fault(command, at, **what)
    ran = repository.run("add", image)
    assert (ran.code, told in ran.err) == (3, True), ran
    assert names(repository) == [] if repository.containers.exists() else True
    assert not cvmfs.is_open()
    assert cvmfs.repository.revision() == 1
    repository.ok("add", image)
    assert cvmfs.repository.revision() == 2


def test_a_failure_after_the_new_revision_was_published_is_none(
    repository: Site, cvmfs: Cvmfs, image: str
) -> None:
    cvmfs.fault("publish", "remount")  # exit code 32, as the real program
    ran = repository.ok("add", image)
    assert "had trouble afterwards" in ran.err
    assert (cvmfs.repository.revision(), cvmfs.is_open()) == (2, False)
    assert len(names(repository)) == 1


def test_a_success_that_published_nothing_of_ours_is_a_failure(
    repository: Site, cvmfs: Cvmfs, image: str
) -> None:
    cvmfs.fault("publish", "drop")  # as through a gateway, outside of the lease
    ran = repository.run("add", image)
    assert (ran.code, "is not in the published revision" in ran.err) == (3, True)
    repository.ok("add", image)


def test_one_image_that_is_refused_does_not_keep_the_others_of_its_batch(
    repository: Site, cvmfs: Cvmfs, registry: Registry, image: str
) -> None:
    push(registry.url, "transactions/large:1", [layer({"data": noise(80_000, 9)})])
    (cvmfs.top / "limits.json").write_text(json.dumps({"file": 60_000}))
    large = f"{registry.host}/transactions/large:1"
    ran = repository.run("sync", repository.wishes(large, image), "--json")
    assert ran.code == 1
    assert [one["reference"] for one in ran.value["published"]] == [image]
    assert "is larger than" in ran.value["failures"][0]["reason"]
    assert len(names(repository)) == 1


@pytest.mark.parametrize(
    ("command", "at"),
    [
        ("transaction", "start"),
        ("transaction", "flag"),
        ("transaction", "end"),
        ("publish", "start"),
        ("publish", "copied"),
        ("publish", "committed"),
    ],
)
def test_a_server_command_that_is_killed_is_mended(
    repository: Site, cvmfs: Cvmfs, image: str, command: str, at: str
) -> None:
    cvmfs.fault(command, at, die=True)
    first = repository.run("add", image)
    assert first.code in (0, 3)
    repository.ok("add", image)
    assert len(names(repository)) == 1
    assert not cvmfs.is_open()
    assert repository.ok("verify", "--deep").code == 0


def test_a_command_that_hangs_is_ended(repository: Site, cvmfs: Cvmfs, image: str) -> None:
    repository.configure(cvmfs={"timeout": "1s"})
    cvmfs.fault("publish", "start", sleep=600)
    ran = repository.run("add", image)
    assert (ran.code, "it took more than 1 s" in ran.err) == (3, True)
    assert not cvmfs.is_open()


def test_the_command_of_a_killed_run_is_waited_for(repository: Site, cvmfs: Cvmfs, image: str) -> None:
    repository.configure(wait="60s")
    cvmfs.fault("publish", "start", sleep=3)
    run = repository.start("add", image)
    while not any(line.startswith("publish") for line in cvmfs.calls()):
        time.sleep(0.05)
    run.kill()
    run.communicate()
    ran = repository.ok("add", image)
    assert "nothing to do" in ran.err  # what the first run began was finished without it
    assert len(names(repository)) == 1


def test_a_command_that_was_interrupted_at_its_start_is_ended(repository: Site, cvmfs: Cvmfs) -> None:
    server = RepositoryServer(CvmfsSection(**cvmfs.settings), NAME, repository.home / "output")
    commands = [
        subprocess.Popen(["sleep", "600"], env={**os.environ, TOKEN: token}) for token in ("ours", "theirs")
    ]
    try:
        server.end("ours")
        commands[0].wait(120)
        assert server.at_work("theirs")
    finally:
        for command in commands:
            command.kill()
            command.wait()


def test_a_web_server_that_is_down_is_told_before_anything_is_opened(
    repository: Site, cvmfs: Cvmfs, image: str
) -> None:
    cvmfs.http.shutdown()
    cvmfs.http.server_close()
    ran = repository.run("add", image)
    assert (ran.code, "see to its web server" in ran.err) == (3, True)
    assert cvmfs.calls() == []


def test_a_program_that_is_not_installed_is_told(repository: Site, image: str) -> None:
    repository.configure(cvmfs={"program": "cvmfs_server_that_is_not_there"})
    ran = repository.run("add", image)
    assert (ran.code, "install cvmfs-server" in ran.err) == (3, True)


def test_a_run_from_inside_of_the_repository_is_fine(repository: Site, cvmfs: Cvmfs, image: str) -> None:
    assert repository.run("add", image, cwd=cvmfs.mount).code == 0


def test_a_program_that_works_in_the_repository_is_told(
    repository: Site, cvmfs: Cvmfs, image: str, registry: Registry
) -> None:
    reader = subprocess.Popen(["sleep", "60"], cwd=cvmfs.mount)
    try:
        ran = repository.run("add", image)
    finally:
        reader.kill()
        reader.wait()
    assert (ran.code, "end the programs that work below" in ran.err) == (3, True)
    assert not cvmfs.is_open()


def test_catalogs_stand_where_they_are_wanted(repository: Site, registry: Registry) -> None:
    files = {f"big/{number}": "" for number in range(1500)} | {f"small/{number}": "" for number in range(10)}
    push(registry.url, "transactions/catalogs:1", [layer(files)])
    image = f"{registry.host}/transactions/catalogs:1"
    repository.configure(cvmfs={"catalog_entries": 1000})
    repository.ok("add", image)
    container = repository.container(image)
    markers = sorted(str(path.relative_to(container)) for path in container.rglob(".cvmfscatalog"))
    assert markers == [".cvmfscatalog", "ROOT/big/.cvmfscatalog"]
    assert (repository.containers / ".cvmfscatalog").is_file()


def test_a_directory_has_no_catalogs(directory: Site, image: str) -> None:
    directory.ok("add", image)
    assert list(directory.top.rglob(".cvmfscatalog")) == []


# What is known of the real program: the rows of the stand-in that the publisher relies on.


def test_the_stand_in_ends_as_the_real_program_does(cvmfs: Cvmfs) -> None:
    assert cvmfs.server("publish", NAME).returncode == 1
    assert "is not in a transaction" in cvmfs.server("publish", NAME).stdout
    assert cvmfs.server("abort", "-f", NAME).returncode == 22
    assert cvmfs.server("transaction", "nosuch").returncode == 1
    assert cvmfs.server("transaction", NAME).returncode == 0
    assert cvmfs.server("transaction", NAME).returncode == 17
    (cvmfs.mount / "dropped").write_text("x")
    assert cvmfs.server("abort", NAME).returncode == 0  # silence is yes
    assert not (cvmfs.mount / "dropped").exists()
    cvmfs.server("transaction", NAME)
    (cvmfs.mount / "a").mkdir()
    (cvmfs.mount / "a/kept").write_text("x")
    assert cvmfs.server("publish", NAME).returncode == 0
    assert cvmfs.repository.revision() == 2
    assert cvmfs.server("transaction", "-T", "/nosuch=/b", NAME).returncode == 22
    assert cvmfs.server("transaction", "-T", "/a=/a", NAME).returncode == 22
    assert cvmfs.server("transaction", "-T", "/a=/new/deep/b", NAME).returncode == 22
    assert cvmfs.server("transaction", "-T", "/a=/b", NAME).returncode == 0
    assert (cvmfs.mount / "b/kept").read_text() == "x"
    (cvmfs.mount / "b/kept").write_text("changed")
    assert (cvmfs.mount / "a/kept").read_text() == "x"
    (cvmfs.mount / ".cvmfscatalog").mkdir()
    assert "is not a regular file" in cvmfs.server("publish", NAME).stderr
    assert cvmfs.is_open()
    assert cvmfs.server("abort", "-f", NAME).returncode == 0
    assert not (cvmfs.mount / "b").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the stand-in has no overlay")
def test_the_transaction_of_the_stand_in_is_a_real_overlay(cvmfs: Cvmfs) -> None:
    assert f"overlay {cvmfs.mount} overlay ro" in Path("/proc/mounts").read_text().replace(
        f"overlay_{NAME}", "overlay"
    )
    with pytest.raises(OSError, match="Read-only"):
        (cvmfs.mount / "x").touch()
    cvmfs.server("transaction", NAME)
    (cvmfs.mount / "x").touch()
    assert (cvmfs.repository.upper / "x").exists()
