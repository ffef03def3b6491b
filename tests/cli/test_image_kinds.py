"""What a registry holds, read while the request is planned: which variant, what for, and is it an image?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.services import images
from tests.services.registry import Registry

pytestmark = pytest.mark.service

OCI = "application/vnd.oci.image"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
OTHER = "arm64" if MACHINE == "amd64" else "amd64"


def tool(desk: Desk, image: str, *options: str) -> tuple[str, ...]:
    return desk.tool("cat /variant > o", outputs={"o": "o"}, image=image), desk.write("i.json", {}), *options


def push_index(
    registry: Registry, name: str, entries: Sequence[tuple[str, Mapping[str, Any] | None]]
) -> dict[str, str]:
    """An index of images, each with a file that says which it is; gives their digests."""
    repository, tag = name.split(":")
    made = {}
    manifests = []
    for mark, platform in entries:
        layer = images.busybox_layer()
        mark_layer = images.one_file_layer("variant", mark + "\n")
        made[mark] = images.push(registry.url, f"{repository}:{mark}", [layer, mark_layer], oci=True)
        entry: dict[str, Any] = {"mediaType": f"{OCI}.manifest.v1+json", "digest": made[mark], "size": 1000}
        manifests.append({**entry, **({"platform": platform} if platform is not None else {})})
    kind = f"{OCI}.index.v1+json"
    body = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).encode()
    images.put_manifest(registry.url, repository, tag, kind, body)
    return made


def of(architecture: str = MACHINE, variant: str = "", system: str = "linux") -> dict[str, str]:
    found = {"os": system, "architecture": architecture, "variant": variant}
    return {key: value for key, value in found.items() if value}


@pytest.mark.parametrize(
    ("entries", "taken"),
    [
        ([("v4", of(variant="v4")), ("plain", of())], "plain"),
        ([("v4", of(variant="v4")), ("v3", of(variant="v3")), ("v2", of(variant="v2"))], "v2"),
        ([("v10", of(variant="v10")), ("v9", of(variant="v9"))], "v9"),
        ([("odd", of(variant="odd")), ("v2", of(variant="v2"))], "v2"),
        ([("other", of(OTHER)), ("mine", of({"amd64": "x86_64", "arm64": "aarch64"}[MACHINE]))], "mine"),
        ([("windows", of(system="windows")), ("mine", of(system="Linux"))], "mine"),
        ([("unknown", of("unknown", system="unknown")), ("mine", of())], "mine"),
        ([("untold", None)], "untold"),
        ([("untold", {})], "untold"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_of_several_variants_the_lowest_runs(
    desk: Desk, registry: Registry, entries: Sequence[tuple[str, dict[str, str] | None]], taken: str
) -> None:
    made = push_index(registry, "kinds/variants:1", entries)
    words = tool(desk, f"{registry.host}/kinds/variants:1")
    assert desk.ok("plan", *words, "--json").value["image"].endswith(made[taken])
    assert desk.submit(*words).read("outputs/o") == taken + "\n"


@pytest.mark.parametrize("as_digest", [False, True], ids=["tag", "digest"])
def test_an_image_for_other_machines_is_refused_while_planning(
    desk: Desk, registry: Registry, as_digest: bool
) -> None:
    name = "kinds/other:1"
    digest = images.push(registry.url, name, [images.busybox_layer()], architecture=OTHER)
    image = f"{registry.host}/kinds/other" + (f"@{digest}" if as_digest else ":1")
    ran = desk.run("plan", *tool(desk, image))
    assert ran.code == 2
    assert f"does not exist for linux/{MACHINE}: it is made for linux/{OTHER}" in ran.err
    assert "container-image.image" in ran.err


@pytest.mark.parametrize(
    "architecture", ["", os.uname().machine, "X86_64" if MACHINE == "amd64" else "AARCH64"]
)
def test_an_image_runs_whose_architecture_is_told_otherwise_or_not_at_all(
    desk: Desk, registry: Registry, architecture: str
) -> None:
    layers = [images.busybox_layer(), images.one_file_layer("variant", "mine\n")]
    images.push(registry.url, "kinds/untold:1", layers, architecture=architecture)
    assert desk.submit(*tool(desk, f"{registry.host}/kinds/untold:1")).read("outputs/o") == "mine\n"


def artifact(registry: Registry, name: str, config: str, layer: str, **more: Any) -> str:
    repository, tag = name.split(":")
    blob = images.push_blob(registry.url, repository, layer, b"something")
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": images.push_blob(registry.url, repository, config, b"{}"),
        "layers": [blob],
        **more,
    }
    images.put_manifest(registry.url, repository, tag, manifest["mediaType"], json.dumps(manifest).encode())
    return f"{registry.host}/{name}"


@pytest.mark.parametrize(
    ("config", "layer", "more", "said"),
    [
        (
            "application/vnd.sylabs.sif.config.v1+json",
            "application/vnd.sylabs.sif.layer.v1.sif",
            {},
            "is no container image, but a SIF file of Singularity",
        ),
        (
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            {},
            "is no container image, but a Helm chart",
        ),
        (
            f"{OCI}.config.v1+json",
            "application/vnd.dev.cosign.simplesigning.v1+json",
            {},
            "is no container image, but a signature",
        ),
        (
            "application/vnd.oci.empty.v1+json",
            "text/csv",
            {"artifactType": "application/vnd.example.data"},
            "is no container image, but an artifact of type",
        ),
        (
            f"{OCI}.config.v1+json",
            f"{OCI}.layer.v1.tar+gzip+encrypted",
            {},
            "its layers are encrypted",
        ),
        (
            "application/vnd.unknown.config.v1+json",
            f"{OCI}.layer.v1.tar",
            {},
            "(its type is application/vnd.unknown.config.v1+json)",
        ),
    ],
    ids=["sif", "helm", "signature", "artifact", "encrypted", "unknown"],
)  # fmt: skip
def test_what_is_no_container_image_is_refused_by_its_kind(
    desk: Desk, registry: Registry, config: str, layer: str, more: dict[str, Any], said: str
) -> None:
    image = artifact(registry, "kinds/artifact:1", config, layer, **more)
    ran = desk.run("plan", *tool(desk, image))
    assert ran.code == 2
    assert said in ran.err
    assert "try later" not in ran.err
    assert desk.debris() == []


def test_a_plan_tells_how_much_is_to_be_fetched(desk: Desk, registry: Registry, busybox_image: str) -> None:
    words = tool(desk, busybox_image)
    size = desk.ok("plan", *words, "--json").value["image_size"]
    assert size > 100_000
    assert f"{size / 1e6:.1f} MB" in desk.ok("plan", *words).out
    ran = desk.ok("plan", *words, variables={"ENGINE_NODE__CACHE_SIZE": "1000"})
    assert "more than the 0 MB of node.cache_size" in ran.err


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"Env": "PATH=/bin"}, "Env"),
        ({"Env": [None, "PATH=/bin"]}, "Env"),
        ({"Env": ["PATH=/bin", "X=a\0b"]}, "Env"),
        ({"Env": ["PATH=/bin", "X=\ud800"]}, "Env"),
        ({"Entrypoint": 7}, "Entrypoint"),
        ({"Entrypoint": [["/bin/sh"]]}, "Entrypoint"),
    ],
    ids=repr,
)
def test_an_image_that_asks_for_what_no_program_can_be_given_is_refused_while_planning(
    desk: Desk, registry: Registry, config: Mapping[str, Any], name: str
) -> None:
    images.push(registry.url, "kinds/asks:1", [images.busybox_layer()], config=config)
    ran = desk.run("plan", *tool(desk, f"{registry.host}/kinds/asks:1"))
    assert ran.code == 2
    assert f"{registry.host}/kinds/asks:1 cannot run: {name} of its configuration" in ran.err
    assert desk.debris() == []
