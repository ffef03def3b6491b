"""A repository follows its wish-lists: only what changed, whatever fails."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cvmfs_deploy.site import Site, layer
from tests.services.faults import Faults
from tests.services.images import push
from tests.services.registry import Registry

pytestmark = pytest.mark.service


def image(registry: Registry | Faults, name: str, content: str = "x") -> str:
    push(registry.url, name, [layer({"what": content})])
    return f"{registry.host}/{name}"


def tags(site: Site) -> list[str]:
    return sorted(name.rpartition("@")[2] for name in os.listdir(site.containers) if not name.startswith("."))


def test_a_second_sync_does_nothing_and_opens_no_transaction(site: Site, registry: Registry) -> None:
    wishes = site.wishes(*(image(registry, f"sync/{name}:1", name) for name in "abc"))
    first = site.ok("sync", wishes, "--json").value
    assert (len(first["published"]), first["publications"]) == (3, 1)
    before = site.seen()
    second = site.ok("sync", wishes, "--json").value
    assert (second["published"], second["publications"], second["received"]) == ([], 0, 0)
    assert site.seen() == before
    if site.cvmfs:
        assert site.transactions() == 1


def test_only_what_changed_is_published(site: Site, registry: Registry) -> None:
    names = [image(registry, f"sync/{name}:1", "same") for name in ("still", "moves")]
    wishes = site.wishes(*names)
    site.ok("sync", wishes)
    image(registry, "sync/moves:1", "other")
    done = site.ok("sync", wishes, "--json").value
    assert [one["reference"] for one in done["published"]] == [names[1]]


def test_what_a_list_names_no_more_is_retired(site: Site, registry: Registry) -> None:
    one, other = image(registry, "sync/stays:1", "1"), image(registry, "sync/goes:1", "2")
    site.ok("sync", site.wishes(one, other))
    done = site.ok("sync", site.wishes(one), "--json").value
    assert len(done["retired"]) == 1
    assert [name["reference"] for name in site.index["names"].values()] == [one]
    assert len(site.index["images"]) == 2  # for its grace time
    site.ok("sync", site.wishes(one, grace="0s"), "--prune")
    site.ok("prune", "--grace", "0s")
    assert len(site.index["images"]) == 1


def test_an_image_stays_as_long_as_any_list_or_hand_names_it(site: Site, registry: Registry) -> None:
    one, other = image(registry, "sync/two-lists:1", "1"), image(registry, "sync/by-hand:1", "2")
    third = image(registry, "sync/third:1", "3")
    site.ok("sync", site.wishes(one, other))
    site.ok("sync", site.wishes(one, name="weekly"))
    site.ok("add", other)
    site.ok("sync", site.wishes(third))
    assert len(site.index["names"]) == 3
    site.ok("sync", site.wishes(third, name="weekly"))
    assert sorted(name["reference"] for name in site.index["names"].values()) == sorted([other, third])


def test_a_quiet_run_says_only_what_went_wrong(directory: Site, registry: Registry) -> None:
    log = directory.home / "deploy.log"
    directory.configure(log=str(log))
    good = image(registry, "sync/quiet:1")
    for words in (["sync", directory.wishes(good)], ["sync", directory.wishes(good), "--prune"], ["prune"]):
        ran = directory.ok("--quiet", *words)
        assert (ran.out, ran.err) == ("", "")
    assert "image published" in log.read_text()
    ran = directory.run("--quiet", "sync", directory.wishes(good, f"{registry.host}/sync/nowhere:1"))
    assert ran.code == 1
    assert "sync/nowhere:1 does not exist" in ran.err


def test_a_pattern_takes_the_newest_tags_and_follows_them(site: Site, registry: Registry) -> None:
    name = "sync/pattern-" + ("a" if site.cvmfs else "b")
    for tag in ("1.2", "1.9", "1.10", "1.11-rc1", "2.0", "latest"):
        image(registry, f"{name}:{tag}", tag)
    wish = {"image": f"{registry.host}/{name}:1.*", "newest": 2, "exclude": ["*-rc*"]}
    site.ok("sync", site.wishes(wish))
    assert tags(site) == ["1.10", "1.9"]
    image(registry, f"{name}:1.12", "new")
    site.ok("sync", site.wishes(wish))
    assert tags(site) == ["1.10", "1.12"]


def test_a_pattern_without_any_tag_is_a_failure(directory: Site, registry: Registry) -> None:
    image(registry, "sync/nothing:1", "1")
    ran = directory.run("sync", directory.wishes(f"{registry.host}/sync/nothing:9.*"))
    assert (ran.code, "no tag in the registry fits" in ran.err) == (2, True)


def test_an_image_is_taken_by_its_digest(site: Site, registry: Registry) -> None:
    digest = push(registry.url, "sync/pinned:1", [layer({"what": "pinned"})])
    site.ok("sync", site.wishes(f"{registry.host}/sync/pinned@{digest}"))
    assert tags(site) == [digest.replace(":", "-")]
    assert site.container(f"{registry.host}/sync/pinned@{digest}").name == digest.replace(":", "-")


def test_the_registry_of_a_list_is_that_of_names_without_one(directory: Site, registry: Registry) -> None:
    image(registry, "sync/plain:1")
    directory.ok("sync", directory.wishes("sync/plain:1", registry=registry.host))
    assert directory.container(f"{registry.host}/sync/plain:1").is_dir()


def test_one_image_that_fails_does_not_keep_the_others(site: Site, registry: Registry) -> None:
    good = image(registry, "sync/good:1")
    ran = site.run("sync", site.wishes(good, f"{registry.host}/sync/unknown:1"), "--json")
    assert ran.code == 1
    assert [one["exit_code"] for one in ran.value["failures"]] == [2]
    assert site.container(good).is_dir()


def test_a_registry_that_is_down_retires_nothing(site: Site, registry: Registry, faults: Faults) -> None:
    image(registry, "sync/down:1")
    wishes = site.wishes(f"{faults.host}/sync/down:1", f"{faults.host}/sync/down:1*")
    site.ok("sync", wishes)
    before = site.seen()
    faults.refuse = [404] * 50
    ran = site.run("sync", wishes)
    assert ran.code == 2
    assert site.seen() == before


def test_a_plan_tells_what_a_sync_would_do_and_writes_nothing(site: Site, registry: Registry) -> None:
    stays, goes = image(registry, "sync/plan-stays:1", "1"), image(registry, "sync/plan-goes:1", "2")
    site.ok("sync", site.wishes(stays, goes))
    new = image(registry, "sync/plan-new:1", "3")
    before, calls = site.seen(), site.cvmfs.calls() if site.cvmfs else []
    told = site.ok("plan", site.wishes(stays, new), "--json").value
    assert [one["image"] for one in told["publish"]] == [new]
    assert told["fetch"] > 0
    assert (told["unchanged"], len(told["retire"]), len(told["names"])) == (1, 1, 1)
    assert site.seen() == before
    if site.cvmfs:
        assert site.cvmfs.calls() == calls
    assert "plan-new" in site.ok("plan", site.wishes(stays, new)).out


def descriptor(place: Path, name: str, container: object) -> None:
    document = {"name": name, "command-line": "x", "container-image": container}
    (place / f"{name}.json").write_text(json.dumps(document))


def test_every_image_that_descriptors_name_is_published(site: Site, registry: Registry) -> None:
    for name in "abc":
        image(registry, f"sync/tool-{name}:1", name)
    place = site.home / "descriptors"
    (place / "more").mkdir(parents=True)
    descriptor(place, "a", {"type": "docker", "image": f"{registry.host}/sync/tool-a:1"})
    descriptor(place, "b", {"type": "docker", "image": "sync/tool-b:1", "index": f"http://{registry.host}"})
    descriptor(
        place / "more", "c", {"type": "singularity", "image": f"docker://{registry.host}/sync/tool-c:1"}
    )
    descriptor(place, "again", {"type": "docker", "image": f"{registry.host}/sync/tool-a:1"})
    descriptor(place, "rootfs", {"type": "rootfs", "url": "http://x"})
    descriptor(place, "strange", {"type": "singularity", "image": "shub://a/b"})
    descriptor(place, "none", None)
    (place / "invocation.json").write_text('{"x": 1}')
    (place / "broken.json").write_text("{")
    ran = site.ok("sync", "--from-descriptors", place)
    assert len(site.index["names"]) == 3
    assert [line.split(":")[1].split("/")[-1] for line in ran.err.splitlines() if "passed over" in line] == [
        "broken.json",
        "rootfs.json",
        "strange.json",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("images: [busybox:1.0", "is no YAML"),
        ("image: [a]", "image: unknown key"),
        ("images: [{image: a, newest: 3}]", "images[0]: newest and exclude need a tag with"),
        ("images: ['a/UPPER']", "images[0]: image name 'a/UPPER' is not valid"),
        ("images: [{image: a, platforms: [amd64]}]", "is not of the form linux/amd64"),
        ("images: [{image: a, layouts: [docker]}]", "images[0].layouts[0]"),
        ("images: [{image: a, grace: soon}]", "images[0].grace: a time such as 30d"),
        ("- busybox", "must be keys and values"),
        ("name: by-hand", "must be letters"),
    ],
)
def test_a_wrong_list_is_told_with_file_and_place(directory: Site, text: str, told: str) -> None:
    path = directory.home / "wrong.yaml"
    path.write_text(text)
    ran = directory.run("sync", path)
    assert ran.code == 2
    assert str(path) in ran.err
    assert told in ran.err
    assert not directory.top.exists() or directory.seen() == {}


def test_a_list_that_does_not_exist_is_told(directory: Site) -> None:
    ran = directory.run("sync", "nowhere.yaml")
    assert (ran.code, ran.lines) == (2, ["cvmfs-deploy: nowhere.yaml: no such file"])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"to": ""}, "nothing says where to publish"),
        ({"rooot": "x"}, "rooot: unknown key"),
        ({"root": "../up"}, "root: names made of letters"),
        ({"to": "cvmfs:a b"}, "no name of a CVMFS repository"),
        ({"to": "cvmfs:nowhere.example.org"}, "no CVMFS repository of this machine"),
        ({"batch_size": "lots"}, "batch_size: an amount such as 20G"),
        ({"wait": "a while"}, "wait: a time such as 30d"),
    ],
)
def test_wrong_settings_are_told(directory: Site, settings: dict[str, str], told: str) -> None:
    directory.configure(**settings)
    ran = directory.run("status")
    assert (ran.code, told in ran.err) == (2, True)
