"""Grants for real storages: what nodes get works there, for as long as it should, and holds no key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from engine.app.access.exchange import NodeStorages
from engine.app.data.platforms import PlatformKeys, default_root
from engine.settings.data import CredentialSection, StorageSection
from engine.settings.tree import Settings
from engine.storage_registry import StorageRegistry
from engine.storages.s3 import S3Storage
from engine.testing.clock import FakeClock
from tests.api.post import KEY, Post, serving
from tests.services.girder import Girder
from tests.services.s3 import S3
from wrappers import wire
from wrappers.transfer.client import NOBODY, Access
from wrappers.wire import Grant

pytestmark = pytest.mark.service
WEEK = 7 * 86_400.0


def node_storages_of(settings: Settings, clock: FakeClock, url: str) -> NodeStorages:
    """The storages as `engine serve` has them, for whoever owns the execution."""

    @lru_cache
    def places(owner: str) -> StorageRegistry:
        return StorageRegistry(settings, owner, lambda: KEY, clock)

    return NodeStorages(
        f"{url}/se",
        lambda url, owner, execution: places(owner).storage(url),
        lambda url, method, owner, execution, seconds: places(owner).scope_down(url, method, seconds),
    )


def own(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def bucket(home: Path, tmp_path: Path, moto: S3) -> Settings:
    """Settings with an S3 storage."""
    pair = {"access_key_id": moto.access_key_id, "secret_access_key": moto.secret_access_key}
    file = own(tmp_path / "s3.json", json.dumps(pair))
    return Settings(
        credentials={"keys": CredentialSection(kind="s3", file=file)},
        storages={"s3": StorageSection(url=f"s3://{moto.bucket}", credential="keys", api=moto.endpoint)},
    )


@pytest.fixture
def with_bucket(bucket: Settings, tmp_path: Path, clock: FakeClock, moto: S3) -> Iterator[Post]:
    def inputs(url: str) -> list[str]:
        return [f"s3://{moto.bucket}/input"]

    with serving(
        tmp_path, clock, lambda url: node_storages_of(bucket, clock, url), inputs, f"s3://{moto.bucket}/out"
    ) as post:
        yield post


def test_objects_are_read_and_written_without_a_key_on_the_node(
    with_bucket: Post, bucket: Settings, moto: S3
) -> None:
    exchange = with_bucket.exchange()
    target = f"s3://{moto.bucket}/out/with%20space"
    put = exchange.grant(target, "PUT")
    assert put is not None
    with_bucket.put(put.use, b"result", NOBODY)
    got = exchange.grant(target, "GET")
    assert got is not None
    with with_bucket.client.request("GET", got.use, {}, None, NOBODY) as answer:
        assert answer.read() == b"result"
    shown = wire.dumps(put) + wire.dumps(got)
    assert moto.secret_access_key not in shown
    assert exchange.grant(f"s3://{moto.bucket}/input", "PUT") is None
    assert exchange.grant(f"s3://{moto.bucket}/other", "GET") is None


def test_a_missing_key_is_told_to_the_node_in_one_line(with_bucket: Post, tmp_path: Path, moto: S3) -> None:
    (tmp_path / "s3.json").unlink()
    exchange = with_bucket.exchange()
    assert exchange.grant(f"s3://{moto.bucket}/input", "GET") is None
    reason = exchange.refusal(f"s3://{moto.bucket}/input", "GET")
    assert reason.startswith("credential keys: ")
    assert "\n" not in reason


def test_the_engine_finds_its_storages_by_the_settings(bucket: Settings, clock: FakeClock, moto: S3) -> None:
    places = StorageRegistry(bucket, "somebody", lambda: KEY, clock)
    assert isinstance(places.storage(f"s3://{moto.bucket}/a"), S3Storage)
    assert places.storage(f"s3://{moto.bucket}/a") is places.storage(f"s3://{moto.bucket}/b")
    assert places.storage("s3://another/b") is not places.storage(f"s3://{moto.bucket}/b")


@pytest.fixture
def warehouse(home: Path, girder: Girder) -> Settings:
    """Settings with a Girder for which nobody has registered a key yet."""
    url = f"girder://{girder.host}/collection/tests"
    return Settings(owner="somebody", storages={"warehouse": StorageSection(url=url, api=girder.api)})


@pytest.fixture
def with_girder(warehouse: Settings, tmp_path: Path, clock: FakeClock, girder: Girder) -> Iterator[Post]:
    def inputs(url: str) -> list[str]:
        return [f"girder://{girder.host}/collection/tests/data/input"]

    place = f"girder://{girder.host}/collection/tests/out"
    with serving(tmp_path, clock, lambda url: node_storages_of(warehouse, clock, url), inputs, place) as post:
        yield post


def who(post: Post, grant: Grant | None) -> bytes:
    """Who a Girder takes a node for."""
    assert grant is not None
    access = Access(dict(grant.headers))
    with post.client.request("GET", f"{grant.use}/user/me", {}, None, access) as answer:
        return answer.read()


def test_a_job_that_waited_for_a_week_has_a_fresh_token(
    with_girder: Post, warehouse: Settings, girder: Girder
) -> None:
    keys = PlatformKeys(default_root(), "somebody", warehouse.storages)
    keys.add("warehouse", girder.key)
    url = f"girder://{girder.host}/collection/tests/data/input"
    first = with_girder.exchange().grant(url, "GET")
    with_girder.clock.advance(WEEK)
    second = with_girder.exchange().grant(url, "GET")
    assert b'"login": "admin"' in who(with_girder, second)
    assert first is not None
    assert second is not None
    assert first.headers != second.headers
    assert girder.key not in wire.dumps(first) + wire.dumps(second)
    assert with_girder.exchange().grant(f"girder://{girder.host}/collection/tests/other", "GET") is None


def test_a_key_counts_from_when_it_is_registered_until_it_is_forgotten(
    with_girder: Post, warehouse: Settings, girder: Girder
) -> None:
    url = f"girder://{girder.host}/collection/tests/data/input"
    keys = PlatformKeys(default_root(), "somebody", warehouse.storages)
    others = PlatformKeys(default_root(), "somebody else", warehouse.storages)
    others.add("warehouse", girder.key)
    exchange = with_girder.exchange()
    assert exchange.grant(url, "GET") is None
    assert "engine keys add" in exchange.refusal(url, "GET")
    keys.add("warehouse", girder.key)
    assert b'"login": "admin"' in who(with_girder, with_girder.exchange().grant(url, "GET"))
    keys.remove("warehouse")
    assert with_girder.exchange().grant(url, "GET") is None


def test_a_wrong_key_is_refused_without_being_shown(
    with_girder: Post, warehouse: Settings, girder: Girder
) -> None:
    PlatformKeys(default_root(), "somebody", warehouse.storages).add("warehouse", "swordfish")
    url = f"girder://{girder.host}/collection/tests/data/input"
    exchange = with_girder.exchange()
    assert exchange.grant(url, "GET") is None
    assert exchange.refusal(url, "GET")
    assert "swordfish" not in exchange.refusal(url, "GET")
