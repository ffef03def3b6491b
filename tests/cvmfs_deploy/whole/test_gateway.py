"""Through a gateway: leases, no templates, and a mount of the publisher that lags behind what is published.

The program is a stand-in with the switch `gateway`: see tests/services/cvmfs_server_stand_in.py.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cvmfs_deploy.site import ROOT, Site, layer, noise
from tests.services.cvmfs import NAME, Cvmfs
from tests.services.images import push
from tests.services.registry import Registry

pytestmark = pytest.mark.service


@pytest.fixture
def gateway(any_repository: Site) -> Site:
    """A repository whose upstream is a gateway, with one publication by somebody before us."""
    running = running_of(any_repository)
    for words in (["transaction"], ["publish"]):
        if words == ["publish"]:
            subprocess.run([*running.become, "mkdir", "-p", running.mount / ROOT], check=True)
        assert running.server(*words, NAME).returncode == 0
    running.switch(gateway=True, stack_traces=True)
    return any_repository


def running_of(site: Site) -> Cvmfs:
    assert site.cvmfs is not None
    return site.cvmfs


@pytest.fixture
def images(registry: Registry) -> list[str]:
    """Two images that share nearly all."""
    base = layer({"base/data": noise(100_000), "what": "x"})
    push(registry.url, "gateway/like:1", [base])
    push(registry.url, "gateway/like:2", [base, layer({"added": "x"})])
    return [f"{registry.host}/gateway/like:{number}" for number in "12"]


def another_publishes(site: Site) -> None:
    """Another publisher gives an image one more name, which this machine does not mount yet."""
    running = running_of(site)
    assert running.server("transaction", NAME).returncode == 0
    file = site.containers / ".store/index.json"
    index = json.loads(file.read_text())
    (key, name) = next(iter(index["names"].items()))
    index["names"][key.replace("like@1", "theirs@1")] = {**name, "lists": ["theirs"]}
    file.write_text(json.dumps({**index, "generation": "of another publisher"}))
    assert running.server("publish", NAME).returncode == 0


def published(site: Site) -> set[str]:
    """The names in the published revision, whatever this machine mounts."""
    repository = running_of(site).repository
    index = repository.tree(repository.revision()) / ROOT / ".store/index.json"
    return {name.rpartition("+")[2] for name in json.loads(index.read_text())["names"]}


def test_the_second_image_like_the_first_is_published_without_a_template(
    gateway: Site, images: list[str]
) -> None:
    for image in images:
        gateway.ok("add", image)
    assert published(gateway) == {"like@1", "like@2"}
    assert not any("-T" in line for line in running_of(gateway).calls())
    assert gateway.ok("verify", "--deep").code == 0
    assert "nothing to do" in gateway.ok("add", images[1]).err


def test_what_is_published_is_not_called_failed_because_the_mount_lags(
    gateway: Site, images: list[str]
) -> None:
    ran = gateway.ok("add", images[0], "--json")
    assert (ran.value["failures"], len(ran.value["published"])) == ([], 1)
    assert published(gateway) == {"like@1"}


def test_a_mount_that_cannot_be_brought_up_to_date_is_told_and_nothing_is_lost(
    gateway: Site, images: list[str]
) -> None:
    gateway.ok("add", images[0])
    another_publishes(gateway)  # as after a publication of our own, when no lease can be had
    assert "which this machine does not mount yet" in gateway.ok("status").out
    running_of(gateway).lease("vip")
    refused = gateway.run("add", images[1])
    assert (refused.code, "another lease is held there" in refused.err) == (3, True)
    running_of(gateway).repository.lease.unlink()
    gateway.ok("add", images[1])
    assert published(gateway) == {"like@1", "like@2", "theirs@1"}


def test_what_another_publisher_published_meanwhile_is_never_lost(gateway: Site, images: list[str]) -> None:
    gateway.ok("add", images[0])
    another_publishes(gateway)
    gateway.ok("add", images[1])
    assert published(gateway) == {"like@1", "like@2", "theirs@1"}


def test_a_lease_that_somebody_holds_is_waited_for(gateway: Site, images: list[str]) -> None:
    running = running_of(gateway)
    running.lease("vip/udocker")
    gateway.configure(wait="60s")
    run = gateway.start("add", images[0])
    while not any(line.startswith("transaction") for line in running.calls()):
        assert run.poll() is None, run.communicate()
    running.repository.lease.unlink()
    _, err = run.communicate()
    assert run.returncode == 0, err
    assert published(gateway) == {"like@1"}


def test_a_lease_that_is_never_free_ends_the_run(gateway: Site, images: list[str]) -> None:
    running_of(gateway).lease("vip")
    ran = gateway.run("add", images[0])
    assert (ran.code, "another lease is held there" in ran.err) == (3, True)
    assert not running_of(gateway).is_open()


def test_a_path_can_be_leased(gateway: Site, images: list[str]) -> None:
    running = running_of(gateway)
    running.switch(key="vip/udocker")
    refused = gateway.run("add", images[0])
    assert (refused.code, "cannot acquire lease" in refused.err, "Stacktrace" in refused.err) == (
        3,
        True,
        False,
    )
    assert "[0x" not in refused.err
    gateway.configure(to=f"cvmfs:{NAME}/vip/udocker")
    gateway.ok("add", images[0])
    gateway.ok("add", images[1])
    assert published(gateway) == {"like@1", "like@2"}
    assert f"transaction {NAME}/vip/udocker" in running.calls()
    gateway.ok("retire", images[0])
    gateway.ok("prune", "--grace", "0s")
    assert published(gateway) == {"like@2"}


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("elsewhere", "not below the leased path"),
        ("vip/udocker/containers/deep", "not below the leased path"),
        ("vip/../vip", "leased path has letters"),
        ("vip/$(touch x)", "leased path has letters"),
    ],
)
def test_a_path_that_cannot_hold_the_images_is_refused(
    gateway: Site, images: list[str], to: str, told: str
) -> None:
    gateway.configure(to=f"cvmfs:{NAME}/{to}")
    before = running_of(gateway).calls()
    ran = gateway.run("add", images[0])
    assert (ran.code, told in ran.err) == (2, True), ran
    assert running_of(gateway).calls() == before


def test_what_lies_outside_of_the_lease_is_refused_and_not_dropped(gateway: Site, images: list[str]) -> None:
    gateway.configure(to=f"cvmfs:{NAME}/{ROOT}")
    gateway.ok("add", images[0])
    ran = gateway.run("add", images[1], "--singularity")
    assert (ran.code != 0, "is not below the leased path" in ran.err) == (True, True), ran
    assert published(gateway) == {"like@1"}


def test_a_leased_path_that_is_not_there_is_told(any_repository: Site, images: list[str]) -> None:
    running_of(any_repository).switch(gateway=True)
    any_repository.configure(to=f"cvmfs:{NAME}/vip/udocker")
    ran = any_repository.run("add", images[0])
    assert (ran.code, "non-existing path" in ran.err, "lease a path that exists" in ran.err) == (
        3,
        True,
        True,
    )


def test_changes_that_the_gateway_drops_are_a_failure(gateway: Site, images: list[str]) -> None:
    running_of(gateway).fault("publish", "drop")
    ran = gateway.run("add", images[0])
    assert (ran.code, "is not in the published revision" in ran.err) == (3, True), ran
    gateway.ok("add", images[0])


@pytest.mark.parametrize("command", [["prune"], ["recover"]])
def test_a_tree_that_a_template_left_under_another_digest_is_removed(
    gateway: Site, images: list[str], command: list[str]
) -> None:
    """As an earlier version left it: the clone was committed at once, the publication after it failed."""
    running = running_of(gateway)
    gateway.ok("add", images[0])
    first = gateway.container(images[0]).name
    store = f"/{ROOT}/.store"
    left = "sha256-" + "0" * 64
    assert running.server("transaction", "-T", f"{store}/{first}={store}/{left}", NAME).returncode == 0
    assert running.server("publish", NAME).returncode == 1
    assert running.server("abort", "-f", NAME).returncode == 0
    assert (gateway.containers / ".store" / left).is_dir()
    assert left.replace("-", ":") in gateway.ok("prune", "--dry-run", "--json").value["removed"]
    gateway.ok(*command)
    repository = running.repository
    assert not (repository.tree(repository.revision()) / ROOT / ".store" / left).exists()
    assert published(gateway) == {"like@1"}
    assert gateway.ok("verify", "--deep").code == 0
