"""Talking to registries: the right bytes or a clear error, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import images
from tests.services.faults import Faults, faulty
from tests.services.registry import Registry, free_port
from wrappers.containers.credentials import Login, Logins
from wrappers.containers.errors import (
    AccessDenied,
    ContainerError,
    CorruptImage,
    ImageMissing,
    RegistryDown,
    UnsuitableNode,
)
from wrappers.containers.manifests import Resolved
from wrappers.containers.reference import Reference, parse
from wrappers.containers.registry import RegistryClient
from wrappers.containers.transport import RetryBudget

pytestmark = pytest.mark.service

NAME = "vip/busybox:1.0"
SECRET = "a-very-secret-password"


@pytest.fixture
def faults(registry: Registry, busybox_image: str) -> Iterator[Faults]:
    with faulty(registry.host) as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """The pauses that a client made, in seconds."""
    return []


@pytest.fixture
def client(waits: list[float]) -> RegistryClient:
    return RegistryClient(sleep=waits.append)


def asked(faults: Faults, name: str = NAME) -> Reference:
    return parse(f"{faults.host}/{name}")


def fetch(client: RegistryClient, image: Resolved, into: Path) -> bytes:
    client.fetch(image.reference, image.layers[0], into / "layer")
    return (into / "layer").read_bytes()


def test_a_name_resolves_to_the_digest_that_was_pushed(registry: Registry, client: RegistryClient) -> None:
    digest = images.push(registry.url, "test/plain:1", [images.busybox_layer()])
    image = client.resolve(parse(f"{registry.host}/test/plain:1"))
    assert image.digest == digest == images.digest_of(image.manifest)
    assert image.size == image.config.size + image.layers[0].size


@pytest.mark.parametrize("oci", [True, False])
def test_an_index_resolves_to_the_image_of_this_platform(
    registry: Registry, client: RegistryClient, oci: bool
) -> None:
    digest = images.push(registry.url, "test/index:1", [images.busybox_layer()], oci=oci, index=True)
    assert client.resolve(parse(f"{registry.host}/test/index:1")).digest == digest


def test_resolving_asks_once_or_twice(faults: Faults, registry: Registry, client: RegistryClient) -> None:
    images.push(registry.url, "test/index:1", [images.busybox_layer()], index=True)
    client.resolve(asked(faults))
    assert faults.requests == 1
    client.resolve(asked(faults, "test/index:1"))
    assert faults.requests == 3


def test_a_platform_that_is_not_there_is_named(registry: Registry, client: RegistryClient) -> None:
    images.push(registry.url, "test/arm:1", [images.busybox_layer()], index=True, architecture="arm64")
    with pytest.raises(ImageMissing, match=r"test/arm:1 does not exist for linux/.*: there is linux/arm64"):
        client.resolve(parse(f"{registry.host}/test/arm:1"))
    assert client.resolve(parse(f"{registry.host}/test/arm:1"), "linux/arm64").layers


def test_an_image_that_does_not_exist_is_named(
    registry: Registry, client: RegistryClient, waits: list[float]
) -> None:
    with pytest.raises(ImageMissing, match=f"image {registry.host}/vip/none:1 does not exist"):
        client.resolve(parse(f"{registry.host}/vip/none:1"))
    assert waits == []


def test_a_registry_that_is_down_is_asked_several_times(client: RegistryClient, waits: list[float]) -> None:
    with pytest.raises(
        RegistryDown, match=r"registry (127\.0\.0\.1:\d+) cannot be reached: .*\1: Connection refused"
    ):
        client.resolve(parse(f"127.0.0.1:{free_port()}/a/b"))
    assert len(waits) == 5
    assert all(one < other for one, other in zip(waits[::2], waits[2::2], strict=False)), "the waits grow"


def test_busy_answers_are_waited_for_as_long_as_they_say(
    faults: Faults, client: RegistryClient, waits: list[float]
) -> None:
    faults.refuse, faults.retry_after = [429, 503], "7"
    client.resolve(asked(faults))
    assert len(waits) == 2
    assert min(waits) >= 7


def test_a_wait_beyond_all_patience_is_an_error_at_once(
    faults: Faults, client: RegistryClient, waits: list[float]
) -> None:
    faults.refuse, faults.retry_after = [429], "86400"
    with pytest.raises(RegistryDown, match="allows no more requests now"):
        client.resolve(asked(faults))
    assert waits == []


def test_a_cut_transfer_goes_on_where_it_ended(
    faults: Faults, client: RegistryClient, tmp_path: Path
) -> None:
    image = client.resolve(asked(faults))
    faults.cut_after, faults.cuts = 200_000, 3
    assert images.digest_of(fetch(client, image, tmp_path)) == image.layers[0].digest
    assert faults.blobs == 4
    assert faults.bytes < image.layers[0].size + 10_000


def test_a_server_without_ranges_is_asked_for_everything_again(
    faults: Faults, client: RegistryClient, tmp_path: Path
) -> None:
    image = client.resolve(asked(faults))
    faults.cut_after, faults.cuts, faults.ranges = 200_000, 1, False
    assert images.digest_of(fetch(client, image, tmp_path)) == image.layers[0].digest


def test_a_server_that_always_cuts_is_given_up(
    faults: Faults, client: RegistryClient, tmp_path: Path
) -> None:
    image = client.resolve(asked(faults))
    faults.cut_after, faults.cuts = 0, 1000
    with pytest.raises(RegistryDown, match="breaks off every transfer"):
        fetch(client, image, tmp_path)


def test_a_byte_flipped_once_is_fetched_again(faults: Faults, client: RegistryClient, tmp_path: Path) -> None:
    image = client.resolve(asked(faults))
    faults.corrupt = 1
    assert images.digest_of(fetch(client, image, tmp_path)) == image.layers[0].digest


def test_a_flipped_byte_in_a_layer_is_refused(faults: Faults, client: RegistryClient, tmp_path: Path) -> None:
    image = client.resolve(asked(faults))
    faults.corrupt = 1000
    with pytest.raises(CorruptImage, match=f"wrong bytes for layer {image.layers[0].digest}"):
        fetch(client, image, tmp_path)


def test_a_flipped_byte_in_the_configuration_is_refused(faults: Faults, client: RegistryClient) -> None:
    image = client.resolve(asked(faults))
    faults.corrupt = 1
    with pytest.raises(CorruptImage, match=image.config.digest):
        client.config(image)


def test_another_manifest_than_the_digest_asked_for_is_refused(
    faults: Faults, client: RegistryClient
) -> None:
    image = client.resolve(asked(faults))
    faults.wrong_manifest = image.manifest + b" "
    with pytest.raises(CorruptImage, match=f"something else than {image.digest}"):
        client.resolve(image.reference._replace(digest=image.digest))


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{", b'{"schemaVersion": 1}', b'{"schemaVersion": 2}'])
def test_what_is_no_manifest_is_refused(faults: Faults, client: RegistryClient, manifest: bytes) -> None:
    faults.wrong_manifest = manifest or b" "
    with pytest.raises(CorruptImage, match="manifest"):
        client.resolve(asked(faults))


def test_a_full_disk_is_the_nodes_trouble(faults: Faults, client: RegistryClient) -> None:
    image = client.resolve(asked(faults))
    with pytest.raises(UnsuitableNode, match="No space left on device"):
        client.fetch(image.reference, image.layers[0], Path("/dev/full"))


@pytest.mark.parametrize("token", [True, False])
def test_credentials_open_what_is_closed(faults: Faults, token: bool, tmp_path: Path) -> None:
    faults.login, faults.token = f"me:{SECRET}", token
    client = RegistryClient(logins=Logins({faults.host: Login("me", SECRET)}))
    image = client.resolve(asked(faults))
    assert images.digest_of(fetch(client, image, tmp_path)) == image.layers[0].digest


def test_an_anonymous_token_is_fetched_where_one_is_enough(faults: Faults, client: RegistryClient) -> None:
    faults.token = True
    assert client.resolve(asked(faults)).layers
    assert not any(header.startswith("Basic") for _, header in faults.seen)


@pytest.mark.parametrize("token", [True, False])
def test_wrong_credentials_are_refused_without_showing_them(
    faults: Faults, token: bool, client: RegistryClient
) -> None:
    faults.login, faults.token = "me:right", token
    with pytest.raises(AccessDenied, match=f"{faults.host} refuses the credentials of 'me'") as refused:
        RegistryClient(logins=Logins({faults.host: Login("me", SECRET)})).resolve(asked(faults))
    assert SECRET not in str(refused.value) + repr(Login("me", SECRET))
    helps = "wants credentials, or has no such image: give them by docker login, podman login or in the file"
    with pytest.raises(AccessDenied, match=helps):
        client.resolve(asked(faults))


def test_credentials_do_not_follow_a_redirect_to_another_host(
    faults: Faults, registry: Registry, tmp_path: Path
) -> None:
    with faulty(registry.host) as elsewhere:
        faults.login, faults.redirect_to = f"me:{SECRET}", elsewhere.url
        client = RegistryClient(logins=Logins({faults.host: Login("me", SECRET)}))
        image = client.resolve(asked(faults))
        assert images.digest_of(fetch(client, image, tmp_path)) == image.layers[0].digest
        assert [header for _, header in elsewhere.seen] == [""]


def test_relative_redirects_are_followed(faults: Faults, client: RegistryClient) -> None:
    faults.redirect_to = "/elsewhere"
    image = client.resolve(asked(faults))
    with pytest.raises(RegistryDown, match=r"cannot be reached: .*more than 6 redirects"):
        client.config(image)
    assert faults.seen[-1][0].startswith("/elsewhere/elsewhere/")


def test_mirrors_are_asked_first_and_the_host_last(
    faults: Faults, registry: Registry, tmp_path: Path
) -> None:
    with faulty(registry.host) as bad, faulty(registry.host) as good:
        bad.missing = True
        down = f"http://127.0.0.1:{free_port()}"
        client = RegistryClient(mirrors={faults.host: [down, bad.url, good.url]}, sleep=lambda _: None)
        image = client.resolve(asked(faults))
        assert images.digest_of(fetch(client, image, tmp_path)) == image.layers[0].digest
        assert (bad.requests, faults.requests) == (2, 0)


def test_wrong_bytes_of_a_mirror_send_us_to_the_host(
    faults: Faults, registry: Registry, tmp_path: Path
) -> None:
    with faulty(registry.host) as mirror:
        client = RegistryClient(mirrors={faults.host: [mirror.url]}, sleep=lambda _: None)
        mirror.corrupt = 1000
        image = client.resolve(asked(faults))
        assert images.digest_of(fetch(client, image, tmp_path)) == image.layers[0].digest
        assert faults.blobs == 1


def test_a_mirror_never_sees_the_credentials_of_the_host(faults: Faults, registry: Registry) -> None:
    with faulty(registry.host) as mirror:
        mirror.login = "someone:else"
        faults.login = f"me:{SECRET}"
        client = RegistryClient(
            mirrors={faults.host: [mirror.url]}, logins=Logins({faults.host: Login("me", SECRET)})
        )
        client.resolve(asked(faults))
        assert {header for _, header in mirror.seen} == {""}


@pytest.mark.parametrize("below", ["", "/vip"])
def test_a_mirror_gets_its_own_credentials_and_the_host_its_own(
    faults: Faults, registry: Registry, below: str
) -> None:
    """Without it, a site whose mirror wants a login pulls every image over the wide network, or none."""
    with faulty(registry.host) as mirror:
        mirror.login = "site:its-own-password"
        faults.login = f"me:{SECRET}"
        logins = Logins(
            {f"{mirror.host}{below}": Login("site", "its-own-password"), faults.host: Login("me", SECRET)}
        )
        client = RegistryClient(mirrors={faults.host: [mirror.url]}, logins=logins)
        client.resolve(asked(faults))
        assert (faults.requests, mirror.requests > 0) == (0, True)
        mirror.missing = True
        client.config(client.resolve(asked(faults)))
        sent = {header for _, header in faults.seen if header}
        assert sent == {Login("me", SECRET).basic()}
        assert {header for _, header in mirror.seen if header} == {Login("site", "its-own-password").basic()}


def test_a_transfer_that_is_not_wanted_any_more_ends_at_once(
    faults: Faults, client: RegistryClient, tmp_path: Path
) -> None:
    image = client.resolve(asked(faults))
    with pytest.raises(RegistryDown, match="not wanted any more"):
        client.fetch(image.reference, image.layers[0], tmp_path / "layer", wanted=lambda: False)
    assert (tmp_path / "layer").stat().st_size == 0


def test_other_hosts_are_only_asked_by_https() -> None:
    client = RegistryClient(retry_budget=RetryBudget(tries=1))
    with pytest.raises(ContainerError) as refused:
        client.resolve(parse("registry.invalid/a/b"))
    assert "registry.invalid" in str(refused.value)
    (transport,) = client.ways_to(parse("registry.invalid/a/b"))
    assert transport.base == "https://registry.invalid"
