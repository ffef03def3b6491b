"""The shipped examples stay true to the code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from engine.backends.wms.section import GridNodeSettings
from engine.settings.backends import kind_named
from engine.settings.reading import load
from engine.settings.tree import Settings
from tests.docs.reference.settings import KINDS, is_as_here

CONFIG = Path(__file__).resolve().parents[2] / "config"
EXAMPLE = CONFIG / "engine.example.yaml"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that an example can have; of a grid's nodes, those that other machines have not."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if f"{prefix}{name}" == "backends":
            for one in KINDS:
                yield from keys(kind_named(one).section, f"backends.{one}.")
        elif model is GridNodeSettings and is_as_here(model, name):
            continue
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def flattened(data: dict[str, object], model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of an example, its back-ends named by their kinds."""
    for name, value in data.items():
        kind = model.model_fields[name].annotation
        if f"{prefix}{name}" == "backends":
            assert isinstance(value, dict)
            for section in value.values():
                yield from flattened(
                    section, kind_named(section["kind"]).section, f"backends.{section['kind']}."
                )
        elif isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from flattened(value, kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def uncommented() -> str:
    """The example as a user would have it who takes everything: prose begins with "# ", settings with "#"."""
    lines = EXAMPLE.read_text().splitlines()
    return "\n".join(re.sub(r"^( *)#(?! )", r"\1", line) for line in lines)


def test_the_example_as_shipped_changes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(EXAMPLE) == load()


def test_the_example_names_every_setting_and_no_other(home: Path) -> None:
    data = yaml.safe_load(uncommented())
    assert sorted(flattened(data, Settings)) == sorted(keys(Settings))


def test_the_example_is_valid_once_it_is_uncommented(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(uncommented())
    assert load(file).backends["local"].model_dump()["slots"] == 2


@pytest.mark.parametrize("example", sorted(path.name for path in (CONFIG / "examples").iterdir()))
def test_an_example_descriptor_is_valid_boutiques(example: str) -> None:
    bosh = Path(sys.executable).with_name("bosh")
    descriptor = CONFIG / "examples" / example / "descriptor.json"
    verdict = subprocess.run([bosh, "validate", descriptor], capture_output=True, text=True)
    assert verdict.returncode == 0, verdict.stderr
