"""Settings as a user writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.settings.reading import load
from engine.settings.tree import Settings


@pytest.fixture
def read(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads these settings from a file; warnings go into `read.warned`."""
    warned = list[str]()
    monkeypatch.chdir(tmp_path)

    def made(tree: object) -> Settings:
        Path("engine.yaml").write_text(yaml.safe_dump(tree))
        return load(Path("engine.yaml"), warn=warned.append)

    made.warned = warned  # type: ignore[attr-defined]
    return made
