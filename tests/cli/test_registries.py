"""Private registries, their token services, TLS and proxies, as somebody meets them who types `engine`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.services.faults import Faults, faulty
from tests.services.forward_proxy import ForwardProxy, forward_proxy
from tests.services.pki import Pki, make_pki
from tests.services.registry import Registry

pytestmark = pytest.mark.service

SECRET = "a-very-secret-password"
NAME = "registry.example.org/vip/busybox:1.0"
"""A host that no name service knows: only a proxy does."""


@pytest.fixture
def faults(registry: Registry, busybox_image: str) -> Iterator[Faults]:
    """A private registry."""
    with faulty(registry.host) as running:
        running.token = True
        running.login = f"me:{SECRET}"
        yield running


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """An authority that nobody knows, and a certificate for *.example.org."""
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def secure(registry: Registry, busybox_image: str, pki: Pki) -> Iterator[Faults]:
    """A registry that speaks TLS."""
    with faulty(registry.host, pki, "registry.example.org") as running:
        yield running


@pytest.fixture
def proxy(secure: Faults) -> Iterator[ForwardProxy]:
    """A proxy that knows where registry.example.org is."""
    with forward_proxy(routes={"registry.example.org:443": secure.host}) as running:
        yield running


def tool(desk: Desk, image: str) -> tuple[str, str]:
    return desk.tool("echo hello > o", outputs={"o": "o"}, image=image), desk.write("i.json", {})


def logins(desk: Desk, auths: Mapping[str, Any], name: str = ".docker/config.json") -> Path:
    path = desk.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": auths}))
    return path


def basic(pair: str = f"me:{SECRET}") -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


@pytest.mark.parametrize("hiccups", [[503, 429], [0, 0], [500]], ids=str)
def test_a_hiccup_of_the_token_service_is_waited_for(desk: Desk, faults: Faults, hiccups: list[int]) -> None:
    logins(desk, {faults.host: basic()})
    faults.token_refuse = list(hiccups)
    faults.token_redirects = 1
    assert desk.ok("plan", *tool(desk, f"{faults.host}/vip/busybox:1.0"), "--json").value["image"]
    assert not faults.token_refuse


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ([503] * 9, "token service {host} of registry {host} is out of order (status 503)"),
        ([429] * 9, "token service {host} of registry {host} allows no more requests now (status 429)"),
        ([0] * 9, "registry {host} cannot be reached"),
        ([404] * 9, "token service {host} of registry {host} answers with status 404"),
    ],
)
def test_a_token_service_that_is_down_is_not_taken_for_a_wish_for_credentials(
    desk: Desk, faults: Faults, statuses: list[int], said: str
) -> None:
    logins(desk, {faults.host: basic()})
    faults.token_refuse = statuses
    ran = desk.run("plan", *tool(desk, f"{faults.host}/vip/busybox:1.0"))
    assert ran.code == 3
    assert said.format(host=faults.host) in ran.err
    assert "credentials" not in ran.err
    assert "try later" in ran.err
    assert SECRET not in ran.err


@pytest.mark.parametrize(
    "challenges",
    [
        ["Bearer realm={realm},service=tests,scope=repository:x:pull"],
        ['Negotiate, Basic realm="x", Bearer realm="{realm}" , service=tests'],
        ['Basic realm="a, b"', 'Bearer realm="{realm}"'],
        ['BEARER Realm="{realm}",error="invalid_token"', "Basic"],
    ],
)
def test_challenges_are_read_as_the_standard_has_them(
    desk: Desk, faults: Faults, challenges: list[str]
) -> None:
    logins(desk, {faults.host: basic()})
    faults.challenges = challenges
    desk.ok("plan", *tool(desk, f"{faults.host}/vip/busybox:1.0"))


def test_an_identity_token_is_exchanged_and_runs_a_job(desk: Desk, faults: Faults) -> None:
    faults.identity = SECRET
    logins(desk, {faults.host: {**basic("<token>:"), "identitytoken": SECRET}})
    done = desk.submit(*tool(desk, f"{faults.host}/vip/busybox:1.0"))
    assert done.read("outputs/o") == "hello\n"
    assert any(path.startswith("POST /token") for path, _ in faults.seen)
    assert SECRET not in done.ran.err


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        ("REGISTRY_AUTH_FILE", "auth.json", "auth.json"),
        ("DOCKER_CONFIG", "docker", "docker/config.json"),
        ("XDG_CONFIG_HOME", "config", "config/containers/auth.json"),
        ("XDG_RUNTIME_DIR", "run", "run/containers/auth.json"),
    ],
)
def test_what_podman_and_docker_keep_lets_a_job_in(
    desk: Desk, faults: Faults, variable: str, value: str, file: str
) -> None:
    broken = {"auth": "%%%"}
    logins(desk, {"a.example.org": broken, f"{faults.host}/vip": basic(), faults.host: basic("x:y")}, file)
    variables = {variable: str(desk.home / value)}
    done = desk.submit(*tool(desk, f"{faults.host}/vip/busybox:1.0"), variables=variables)
    assert done.read("outputs/o") == "hello\n"


def test_refused_credentials_are_told_with_their_user(desk: Desk, faults: Faults) -> None:
    logins(desk, {faults.host: basic("you:wrong-one")})
    ran = desk.run("plan", *tool(desk, f"{faults.host}/vip/busybox:1.0"))
    assert f"registry {faults.host} refuses the credentials of 'you'" in ran.err
    assert "wrong-one" not in ran.err


def test_an_authority_of_the_settings_is_trusted_for_registries(
    desk: Desk, proxy: ForwardProxy, pki: Pki
) -> None:
    variables = {"https_proxy": proxy.url, "ENGINE_NODE__AUTHORITIES": str(pki.authority)}
    done = desk.submit(*tool(desk, NAME), variables=variables)
    assert done.read("outputs/o") == "hello\n"


def test_the_authorities_of_a_grid_node_are_trusted_for_registries(
    desk: Desk, proxy: ForwardProxy, pki: Pki
) -> None:
    variables = {"https_proxy": proxy.url, "X509_CERT_DIR": str(pki.authorities)}
    desk.ok("plan", *tool(desk, NAME), variables=variables)


def test_a_registry_that_cannot_be_trusted_ends_it_at_once(desk: Desk, proxy: ForwardProxy) -> None:
    ran = desk.run("plan", *tool(desk, NAME), variables={"https_proxy": proxy.url})
    assert ran.code == 3
    assert "try later" not in ran.err
    assert "registry.example.org cannot be trusted: " in ran.err
    assert "by the proxy 127.0.0.1" in ran.err
    assert "name its certificate authority in the setting `authorities`" in ran.err
    assert proxy.seen == ["CONNECT registry.example.org:443"]


def test_authorities_that_cannot_be_read_are_named(desk: Desk, proxy: ForwardProxy) -> None:
    variables = {"https_proxy": proxy.url, "ENGINE_NODE__AUTHORITIES": "/nowhere/ca.pem"}
    ran = desk.run("plan", *tool(desk, NAME), variables=variables)
    assert "credentials" not in ran.err
    assert "/nowhere/ca.pem cannot be used: No such file or directory" in ran.err
    assert "`authorities`" in ran.err


def test_a_proxy_that_refuses_is_named_and_its_password_is_not(desk: Desk, proxy: ForwardProxy) -> None:
    proxy.login = f"me:{SECRET}"
    address = proxy.url.partition("://")[2]
    ran = desk.run("plan", *tool(desk, NAME), variables={"https_proxy": f"http://me:{SECRET}x@{address}"})
    assert "registry.example.org cannot be reached: " in ran.err
    assert f"by the proxy {address} (https_proxy)" in ran.err
    assert "407" in ran.err
    assert SECRET not in ran.err


def test_a_proxy_with_a_login_is_shown_it(desk: Desk, proxy: ForwardProxy, pki: Pki) -> None:
    proxy.login = f"me:{SECRET}"
    url = proxy.url.replace("://", f"://me:{SECRET}@")
    variables = {"https_proxy": url, "ENGINE_NODE__AUTHORITIES": str(pki.authority)}
    desk.ok("plan", *tool(desk, NAME), variables=variables)


def test_a_proxy_that_is_down_is_named(desk: Desk) -> None:
    ran = desk.run("plan", *tool(desk, NAME), variables={"HTTPS_PROXY": "127.0.0.1:9"})
    assert ran.code == 3
    assert "by the proxy 127.0.0.1:9 (https_proxy)" in ran.err


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "http://", "http://h:port"])
def test_what_is_no_http_proxy_is_refused_by_its_variable(desk: Desk, value: str) -> None:
    ran = desk.run("plan", *tool(desk, NAME), variables={"all_proxy": value})
    assert ran.code == 2
    assert "credentials" not in ran.err
    assert "the variable all_proxy does not name an HTTP proxy: write http://HOST:PORT" in ran.err


def test_a_registry_of_this_machine_is_never_asked_by_a_proxy(desk: Desk, busybox_image: str) -> None:
    dead = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all")}
    assert desk.submit(*tool(desk, busybox_image), variables=dead).read("outputs/o") == "hello\n"


def test_no_proxy_names_who_is_asked_directly(desk: Desk, proxy: ForwardProxy) -> None:
    variables = {"https_proxy": proxy.url, "no_proxy": ".example.org,10.0.0.0/8"}
    ran = desk.run("plan", *tool(desk, NAME), variables=variables)
    assert ran.code == 3
    assert "proxy" not in ran.err
    assert proxy.seen == []
