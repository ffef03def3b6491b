"""The reverse proxies' configurations that are shipped are those that the guide prints."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["nginx.conf", "haproxy.cfg"])
def test_the_guide_prints_the_whole_of_it(name: str) -> None:
    guide = (ROOT / "docs/how-to/run-a-portal.md").read_text()
    assert f"\n{(ROOT / 'config' / name).read_text()}```" in guide
